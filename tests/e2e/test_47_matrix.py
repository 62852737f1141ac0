"""Whatever the inventory and the catalogue have is seen: by metrics, logs, traces, a dashboard and an alert.

The rows come from the lab's hosts and the catalogue, so that a service or group that is added has its cells by itself. Runs
behind the tests that use the platform, since a trace exists only when there was a request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
import yaml

from tests.e2e.queries import asking, metric, of_dashboard, selectors
from tests.failure.platform import ROOT, Platform, must

SERVICES = yaml.safe_load((ROOT / "group_vars/all/services.yml").read_text())["services"]
LABELS = {"job", "service", "proxy", "component"}
"""Labels by which a query or a rule says what it is about."""
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"((?:[^"\\]|\\.)*)"')
NOBODY = "no-such-component"
"""What a pattern for anything matches, too."""


@dataclass(frozen=True)
class Row:
    """A component or service and where it runs; `log` is its name in the log, the unit's."""

    name: str
    log: str = ""
    hosts: tuple[str, ...] = ()
    processes: tuple[str, ...] = field(default=())
    """Those of a service that are scraped; a component has one answer a host."""

    @property
    def unit(self) -> str:
        """Its name in the log."""
        return self.log or self.name


COMPONENTS = {
    "edge": (Row("haproxy"), Row("waf"), Row("keepalived")),
    "postgresql": (Row("postgresql", "patroni"), Row("patroni")),
    "rabbitmq": (Row("rabbitmq", "rabbitmq-server"),),
    "mongodb": (Row("mongodb", "mongod"),),
    "redis": (Row("redis", "redis-server"), Row("sentinel", "redis-sentinel")),
    "observability": (Row("prometheus"), Row("alertmanager", "prometheus-alertmanager")),
    "platform": (Row("node", "prometheus-node-exporter"), Row("logs", "rsyslog")),
    "grafana": (Row("grafana", "grafana-server"),),
}
"""What runs on the hosts of a group that is more than one component, or has another name in the log. Any other group is one by its name."""
EMPTY = {
    ("keepalived", "metrics"): "it tells none; the node exporter tells the state of its unit",
    (
        "keepalived",
        "alert",
    ): "UnitFailed names any unit, and EdgeUnreachable tells of an address that nobody has",
    ("logs", "metrics"): "rsyslog tells by a file that the node exporter reads",
    ("backup", "metrics"): "whoever makes backups tells of them, by a file that the node exporter reads",
    ("backup", "logs"): "its accounts come by SSH, and sshd logs that",
}
"""Cells that are rightly empty, each with the reason."""


def rows(platform: Platform) -> Iterator[Row]:
    """Yield what the lab has."""
    of_services = {service["group"] for service in SERVICES.values()}
    groups = {group for host in platform.hosts.values() for group in host["groups"]} - of_services
    for group in sorted(groups | {"platform"}):
        hosts = platform.hosts if group == "platform" else platform.members(group)
        for row in COMPONENTS.get(group, (Row(group),)):
            yield Row(row.name, row.log, tuple(hosts))
    for name, service in SERVICES.items():
        processes = [
            process
            for process, settings in service["processes"].items()
            if process == "web" or "metrics_port" in settings
        ]
        yield Row(name, "", tuple(platform.members(service["group"])), tuple(processes))


def about(name: str, unit: str, texts: Iterable[str]) -> bool:
    """Tell whether one of some selectors or label sets is about a component, and not about just anything."""
    for text in texts:
        if metric(text).startswith(f"alicerce_{name}_"):
            return True
        for label, kind, value in MATCHER.findall(text):
            wanted = "{}" if label in LABELS else "{}.service" if label == "name" else ""
            wanted, anything = wanted.format(unit if label == "name" else name), wanted.format(NOBODY)
            if wanted and (value == wanted or (kind == "=~" and matches(value, wanted, anything))):
                return True
    return False


def matches(pattern: str, wanted: str, anything: str) -> bool:
    """Tell whether a pattern matches one thing and not another. A backslash is written twice in PromQL."""
    pattern = pattern.replace("\\\\", "\\")
    return bool(re.fullmatch(pattern, wanted)) and not re.fullmatch(pattern, anything)


