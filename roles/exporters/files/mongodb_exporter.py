#!/usr/bin/env python3
"""Tell Prometheus how this host's member of MongoDB does, over TLS and only to clients with a certificate.

The member is asked anew at each scrape, with the files as they are then: a renewed certificate needs no restart. There
is no series for a database or a collection, so that their number does not grow with what services store.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exporter_server import ANSWER_SECONDS, arguments, counters, gauge, gauges, serve
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pymongo import MongoClient
from pymongo.errors import PyMongoError

STATUS = {"serverStatus": 1, "locks": 0, "metrics": 0, "repl": 0, "tcmalloc": 0, "transactions": 0}
"""What a member is asked, without large parts that nobody needs."""
LATENCIES = ("reads", "writes", "commands")


class MongoDBCollector(Collector):
    """What one member says of itself."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    def collect(self) -> Iterator[Metric]:
        """Ask the member; of one that does not answer, tell just that."""
        try:
            server, replica_set = self.ask()
        except (OSError, PyMongoError) as error:
            print(f"{self.options.member} does not answer: {error}", file=sys.stderr)
            yield gauge("mongodb_up", "Whether the member answers.", 0)
            return
        yield gauge("mongodb_up", "Whether the member answers.", 1)
        yield from server_metrics(server)
        yield from replica_set_metrics(replica_set)

    def ask(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return its answers to serverStatus and replSetGetStatus. Raises OSError and PyMongoError."""
        with MongoClient[dict[str, Any]](
            self.options.member,
            directConnection=True,
            tls=True,
            tlsCAFile=self.options.ca_file,
            tlsCertificateKeyFile=self.options.pem_file,
            username=self.options.user,
            password=self.options.password_file.read_text(),
            authSource="admin",
            authMechanism="SCRAM-SHA-256",
            appname="mongodb-exporter",
            tz_aware=True,
            serverSelectionTimeoutMS=ANSWER_SECONDS * 1000,
            socketTimeoutMS=ANSWER_SECONDS * 1000,
        ) as client:
            return client.admin.command(STATUS), client.admin.command("replSetGetStatus")


def server_metrics(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Tell what serverStatus says."""
    cache = status["wiredTiger"]["cache"]
    latencies = status["opLatencies"]
    yield gauge("mongodb_uptime_seconds", "Time since the member started.", status["uptime"])
    yield gauge("mongodb_cache_bytes", "Bytes in WiredTiger's cache.", cache["bytes currently in the cache"])
    yield gauge("mongodb_cache_max_bytes", "Size of WiredTiger's cache.", cache["maximum bytes configured"])
    yield gauge(
        "mongodb_cache_dirty_bytes",
        "Bytes in WiredTiger's cache that are not on disk yet.",
        cache["tracked dirty bytes in the cache"],
    )
    yield gauges(
        "mongodb_connections",
        "Connections that clients have open, and those that may come beside them.",
        "state",
        pick(status["connections"], "current", "available"),
    )
    yield gauges(
        "mongodb_queued_operations",
        "Operations that wait for a lock.",
        "kind",
        pick(status["globalLock"]["currentQueue"], "readers", "writers"),
    )
    yield counters(
        "mongodb_operations",
        "Operations by kind.",
        "kind",
        pick(status["opcounters"], "insert", "query", "update", "delete", "getmore", "command"),
    )
    yield counters(
        "mongodb_latency_seconds",
        "Time that operations took, all together.",
        "kind",
        {kind: latencies[kind]["latency"] / 1e6 for kind in LATENCIES},
    )
    yield counters(
        "mongodb_latency_operations",
        "Operations that took the time of latency_seconds.",
        "kind",
        {kind: latencies[kind]["ops"] for kind in LATENCIES},
    )
    yield counters(
        "mongodb_network_bytes",
        "Bytes by direction.",
        "direction",
        {"in": status["network"]["bytesIn"], "out": status["network"]["bytesOut"]},
    )


def replica_set_metrics(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Tell what replSetGetStatus says of the member that was asked."""
    yield gauge(
        "mongodb_replica_set_state",
        "State of the member: 1 is primary, 2 secondary, 3 recovering.",
        status["myState"],
    )
    applied = [member["optimeDate"].timestamp() for member in status["members"] if member.get("self")]
    # A member that has no data yet tells the year 1970.
    if applied and applied[0] > 0:
        yield gauge(
            "mongodb_replica_set_applied_timestamp_seconds",
            "When the last write that it has was made.",
            applied[0],
        )


def pick(values: Mapping[str, Any], *names: str) -> dict[str, float]:
    """Return the values of these names."""
    return {name: values[name] for name in names}


def main() -> None:
    """Serve until the process is stopped."""
    parser = arguments(__doc__)
    parser.add_argument("--member", required=True, help="this host's member of the replica set, host:port")
    parser.add_argument("--user", required=True, help="account with the role clusterMonitor")
    parser.add_argument("--password-file", required=True, type=Path, help="file with its password")
    options = parser.parse_args()
    registry = CollectorRegistry()
    registry.register(MongoDBCollector(options))
    serve(options, registry)


if __name__ == "__main__":
    main()
