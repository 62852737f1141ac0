"""Ask a group of hosts in turn until a file appears; a request fails only when no host answers it.

Arguments: the file, the port, then the hosts. Prints one JSON object: requests, failed, retried, releases seen.
"""

import http.client
import json
import ssl
import sys
import time
from collections import Counter
from pathlib import Path

TLS = Path("/etc/alicerce/tls")


def ask(host, port, context):
    """Return what one host answers."""
    connection = http.client.HTTPSConnection(host, port, timeout=2, context=context)
    try:
        connection.request("GET", "/api/v1/greeting/hello")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"{host} answered {answer.status}")
    return json.loads(body)


def main():
    stop, port, hosts = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    context = ssl.create_default_context(cafile=TLS / "ca.crt")
    context.load_cert_chain(TLS / "host.crt", TLS / "host.key")
    count = Counter()
    releases = Counter()
    while not stop.exists():
        first = count["requests"]
        count["requests"] += 1
        for attempt in range(len(hosts)):
            try:
                answer = ask(hosts[(first + attempt) % len(hosts)], port, context)
            except (OSError, http.client.HTTPException):
                count["retried"] += 1
            else:
                releases[answer["release"]] += 1
                break
        else:
            count["failed"] += 1
        time.sleep(0.02)
    print(json.dumps({"failed": 0, "retried": 0} | count | {"releases": releases}))


if __name__ == "__main__":
    main()
