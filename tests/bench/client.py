"""Runs on a host: asks one path of a service on that host over kept connections, as fast as it answers.

Reads {"host", "port", "path", "token", "connections", "seconds"} as JSON, prints {"answers", "seconds", "service_seconds", "host_seconds"} as
JSON: the processor time that the unit {"unit"} has used meanwhile, and that with what journal and rsyslog have used. Any answer but 200 ends it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

TLS = "/etc/alicerce/tls"


def cpu_seconds(unit: str) -> tuple[float, float]:
    """Return the processor time of a unit's main process and its children, and that with the journal's and rsyslog's (proc_pid_stat(5)).

    systemd does not count it on every host.
    """
    main = subprocess.run(
        ["systemctl", "show", "--property=MainPID", "--value", unit],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    service = log = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program, in parentheses, may hold anything.
            head, _, rest = file.read_text().rpartition(")")
            fields, name = rest.split(), head.partition("(")[2]
            used = int(fields[11]) + int(fields[12])
            if main in {file.parent.name, fields[1]}:
                service += used
            elif name in {"rsyslogd", "systemd-journal"}:
                log += used
    tick = os.sysconf("SC_CLK_TCK")
    return service / tick, (service + log) / tick


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
    before, began = cpu_seconds(task["unit"]), time.monotonic()
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
    seconds, after = time.monotonic() - began, cpu_seconds(task["unit"])
    json.dump(
        {
            "answers": sum(answers),
            "seconds": seconds,
            "service_seconds": after[0] - before[0],
            "host_seconds": after[1] - before[1],
        },
        sys.stdout,
    )


main()
