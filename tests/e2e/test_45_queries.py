"""Every query of every dashboard and rule finds what it asks for: a panel or an alert that asks for nothing is blind.

Runs behind the tests that use the platform, since a counter of events exists only when there was one.
"""

from __future__ import annotations

import json

from tests.e2e.queries import asking, metric, of_dashboard, of_rules, program, selectors
from tests.failure.platform import ROOT, Platform

PATIENCE = 90.0
"""Seconds in which what began a moment ago must have been scraped often enough for a rate."""
ABSENT = {
    "ALERTS": "nothing may be wrong",
    "alicerce_events_refused_total": "an event's type has a counter once no queue took it",
    "alicerce_backup_last_success_timestamp_seconds": "the first backup may not have been due yet",
    **dict.fromkeys(
        [f"service:anomaly_{what}:rate5m" for what in ("mean", "deviation", "band", "difference")],
        "a platform younger than an hour has no past",
    ),
    "otelcol_exporter_enqueue_failed_spans(_total)?": "Jaeger counts what it had no room for once there was some",
    "node_pressure_memory_waiting_seconds_total": "a kernel may come without it",
    "node_pressure_io_waiting_seconds_total": "a kernel may come without it",
}
"""Metrics that may have no series, each with the reason."""


def test_every_query_of_dashboards_and_rules_finds_something():
    platform = Platform()
    host = platform.members("observability")[0]
    boards = sorted((ROOT / "roles/grafana/files/dashboards").glob("*.json"))
    expressions = [expression for board in boards for expression in of_dashboard(board)]
    rules = json.loads(platform.feed(host, "python3", asking("/api/v1/rules")))
    expressions += of_rules(rules)
    asked = {}
    for expression in expressions:
        names = selectors(expression.text)
        for selector in names:
            if metric(selector) not in ABSENT:
                asked.setdefault(f"group({selector})", expression.place)
        if expression.whole and not {expression.record, *map(metric, names)} & ABSENT.keys():
            asked.setdefault(expression.text, expression.place)
    said = json.loads(platform.feed(host, "python3", program(asked, patience=PATIENCE)))
    missing = [f"{asked[query]}: {query}: {why}" for query, why in said.items()]
    assert len(boards) > 8
    assert len(asked) > 200
    assert not missing, "\n".join(missing)
    used = {metric(name) for expression in expressions for name in selectors(expression.text)}
    assert ABSENT.keys() <= used, "an exception that nothing needs"
