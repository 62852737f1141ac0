"""What it costs to be seen: the rate of a cached authenticated GET with traces and the log's shipping, and without.

    python -m tests.bench [--seconds 10] [--rounds 6] [--json]

On one host of the running lab, in turns, so that a noisy machine treats all alike: the service users answers `GET /api/v1/users/me` with
neither traces nor a shipped log, with traces, and with both, as it is deployed. The rate is that of a machine which also is the
observability host; what the host itself has to do is told by the processor time of the service, the journal and rsyslog. The client runs on that host and speaks to the service itself, since the gateway's
quotas would be what it measures otherwise. Afterwards the host is as it was. Also printed: how many records one request through the edge
leaves in the log, their bytes as JSON, how many spans a trace that is kept has, the bytes of Jaeger's JSON, and the memory of each
observability host.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.conftest import Edge, kept
from tests.failure.platform import ROOT, Platform, PlatformError, container_of, must

UNIT = "alicerce-users-web.service"
DROP_IN = f"/run/systemd/system/{UNIT}.d/bench.conf"
PORT = yaml.safe_load((ROOT / "group_vars/all/services.yml").read_text())["services"]["users"]["port"]
CLIENT = "/run/bench_client.py"
RSYSLOG_QUIET = """
pid=$(systemctl show --property=MainPID --value rsyslog.service)
used() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
for _ in $(seq 60); do before=$(used); sleep 2; [ $(($(used) - before)) -gt 10 ] || break; done
"""
"""It has shipped what was written while it was stopped: it uses less than a twentieth of a core."""
NO_TRACES = (
    f"mkdir -p {Path(DROP_IN).parent}; printf '[Service]\\nUnsetEnvironment=TRACES_ENDPOINT\\n' > {DROP_IN}"
)
TRACES = f"rm -f {DROP_IN}"
RESTART = f"systemctl daemon-reload; systemctl restart {UNIT}"
NO_LOG = "systemctl stop syslog.socket rsyslog.service"
LOG = f"systemctl start syslog.socket rsyslog.service; {RSYSLOG_QUIET}"
MODES = {
    "neither": f"set -e; {NO_TRACES}; {RESTART}; {NO_LOG}",
    "traces": f"set -e; {TRACES}; {RESTART}; {NO_LOG}",
    "both": f"set -e; {TRACES}; {RESTART}; {LOG}",
}
"""How a host is brought to what is measured: with neither, with traces only, and with the log shipped, too, as it is deployed."""


class Bench:
    """One host, one person and what they ask."""

    def __init__(self, platform: Platform) -> None:
        """Sign somebody up."""
        self.platform = platform
        self.host = next(name for name, host in sorted(platform.hosts.items()) if "users" in host["groups"])
        platform.feed(self.host, f"tee {CLIENT}", (Path(__file__).parent / "client.py").read_text())
        self.edge = Edge(platform.info)
        person = {
            "email": f"bench.{secrets.token_hex(6)}@example.com",
            "password": secrets.token_urlsafe(18),
            "name": "Branca Bancada",
        }
        assert self.edge.sign_up(person).status_code == 201
        self.token = self.edge.log_in(person)["access_token"]
        deadline = time.monotonic() + 30
        while self.edge.call("GET", "/api/v1/users/me", token=self.token).status_code != 200:
            if time.monotonic() > deadline:
                raise PlatformError("who signed up has no profile after 30 s")
            time.sleep(0.5)

    def measure(self, seconds: float) -> dict[str, float]:
        """Return the answers a second and the processor time of the service an answer, in ms."""
        task = {
            "host": f"{self.host}.alicerce.internal",
            "port": PORT,
            "path": "/api/v1/users/me",
            "token": self.token,
            "connections": 8,
            "seconds": seconds,
            "unit": UNIT,
        }
        told = json.loads(self.platform.feed(self.host, f"python3 {CLIENT}", json.dumps(task)))
        return {
            "rate": told["answers"] / told["seconds"],
            "service_ms": 1000 * told["service_seconds"] / told["answers"],
            "host_ms": 1000 * told["host_seconds"] / told["answers"],
        }

    def compare(self, seconds: float, rounds: int) -> dict[str, dict[str, float]]:
        """Measure the modes in turns; returns the medians of each."""
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in MODES}
        try:
            for number in range(rounds):
                # Another one comes first each time: what warms up, or another's work that ends, is shared fairly.
                names = list(MODES)
                for name in names[number % 3 :] + names[: number % 3]:
                    self.platform.ssh(self.host, MODES[name])
                    self.measure(2)
                    runs[name].append(self.measure(seconds))
                    print(f"{name:>8}: {told_of(runs[name][-1])}", file=sys.stderr)
        finally:
            self.platform.ssh(self.host, f"{MODES['both']}\nrm -f {CLIENT}")
        return {
            name: {key: statistics.median(each[key] for each in those) for key in those[0]}
            for name, those in runs.items()
        }

    def records_a_request(self, requests: int = 20) -> dict[str, float]:
        """Return how many records a GET through the edge leaves in the log, and their size as JSON in bytes."""
        # The edge has closed the connection meanwhile.
        self.edge = Edge(self.platform.info)
        ids = [
            self.edge.call("GET", "/api/v1/users/me", token=self.token).headers["X-Request-ID"]
            for _ in range(requests)
        ]
        deadline = time.monotonic() + 60
        while True:
            records = [read(request_id) for request_id in ids]
            if all(len(each) == len(records[0]) > 1 for each in records):
                break
            if time.monotonic() > deadline:
                raise PlatformError(f"records of like requests: {[len(each) for each in records]}")
            time.sleep(3)
        return {
            "records": len(records[0]),
            "bytes": statistics.mean(sum(len(line) for line in each) for each in records),
        }

    def trace_a_request(self) -> dict[str, float]:
        """Return how many spans the trace of a GET through the edge has, and their size as Jaeger's JSON in bytes."""
        for _ in range(200):
            request_id = self.edge.call("GET", "/api/v1/users/me", token=self.token).headers["X-Request-ID"]
            if kept(request_id):
                break
        else:
            raise PlatformError("none of 200 requests has an id whose trace is kept")
        deadline = time.monotonic() + 60
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trace.json"
            while True:
                time.sleep(5)
                self.platform.ansible(
                    "playbooks/trace.yml",
                    "-e",
                    f"trace={request_id.replace('-', '')} trace_file={file}",
                    further=False,
                )
                told = json.loads(file.read_text())
                if told["status"] == 200:
                    [trace] = told["body"]["data"]
                    return {"spans": len(trace["spans"]), "bytes": len(json.dumps(trace))}
                if time.monotonic() > deadline:
                    raise PlatformError(f"Jaeger does not know the trace of {request_id}")


