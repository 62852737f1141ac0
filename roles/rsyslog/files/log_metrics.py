#!/usr/bin/env python3
"""Turn what rsyslog says of itself into metrics for the node exporter, and write a sign of life into the log.

rsyslog's module impstats appends a JSON object a line for each queue and action. The newest of each is told; the file is
emptied, since it would grow. The sign of life goes the way of every record, and the receiver counts it by its host: where
it stays away, so does everything else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEARTBEAT = {"logger": "alicerce.heartbeat", "severity": "debug", "message": "the log is read"}
KINDS = {
    "alicerce_logs_queue_records": ("gauge", "Records that wait in a queue, in memory and on disk."),
    "alicerce_logs_discarded_records_total": (
        "counter",
        "Records that a queue threw away, since rsyslog started.",
    ),
    "alicerce_logs_read_records_total": ("counter", "Records read from the journal, since rsyslog started."),
    "alicerce_logs_unread_records_total": (
        "counter",
        "Records of the journal that its rate limit threw away.",
    ),
    "alicerce_logs_received_records_total": ("counter", "Records that the receiver got from a host."),
    "alicerce_logs_indexed_records_total": ("counter", "Records that Elasticsearch has taken."),
    "alicerce_logs_repeated_records_total": (
        "counter",
        "Records that came again, and of which Elasticsearch kept one.",
    ),
    "alicerce_logs_refused_records_total": (
        "counter",
        "Records that Elasticsearch does not take; they are in a file.",
    ),
    "alicerce_logs_refused_batches_total": (
        "counter",
        "Batches that Elasticsearch refused as a whole; they are in that file.",
    ),
    "alicerce_logs_told_timestamp_seconds": ("gauge", "When rsyslog last told how it does."),
}


@dataclass
class Metrics:
    """Values by name and label."""

    values: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def add(self, name: str, value: float, label: str = "", labelled: str = "") -> None:
        """Add to a value, which begins with 0."""
        key = (f"alicerce_logs_{name}", label, labelled)
        self.values[key] = self.values.get(key, 0.0) + value

    def lines(self) -> Iterator[str]:
        """Write them in Prometheus' text format."""
        for name, (kind, text) in KINDS.items():
            found = sorted((key, value) for key, value in self.values.items() if key[0] == name)
            if not found:
                continue
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
            for (_, label, labelled), value in found:
                labels = f'{{{label}="{labelled}"}}' if label else ""
                yield f"{name}{labels} {value:.15g}"


def newest(lines: Iterable[str]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the last object of each origin and name. A line that is cut off, or none of impstats', is left out."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for line in lines:
        try:
            told = json.loads(line[line.index("{") :])
        except ValueError:
            continue
        if isinstance(told, dict) and "name" in told:
            found[str(told.get("origin", "")), str(told["name"])] = told
    return found


def measure(told: Mapping[tuple[str, str], Mapping[str, Any]]) -> Metrics:
    """Make metrics of what impstats tells."""
    metrics = Metrics()
    for (origin, name), values in told.items():
        if origin == "core.queue":
            # A queue's part on disk has a line of its own.
            queue = name.removesuffix("[DA]").strip().removesuffix(" queue").strip()
            metrics.add("queue_records", values["size"], "queue", queue)
            lost = values["discarded.full"] + values["discarded.nf"]
            metrics.add("discarded_records_total", lost, "queue", queue)
        elif origin == "imjournal":
            metrics.add("read_records_total", values["read"])
            metrics.add(
                "unread_records_total", values["ratelimit_discarded_in_interval"] + values["discarded"]
            )
        elif origin == "omelasticsearch":
            metrics.add("indexed_records_total", values["response.success"])
            metrics.add("repeated_records_total", values["response.duplicate"])
            metrics.add("refused_batches_total", values["failed.es"])
        elif origin == "core.action" and name == "refused":
            metrics.add("refused_records_total", values["processed"])
        elif origin == "dynstats.bucket" and name == "received":
            for sender, count in values.get("values", {}).items():
                if '"' not in sender and "\\" not in sender:
                    metrics.add("received_records_total", count, "sender", sender)
    return metrics


def write(file: Path, lines: Iterable[str]) -> None:
    """Replace a file as a whole."""
    beside = file.with_name(f"{file.name}.new")
    beside.write_text("".join(f"{line}\n" for line in lines))
    beside.replace(file)


def main() -> int:
    """Read, tell, and empty what was read."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps(HEARTBEAT))
    try:
        with source.open("r+", errors="replace") as file:
            told = newest(file)
            written = os.fstat(file.fileno()).st_mtime
            if told:
                file.truncate(0)
    except FileNotFoundError:
        # rsyslog does not run, or has just started; the metrics stay as old as they are.
        return 0
    if told:
        metrics = measure(told)
        metrics.add("told_timestamp_seconds", min(written, time.time()))
        write(target, metrics.lines())
    return 0


if __name__ == "__main__":
    sys.exit(main())
