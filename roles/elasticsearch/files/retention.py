#!/usr/bin/env python3
"""Drop daily indices of logs that are too old, or that a disk which fills up has no room for.

An index is called logs-YYYY.MM.DD, by the day in UTC. Those of the last --days days are kept, today's among them. While a
node's disk is used by more than --disk-percent, the oldest index goes too, but never today's. What was done is told to
Prometheus by --metric-file.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import http.client
import json
import re
import ssl
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

NAME = re.compile(r"logs-(\d{4})\.(\d\d)\.(\d\d)")
ANSWER_SECONDS = 60
"""How long the server may take for an answer."""
SETTLE_SECONDS = 5
"""How long after a deletion the server's figures of its disk may be old."""


class Index(NamedTuple):
    """An index of one day; sorts by its age, the oldest first."""

    day: dt.date
    name: str


class RetentionError(Exception):
    """Something stands in the way; the message says what."""


def daily(names: list[str]) -> list[Index]:
    """Return those of the names that are a day's, the oldest first; all others are nobody's business here."""
    found = []
    for name in names:
        if match := NAME.fullmatch(name):
            try:
                found.append(Index(dt.date(*map(int, match.groups())), name))
            except ValueError:
                continue
    return sorted(found)


def too_old(indices: list[Index], today: dt.date, days: int) -> list[Index]:
    """Return the indices before the last `days` days, of which today is the last."""
    return [index for index in indices if index.day <= today - dt.timedelta(days=days)]


class Elasticsearch:
    """The server, as the account sees it."""

    def __init__(self, options: argparse.Namespace) -> None:
        url = urllib.parse.urlsplit(options.url)
        context = ssl.create_default_context(cafile=options.ca_file)
        context.load_cert_chain(options.pem_file)
        self.connection = http.client.HTTPSConnection(
            url.hostname or "", url.port, context=context, timeout=ANSWER_SECONDS
        )
        login = base64.b64encode(f"{options.user}:{options.password_file.read_text()}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}"}

    def ask(self, method: str, path: str) -> Any:
        """Return the answer; raises RetentionError for another status than 2xx and 404, OSError without any."""
        self.connection.request(method, path, headers=self.headers)
        answer = self.connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return []
        if answer.status >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise RetentionError(f"{method} {path} was answered {answer.status}: {text[:500]}")
        return json.loads(text)

    def indices(self) -> list[Index]:
        """Return the daily indices, the oldest first."""
        found = self.ask("GET", "/_cat/indices/logs-*?format=json&h=index&expand_wildcards=open,closed")
        return daily([index["index"] for index in found])

    def disk_percent(self) -> float:
        """Return the share used of the fullest node's disk."""
        nodes = self.ask("GET", "/_cat/allocation?format=json&h=node,disk.percent")
        shares = [float(node["disk.percent"]) for node in nodes if node.get("disk.percent")]
        if not shares:
            raise RetentionError("no node tells how full its disk is")
        return max(shares)

    def drop(self, index: Index) -> None:
        """Delete an index; one that another host has deleted meanwhile is gone as well."""
        self.ask("DELETE", f"/{index.name}")
        print(f"dropped {index.name}")


class Done(NamedTuple):
    """What a run did and left."""

    kept: list[Index]
    by_age: int
    by_disk: int
    disk_percent: float


def retain(
    server: Elasticsearch, today: dt.date, days: int, disk_percent: float, settle: float = SETTLE_SECONDS
) -> Done:
    """Drop what is too old, then the oldest while a disk is too full."""
    indices = server.indices()
    old = too_old(indices, today, days)
    for index in old:
        server.drop(index)
    kept = [index for index in indices if index not in old]
    if old:
        time.sleep(settle)
    by_disk = 0
    while (used := server.disk_percent()) > disk_percent and kept and kept[0].day < today:
        server.drop(kept.pop(0))
        by_disk += 1
        time.sleep(settle)
    return Done(kept, len(old), by_disk, used)


def metrics(done: Done, now: float, before: str) -> str:
    """Return what Prometheus is told; counters go on from the file as it was before."""
    by_age, by_disk = (
        counted(before, reason) + more for reason, more in (("age", done.by_age), ("disk", done.by_disk))
    )
    return f"""\
# HELP alicerce_elasticsearch_retention_last_success_timestamp_seconds When logs that are too old were last looked for and dropped.
# TYPE alicerce_elasticsearch_retention_last_success_timestamp_seconds gauge
alicerce_elasticsearch_retention_last_success_timestamp_seconds {now:.0f}
# HELP alicerce_elasticsearch_retention_kept_days Days of logs that are kept.
# TYPE alicerce_elasticsearch_retention_kept_days gauge
alicerce_elasticsearch_retention_kept_days {len(done.kept)}
# HELP alicerce_elasticsearch_retention_disk_percent Share used of the fullest node's disk, in percent, after that.
# TYPE alicerce_elasticsearch_retention_disk_percent gauge
alicerce_elasticsearch_retention_disk_percent {done.disk_percent:g}
# HELP alicerce_elasticsearch_retention_dropped_indices_total Indices dropped by this host, for their age or for want of room.
# TYPE alicerce_elasticsearch_retention_dropped_indices_total counter
alicerce_elasticsearch_retention_dropped_indices_total{{reason="age"}} {by_age}
alicerce_elasticsearch_retention_dropped_indices_total{{reason="disk"}} {by_disk}
"""


def counted(text: str, reason: str) -> int:
    """Return how many dropped indices the metric file counts for a reason."""
    match = re.search(
        rf'^alicerce_elasticsearch_retention_dropped_indices_total{{reason="{reason}"}} (\d+)$', text, re.M
    )
    return int(match[1]) if match else 0


def write(file: Path, done: Done) -> None:
    """Replace the metric file in one step."""
    before = file.read_text() if file.exists() else ""
    new = file.with_suffix(".new")
    new.write_text(metrics(done, time.time(), before))
    new.replace(file)


def main() -> None:
    """Do it once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--url", required=True, help="address of the server")
    parser.add_argument("--user", required=True, help="account that may list and delete the indices")
    parser.add_argument("--password-file", required=True, type=Path, help="file with its password")
    parser.add_argument("--ca-file", required=True, help="authority of the server's certificate")
    parser.add_argument("--pem-file", required=True, help="own key and certificate")
    parser.add_argument("--days", required=True, type=int, help="days to keep, today among them")
    parser.add_argument(
        "--disk-percent", required=True, type=float, help="share of a disk above which more goes"
    )
    parser.add_argument("--metric-file", required=True, type=Path, help="what the node exporter reads")
    options = parser.parse_args()
    if options.days < 1:
        parser.error("--days must be 1 or more")
    try:
        done = retain(
            Elasticsearch(options), dt.datetime.now(dt.UTC).date(), options.days, options.disk_percent
        )
    except (OSError, http.client.HTTPException, RetentionError) as error:
        print(f"elasticsearch-retention: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    write(options.metric_file, done)


if __name__ == "__main__":
    main()
