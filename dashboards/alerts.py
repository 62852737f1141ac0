"""Alerts, and whether those who find and send them work."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.parts import (
    GREEN,
    NONE_EXPECTED,
    ORANGE,
    RATE,
    RED,
    Query,
    Row,
    board,
    graph,
    listing,
    number,
)

PROMETHEUS = 'job="prometheus"'
ALERTMANAGER = 'job="alertmanager"'


def alerts() -> Dashboard:
    """Return the dashboard of alerts."""
    return board(
        "alerts",
        "Alerts",
        "What fires and what fired. Each alert has a runbook in docs/runbooks/alerts.",
        [
            Row(
                "Now",
                (
                    number(
                        "Pages",
                        Query('count(ALERTS{alertstate="firing",severity="page"}) or vector(0)'),
                        steps=NONE_EXPECTED,
                    ),
                    number(
                        "Tickets",
                        Query('count(ALERTS{alertstate="firing",severity="ticket"}) or vector(0)'),
                        steps=((None, GREEN), (1, ORANGE)),
                    ),
                    number(
                        "Pending",
                        Query('count(ALERTS{alertstate="pending"}) or vector(0)'),
                        description="True already, but not for long enough.",
                    ),
                    number(
                        "Silenced or inhibited",
                        Query(f'sum(alertmanager_alerts{{{ALERTMANAGER},state="suppressed"}})'),
                    ),
                    number("Silences", Query(f'max(alertmanager_silences{{{ALERTMANAGER},state="active"}})')),
                    number(
                        "Watchdog",
                        Query('count(ALERTS{alertname="Watchdog",alertstate="firing"})'),
                        description="Always fires: without it, no other alert would reach anybody.",
                        steps=((None, RED), (1, GREEN)),
                    ),
                    listing(
                        "What fires or is about to",
                        Query('ALERTS{alertname!="Watchdog"}'),
                        (
                            "alertname",
                            "alertstate",
                            "severity",
                            "service",
                            "zone",
                            "host",
                            "component",
                            "queue",
                            "slo",
                        ),
                    ),
                ),
            ),
            Row(
                "Over time",
                (
                    graph(
                        "Firing",
                        Query('count by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}"),
                        stacked=True,
                        span=24,
                    ),
                ),
            ),
            Row(
                "Alerting",
                (
                    graph(
                        "Sent",
                        Query(
                            f"sum by (integration) (rate(alertmanager_notifications_total{{{ALERTMANAGER}}}{RATE}))",
                            "{{integration}}",
                        ),
                        Query(
                            f"sum(rate(alertmanager_notifications_failed_total{{{ALERTMANAGER}}}{RATE}))",
                            "failed",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Handed to the Alertmanager",
                        Query(
                            f"sum(rate(prometheus_notifications_sent_total{{{PROMETHEUS}}}{RATE}))", "sent"
                        ),
                        Query(
                            f"sum(rate(prometheus_notifications_dropped_total{{{PROMETHEUS}}}{RATE}))",
                            "dropped",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Rules that fail",
                        Query(
                            f"sum by (rule_group) (rate(prometheus_rule_evaluation_failures_total{{{PROMETHEUS}}}{RATE}))",
                            "{{rule_group}}",
                        ),
                        unit="ops",
                    ),
                    graph(
                        "Time of a group of rules",
                        Query(
                            f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{PROMETHEUS}}})",
                            "{{rule_group}}",
                        ),
                        unit="s",
                    ),
                    graph(
                        "Slowest scrapes",
                        Query("topk(5, max by (job, host) (scrape_duration_seconds))", "{{job}} on {{host}}"),
                        unit="s",
                    ),
                    graph("Series", Query(f"prometheus_tsdb_head_series{{{PROMETHEUS}}}", "{{host}}")),
                ),
            ),
        ],
    )
