#!/usr/bin/env python3
"""Tell Prometheus what an nginx of this host counts, over TLS and only to clients with a certificate."""

from __future__ import annotations

import argparse
import re
import sys
import urllib.request
from collections.abc import Iterator

from exporter_server import ANSWER_SECONDS, arguments, counters, gauge, gauges, serve
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

STATUS = re.compile(
    r"Active connections: (\d+) \nserver accepts handled requests\n (\d+) (\d+) (\d+) \n"
    r"Reading: (\d+) Writing: (\d+) Waiting: (\d+) \n"
)
"""nginx's answer, ngx_http_stub_status_module."""


class NginxCollector(Collector):
    """What the nginx of a part of the platform says of itself."""

    def __init__(self, part: str, status_url: str) -> None:
        self.part = part
        self.status_url = status_url

    def collect(self) -> Iterator[Metric]:
        """Ask nginx; of one that does not answer, tell just that."""
        try:
            active, accepted, handled, requests, reading, writing, waiting = self.ask()
        except (OSError, ValueError) as error:
            print(f"nginx does not answer: {error}", file=sys.stderr)
            yield gauge(f"alicerce_{self.part}_up", "Whether nginx answers.", 0)
            return
        yield gauge(f"alicerce_{self.part}_up", "Whether nginx answers.", 1)
        yield gauges(
            f"alicerce_{self.part}_connections",
            "Connections that are open, and what they do.",
            "state",
            {"active": active, "reading": reading, "writing": writing, "waiting": waiting},
        )
        yield counters(
            f"alicerce_{self.part}_accepted_connections",
            "Connections that came, and for how many of them there was no room.",
            "outcome",
            {"handled": handled, "dropped": accepted - handled},
        )
        yield CounterMetricFamily(f"alicerce_{self.part}_requests", "Requests that came.", value=requests)

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
    parser.add_argument("--part", required=True, help="of the platform, by which the metrics are named")
    parser.add_argument("--status-url", required=True, help="where nginx tells its status (stub_status)")
    options: argparse.Namespace = parser.parse_args()
    registry = CollectorRegistry()
    registry.register(NginxCollector(options.part, options.status_url))
    serve(options, registry)


if __name__ == "__main__":
    main()
