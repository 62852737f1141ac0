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
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from exporter_server import arguments, serve
from nginx_exporter import NginxCollector
from prometheus_client import CollectorRegistry, Counter

MAX_RULES = 300
"""Rules with series of their own."""
OTHER_RULES = "other"
DECIDES = re.compile(r"949\d{3}|101[2-7]")
"""Rules by which a request is refused: the rule set's, over its sum of scores, and the platform's own (rules.conf)."""
POLL_SECONDS = 0.5


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


def main() -> None:
    """Serve until the process is stopped."""
    parser = arguments(__doc__)
    parser.add_argument("--audit-log", required=True, type=Path, help="ModSecurity's audit log, serial, JSON")
    parser.add_argument("--status-url", required=True, help="where nginx tells its status (stub_status)")
    options: argparse.Namespace = parser.parse_args()
    registry = CollectorRegistry()
    registry.register(NginxCollector("waf", options.status_url))
    findings = Findings(registry)

    def count() -> None:
        for line in follow(options.audit_log, threading.Event()):
            findings.count(line)

    threading.Thread(target=count, daemon=True).start()
    serve(options, registry)


if __name__ == "__main__":
    main()
