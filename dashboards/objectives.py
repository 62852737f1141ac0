"""What is left of a service's objectives, by the recording rules of roles/prometheus/templates/rules/availability.yml.j2."""

from __future__ import annotations

from dashboards.parts import GREEN, ORANGE, RED, Panel, Query, number

WINDOW = "30d"
"""What objectives are about; Prometheus may remember less (prometheus_retention), and then it is that."""
KEPT = "Over thirty days, or as long as Prometheus remembers. Below zero the objective is missed."


def failing(matchers: str) -> str:
    """Return the share of requests that fail, or are late."""
    return f"service:slo_failures:rate5m{{{matchers}}} / service:slo_requests:rate5m{{{matchers}}}"


def burning(matchers: str, window: str) -> str:
    """Return how many times faster than allowed the budget is used up."""
    return (
        f"sum_over_time(service:slo_failures:rate5m{{{matchers}}}[{window}])"
        f" / sum_over_time(service:slo_requests:rate5m{{{matchers}}}[{window}])"
        f" / (1 - service:slo_objective:ratio{{{matchers}}})"
    )


def left(matchers: str) -> str:
    """Return the share of the allowed failures that is not used up."""
    return f"1 - {burning(matchers, WINDOW)}"


def budget_left(title: str, matchers: str, legend: str = "", *, span: int = 4, height: int = 4) -> Panel:
    """Return what is left of budgets as a panel; asked for now only, since a month's course would be dear."""
    return number(
        title,
        Query(left(matchers), legend),
        unit="percentunit",
        description=KEPT,
        steps=((None, RED), (0, ORANGE), (0.25, GREEN)),
        decimals=1,
        course=False,
        span=span,
        height=height,
    )
