"""Ask one address again and again for some seconds; tell the failures and the longest wait for an answer."""

import json
import sys
import time

import urllib3


def main() -> None:
    """Ask, by GET and POST in turn."""
    address, public_name, ca_file, seconds = sys.argv[1:5]
    headers = {"Host": public_name, "Content-Type": "application/json"}
    pool = urllib3.HTTPSConnectionPool(
        address,
        server_hostname=public_name,
        assert_hostname=public_name,
        ca_certs=ca_file,
        headers=headers,
        retries=False,
        timeout=2,
    )
    good, failures, longest = 0, [], 0.0
    began = last = time.monotonic()
    while time.monotonic() - began < float(seconds):
        method = ("GET", "POST")[good % 2]
        try:
            answer = pool.request(method, "/api/v1/auth/echo", body=b"{}" if method == "POST" else None)
            outcome = "" if answer.status == 200 else str(answer.status)
        except urllib3.exceptions.HTTPError as error:
            outcome = type(error).__name__
        now = time.monotonic()
        if outcome:
            failures.append(f"{now - began:.2f}: {method} {outcome}")
        else:
            longest, last, good = max(longest, now - last), now, good + 1
        time.sleep(0.02)
    longest = max(longest, time.monotonic() - last)
    report = {"good": good, "failed": len(failures), "failures": failures[:20], "longest": round(longest, 2)}
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
