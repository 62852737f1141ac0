"""Runs on a host: asks one path of a service on that host over kept connections, as fast as it answers.

Reads {"host", "port", "path", "token", "connections", "seconds"} as JSON, prints {"answers", "seconds", "cpu_seconds"} as JSON, where
cpu_seconds is what the unit {"unit"} used meanwhile. Any answer but 200 ends it.
"""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
import threading
import time

TLS = "/etc/alicerce/tls"


def cpu_seconds(unit: str) -> float:
    """Return the processor time that a unit has used since its start."""
    said = subprocess.run(
        ["systemctl", "show", "--property=CPUUsageNSec", "--value", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(said.stdout) / 1e9


def ask(task: dict[str, object], context: ssl.SSLContext, until: float, answers: list[int]) -> None:
    """Ask until the time is over, and add how many answers there were."""
    connection = http.client.HTTPSConnection(str(task["host"]), int(str(task["port"])), context=context)
    headers = {"Authorization": f"Bearer {task['token']}"}
    count = 0
    while time.monotonic() < until:
        connection.request("GET", str(task["path"]), headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            return
        count += 1
    answers.append(count)


def main() -> None:
    """Do what standard input says."""
    task = json.load(sys.stdin)
    context = ssl.create_default_context(cafile=f"{TLS}/ca.crt")
    context.load_cert_chain(f"{TLS}/host.crt", f"{TLS}/host.key")
    answers: list[int] = []
    used, began = cpu_seconds(task["unit"]), time.monotonic()
    threads = [
        threading.Thread(target=ask, args=(task, context, began + task["seconds"], answers))
        for _ in range(task["connections"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answers) != len(threads):
        sys.exit("a connection was answered with something else than 200")
    json.dump(
        {
            "answers": sum(answers),
            "seconds": time.monotonic() - began,
            "cpu_seconds": cpu_seconds(task["unit"]) - used,
        },
        sys.stdout,
    )


main()
