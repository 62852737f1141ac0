"""What it costs to be seen: the rate of a cached authenticated GET with traces and the log's shipping, and without.

    python -m tests.bench [--seconds 10] [--rounds 6] [--json]

On one host of the running lab, in turns, so that a noisy machine treats both alike: the service users answers `GET /api/v1/users/me` as
it is deployed, and with neither traces nor a shipped log. The client runs on that host and speaks to the service itself, since the gateway's
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
WITHOUT = f"""
set -e
mkdir -p {Path(DROP_IN).parent}
printf '[Service]\\nUnsetEnvironment=TRACES_ENDPOINT\\n' > {DROP_IN}
systemctl daemon-reload
systemctl restart {UNIT}
systemctl stop syslog.socket rsyslog.service
"""
WITH = f"""
set -e
rm -f {DROP_IN}
systemctl daemon-reload
systemctl restart {UNIT}
systemctl start syslog.socket rsyslog.service
"""


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
            "cpu_ms": 1000 * told["cpu_seconds"] / told["answers"],
        }

    def with_and_without(self, seconds: float, rounds: int) -> dict[str, dict[str, float]]:
        """Measure in turns; returns the medians of both, by `with` and `without`."""
        runs: dict[str, list[dict[str, float]]] = {"with": [], "without": []}
        try:
            for number in range(rounds):
                # The one that comes first changes: what warms up, or another's work that ends, is shared fairly.
                for name in sorted(runs, reverse=bool(number % 2)):
                    self.platform.ssh(self.host, {"with": WITH, "without": WITHOUT}[name])
                    self.measure(2)
                    runs[name].append(self.measure(seconds))
                    print(
                        f"{name:>8}: {runs[name][-1]['rate']:7.1f} answers/s, {runs[name][-1]['cpu_ms']:.2f} ms each",
                        file=sys.stderr,
                    )
        finally:
            self.platform.ssh(self.host, f"{WITH}rm -f {CLIENT}\n")
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
        rates = bench.with_and_without(arguments.seconds, arguments.rounds)
        result: dict[str, Any] = rates | {
            "share": rates["with"]["rate"] / rates["without"]["rate"],
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
    for name in rates:
        print(
            f"{name}: {rates[name]['rate']:.1f} answers/s, {rates[name]['cpu_ms']:.2f} ms of processor time each"
        )
    print(f"rate with / without: {result['share']:.3f}")
    print(f"log: {result['log']['records']} records, {result['log']['bytes']:.0f} bytes of JSON a request")
    print(
        f"traces: {result['trace']['spans']} spans, {result['trace']['bytes']} bytes of JSON a request that is kept"
    )
    print("memory: " + ", ".join(f"{name} {usage}" for name, usage in result["memory"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
