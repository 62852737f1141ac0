#!/usr/bin/env python3
"""Tell Prometheus what this host's web application firewall finds, over TLS and only to clients with a certificate.

Follows the audit log from its end as it is at the start, through rotations, and asks nginx for its own counts.
Rules of the rule set are some hundreds; that no number of series is reached that nobody thought of, later ones count together.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from exporter_server import ANSWER_SECONDS, Server, arguments, counters, gauge, gauges
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

MAX_RULES = 300
"""Rules with series of their own."""
OTHER_RULES = "other"
DECIDES = re.compile(r"949\d{3}|101[2-7]")
"""Rules by which a request is refused: the rule set's, over its sum of scores, and the platform's own (rules.conf)."""
POLL_SECONDS = 0.5
STATUS = re.compile(
    r"Active connections: (\d+) \nserver accepts handled requests\n (\d+) (\d+) (\d+) \n"
    r"Reading: (\d+) Writing: (\d+) Waiting: (\d+) \n"
)
"""nginx's answer, ngx_http_stub_status_module."""


class Findings:
    """What the audit log tells, counted since the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "alicerce_waf_findings",
            "Requests in which a rule found something, by the engine's mode and by what became of them.",
            ["mode", "outcome"],
            registry=registry,
        )
        self.matches = Counter(
            "alicerce_waf_rule_matches",
            "Requests in which a rule found something, by rule.",
            ["rule", "mode"],
            registry=registry,
        )
        self.unreadable = Counter(
            "alicerce_waf_unreadable_records",
            "Records of the audit log that could not be read.",
            registry=registry,
        )
        self._known: set[str] = set()
        # So that a rate sees the first one too.
        for mode, outcome in (("blocking", "blocked"), ("blocking", "passed"), ("detecting", "passed")):
            self.requests.labels(mode, outcome)

    def count(self, line: str) -> None:
        """Count one record of the audit log."""
        try:
            transaction = json.loads(line)["transaction"]
            rules = {str(message["details"]["ruleId"]) for message in transaction["messages"]}
            blocking = transaction["producer"]["secrules_engine"] == "Enabled"
        except (ValueError, KeyError, TypeError):
            self.unreadable.inc()
            return
        mode = "blocking" if blocking else "detecting"
        blocked = blocking and any(DECIDES.fullmatch(rule) for rule in rules)
        self.requests.labels(mode, "blocked" if blocked else "passed").inc()
        for rule in rules:
            self.matches.labels(self._name(rule), mode).inc()

    def _name(self, rule: str) -> str:
        if rule not in self._known and len(self._known) >= MAX_RULES:
            return OTHER_RULES
        self._known.add(rule)
        return rule


def follow(path: Path, stopped: threading.Event) -> Iterator[str]:
    """Yield the lines that come into a file, from its end on, and then those of each file that takes its place.

    A file that was not there at the start is read from its beginning.
    """
    file = _open(path)
    if file is not None:
        file.seek(0, os.SEEK_END)
    part = ""
    while not stopped.is_set():
        while file is not None and (chunk := file.readline()):
            part += chunk
            if part.endswith("\n"):
                yield part
                part = ""
        if file is None or _replaced(path, file):
            if file is not None:
                file.close()
            file, part = _open(path), ""
            if file is not None:
                continue
        stopped.wait(POLL_SECONDS)
    if file is not None:
        file.close()


def _open(path: Path) -> IO[str] | None:
    try:
        return path.open(errors="replace")
    except FileNotFoundError:
        return None


def _replaced(path: Path, file: IO[str]) -> bool:
    """Whether records come into another file of that name, or this one was cut."""
    opened = os.fstat(file.fileno())
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    if (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino):
        return opened.st_size < file.tell()
    # Until it writes to the new file, nginx may still write to the old one.
    return named.st_size > 0


class NginxCollector(Collector):
    """What nginx says of itself."""

    def __init__(self, status_url: str) -> None:
        self.status_url = status_url

    def collect(self) -> Iterator[Metric]:
        """Ask nginx; of one that does not answer, tell just that."""
        try:
            active, accepted, handled, requests, reading, writing, waiting = self.ask()
        except (OSError, ValueError) as error:
            print(f"nginx does not answer: {error}", file=sys.stderr)
            yield gauge("alicerce_waf_up", "Whether nginx answers.", 0)
            return
        yield gauge("alicerce_waf_up", "Whether nginx answers.", 1)
        yield gauges(
            "alicerce_waf_connections",
            "Connections that are open, and what they do.",
            "state",
            {"active": active, "reading": reading, "writing": writing, "waiting": waiting},
        )
        yield counters(
            "alicerce_waf_accepted_connections",
            "Connections that came, and for how many of them there was no room.",
            "outcome",
            {"handled": handled, "dropped": accepted - handled},
        )
        yield CounterMetricFamily("alicerce_waf_requests", "Requests that came.", value=requests)

    def ask(self) -> tuple[int, ...]:
        """Return nginx's seven numbers. Raises OSError and ValueError."""
        with urllib.request.urlopen(self.status_url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 (http, of this host)
            said = answer.read().decode()
        if not (found := STATUS.fullmatch(said)):
            raise ValueError(f"no status: {said[:80]!r}")
        return tuple(int(number) for number in found.groups())


def main() -> None:
    """Serve until the process is stopped."""
    parser = arguments(__doc__)
    parser.add_argument("--audit-log", required=True, type=Path, help="ModSecurity's audit log, serial, JSON")
    parser.add_argument("--status-url", required=True, help="where nginx tells its status (stub_status)")
    options: argparse.Namespace = parser.parse_args()
    registry = CollectorRegistry()
    registry.register(NginxCollector(options.status_url))
    findings = Findings(registry)

    def count() -> None:
        for line in follow(options.audit_log, threading.Event()):
            findings.count(line)

    threading.Thread(target=count, daemon=True).start()
    Server(options, registry).serve_forever()


if __name__ == "__main__":
    main()