def told_of(measured: dict[str, float]) -> str:
    """Return a measurement in words."""
    return "{rate:7.1f} answers/s, {service_ms:.2f} ms of processor time each of the service, {host_ms:.2f} ms with journal and rsyslog".format(
        **measured
    )


def read(request_id: str) -> list[str]:
    """Return what the log has of a request, a record a line."""
    return must("scripts/logs", "--request", request_id, "--since", "10m", "--format", "json").splitlines()


def memory(platform: Platform) -> dict[str, str]:
    """Return the memory of each observability host, and that of the machine, in podman's words."""
    names = [name for name, host in platform.hosts.items() if "observability" in host["groups"]]
    stats = ("podman", "stats", "--no-stream", "--format", "{{.MemUsage}}")
    return {name: must(*stats, container_of(name)).strip() for name in names}


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10, help="length of one measurement (default: 10)")
    parser.add_argument("--rounds", type=int, default=6, help="measurements of each (default: 6)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        platform = Platform()
        bench = Bench(platform)
        modes = bench.compare(arguments.seconds, arguments.rounds)
        result: dict[str, Any] = modes | {
            "share": {
                name: {
                    "rate": modes[name]["rate"] / modes["neither"]["rate"],
                    "host": modes["neither"]["host_ms"] / modes[name]["host_ms"],
                }
                for name in ("traces", "both")
            },
            "log": bench.records_a_request(),
            "trace": bench.trace_a_request(),
            "memory": memory(platform),
        }
    except PlatformError as error:
        print(f"tests.bench: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(result))
        return 0
    for name in modes:
        print(f"{name:>8}: {told_of(modes[name])}")
    for name, share in result["share"].items():
        print(
            f"{name:>8}: {share['rate']:.3f} of the rate with neither; {share['host']:.3f} by the processor time on the service's host"
        )
    print(f"log: {result['log']['records']} records, {result['log']['bytes']:.0f} bytes of JSON a request")
    print(
        f"traces: {result['trace']['spans']} spans, {result['trace']['bytes']} bytes of JSON a request that is kept"
    )
    print("memory: " + ", ".join(f"{name} {usage}" for name, usage in result["memory"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