@dataclass(frozen=True)
class Seen:
    """What the observability host has."""

    up: set[tuple[str, str, str]]
    logged: set[str]
    traced: set[str]
    panels: list[str]
    alerts: list[str]

    def lacks(self, row: Row) -> Iterator[tuple[str, str]]:
        """Yield each cell of a row that is empty, and what was looked for."""
        wanted = {(row.name, host, process) for host in row.hosts for process in row.processes or ("",)}
        there = {(job, host, process if row.processes else "") for job, host, process in self.up}
        if missing := wanted - there:
            yield "metrics", f"no target is up: {sorted(missing)}"
        if row.unit not in self.logged:
            yield "logs", f"Elasticsearch has no record of {row.unit}"
        if row.processes and row.name not in self.traced:
            yield "traces", "Jaeger does not know it"
        if not about(row.name, row.unit, self.panels):
            yield "dashboard", "no panel asks for it"
        if not about(row.name, row.unit, self.alerts):
            yield "alert", "no rule names it"


@pytest.fixture(scope="module")
def seen() -> Seen:
    """Ask the lab's Prometheus, Elasticsearch and Jaeger."""
    platform = Platform()
    observer = platform.members("observability")[0]
    up = json.loads(
        platform.feed(observer, "python3", asking("/api/v1/query?" + urlencode({"query": "up == 1"})))
    )
    rules = json.loads(platform.feed(observer, "python3", asking("/api/v1/rules?type=alert")))
    password = must("scripts/secret", "elasticsearch_log_reader").strip()
    keeper = platform.members("elasticsearch")[0]
    services = {"services": {"terms": {"field": "service", "size": 10_000}}}
    search = asking(
        "/logs-*/_search",
        server=f"{keeper}.alicerce.internal:9200",
        body={"size": 0, "aggs": services},
        login=f"log_reader:{password}",
    )
    logged = json.loads(platform.feed(keeper, "python3", search))
    traces = asking("/api/services", server="127.0.0.1:16686")
    traced = json.loads(platform.feed(platform.members("jaeger")[0], "python3", traces))
    boards = sorted((ROOT / "roles/grafana/files/dashboards").glob("*.json"))
    alerts = [rule for group in rules["data"]["groups"] for rule in group["rules"]]
    return Seen(
        up={
            (labels["job"], labels["host"], labels["process"])
            for labels in (series["metric"] for series in up["data"]["result"])
        },
        logged={bucket["key"] for bucket in logged["aggregations"]["services"]["buckets"]},
        traced=set(traced["data"] or []),
        panels=[
            selector
            for board in boards
            for expression in of_dashboard(board)
            # One of a variable or a mark is no panel.
            if ": variable " not in expression.place and expression.whole
            for selector in selectors(expression.text)
        ],
        alerts=[selector for rule in alerts for selector in selectors(rule["query"])]
        + [f'{name}="{value}"' for rule in alerts for name, value in rule["labels"].items()],
    )


def test_every_component_and_service_has_all_its_cells(seen: Seen) -> None:
    there = list(rows(Platform()))
    empty = {(row.name, cell): why for row in there for cell, why in seen.lacks(row)}
    assert set(SERVICES) <= {row.name for row in there if row.hosts}
    assert len(there) > len(SERVICES) + 10
    unexpected = [
        f"{name}: {cell}: {why}" for (name, cell), why in empty.items() if (name, cell) not in EMPTY
    ]
    assert not unexpected, "\n".join(unexpected)
    assert EMPTY.keys() <= empty.keys(), "a reason for a cell that is not empty"


def test_a_component_that_nobody_sees_has_no_cell(seen: Seen) -> None:
    """What would find anything, such as a pattern for all, must not fill a cell."""
    unseen = Row(NOBODY, "", ("node-a",), ("web",))
    assert {cell for cell, _ in seen.lacks(unseen)} == {"metrics", "logs", "traces", "dashboard", "alert"}
