"""Ask for something through the gateway of this host, all the time, until a file appears.

Arguments: the file, and the gateway's port. Prints one JSON object: requests, failed, failing_seconds from the first to the last failure, why, and releases seen.
"""

import http.client
import json
import sys
import time
from collections import Counter
from pathlib import Path


def ask(port):
    """Return which release answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/v1/greeting/hello")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"status {answer.status}")
    return json.loads(body)["release"]


def main():
    stop, port = Path(sys.argv[1]), int(sys.argv[2])
    count, releases, why, failures = 0, Counter(), Counter(), []
    while not stop.exists():
        count += 1
        try:
            releases[ask(port)] += 1
        except (OSError, http.client.HTTPException) as error:
            failures.append(time.monotonic())
            why[str(error)] += 1
        time.sleep(0.02)
    seconds = failures[-1] - failures[0] if failures else 0
    report = {
        "requests": count,
        "failed": len(failures),
        "failing_seconds": seconds,
        "why": why,
        "releases": releases,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
