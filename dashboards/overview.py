"""The platform as a whole, and zone by zone."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import objectives
from dashboards.parts import (
    GREEN,
    NONE_EXPECTED,
    ORANGE,
    RATE,
    RED,
    WHOLE,
    Query,
    Row,
    board,
    deployments,
    graph,
    number,
    share,
    states,
)

FIRING = 'ALERTS{alertstate="firing",severity="%s"}'
MEMBERS = {
    "etcd": 'up{job="etcd"}',
    "PostgreSQL": 'patroni_postgres_running{job="patroni"}',
    "RabbitMQ": 'up{job="rabbitmq"}',
    "MongoDB": 'node_systemd_unit_state{job="node",name="mongod.service",state="active"}',
    "Redis": 'node_systemd_unit_state{job="node",name="redis-server.service",state="active"}',
    "Sentinel": 'node_systemd_unit_state{job="node",name="redis-sentinel.service",state="active"}',
}
"""For each store, a metric that is 1 where a member works."""
EDGE = 'job="haproxy",proxy="edge"'


def overview() -> Dashboard:
    """Return the dashboard on which everybody begins."""
    return board(
        "overview",
        "Platform",
        "What people notice first, then zones, services, stores and events. Everything else is in the menu.",
        [
            Row(
                "Now",
                (
                    number(
                        "Pages",
                        Query(f"count({FIRING % 'page'}) or vector(0)"),
                        description="Alerts that call somebody.",
                        steps=NONE_EXPECTED,
                    ),
                    number(
                        "Tickets",
                        Query(f"count({FIRING % 'ticket'}) or vector(0)"),
                        description="Alerts that can wait until the morning.",
                        steps=((None, GREEN), (1, ORANGE)),
                    ),
                    number(
                        "Requests a second",
                        Query(f"sum(rate(haproxy_frontend_http_requests_total{{{EDGE}}}{RATE}))"),
                        unit="reqps",
                    ),
                    number(
                        "Failed requests",
                        Query(objectives.failing('service="edge",slo="availability"')),
                        unit="percentunit",
                        description="Answers with a status of 500 or above, of all at the edge.",
                        steps=((None, GREEN), (0.001, ORANGE), (0.01, RED)),
                    ),
                    share("Edges", 'up{job="haproxy"}'),
                    share("Targets", "up", "Share of all processes that Prometheus reaches."),
                ),
            ),
            Row(
                "Zones",
                (
                    states(
                        "Hosts",
                        Query("max by (zone, host) (up)", "{{zone}}: {{host}}"),
                        description="Whether anything on a host answers.",
                        yes=("answers", GREEN),
                        no=("silent", RED),
                    ),
                    graph(
                        "Requests at the edge",
                        Query(
                            f"sum by (zone) (rate(haproxy_frontend_http_requests_total{{{EDGE}}}{RATE}))",
                            "{{zone}}",
                        ),
                        unit="reqps",
                        stacked=True,
                        span=12,
                    ),
                    graph(
                        "Processes that do not answer",
                        Query("count by (zone) (up) - sum by (zone) (up)", "{{zone}}"),
                    ),
                    graph(
                        "CPU",
                        Query(
                            f'1 - avg by (zone) (rate(node_cpu_seconds_total{{job="node",mode="idle"}}{RATE}))',
                            "{{zone}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                    ),
                    graph(
                        "Memory in use",
                        Query(
                            '1 - sum by (zone) (node_memory_MemAvailable_bytes{job="node"}) / sum by (zone) (node_memory_MemTotal_bytes{job="node"})',
                            "{{zone}}",
                        ),
                        unit="percentunit",
                        maximum=1,
                    ),
                ),
            ),
            Row(
                "Services",
                (
                    objectives.budget_left("Error budget left", 'slo="availability"', "{{service}}", span=12),
                    objectives.budget_left("Latency budget left", 'slo="latency"', "{{service}}", span=12),
                    graph(
                        "Requests",
                        Query('service:slo_requests:rate5m{slo="availability"}', "{{service}}"),
                        unit="reqps",
                    ),
                    graph(
                        "Failed requests",
                        Query(objectives.failing('slo="availability"'), "{{service}}"),
                        unit="percentunit",
                    ),
                    graph(
                        "Late requests",
                        Query(objectives.failing('slo="latency"'), "{{service}}"),
                        unit="percentunit",
                    ),
                ),
            ),
            Row(
                "Stores",
                (
                    number(
                        "Members that work",
                        *(Query(f"avg({metric})", store) for store, metric in MEMBERS.items()),
                        unit="percentunit",
                        steps=WHOLE,
                        span=24,
                    ),
                    states(
                        "etcd's leader",
                        Query('etcd_server_is_leader{job="etcd"}', "{{host}}"),
                        yes=("leads", GREEN),
                        no=("follows", "text"),
                    ),
                    states(
                        "PostgreSQL's primary",
                        Query('patroni_primary{job="patroni"}', "{{host}}"),
                        yes=("primary", GREEN),
                        no=("other", "text"),
                    ),
                ),
            ),
            Row(
                "Events",
                (
                    graph(
                        "Oldest event in an outbox",
                        Query(
                            "max by (job) (alicerce_outbox_oldest_seconds and on (instance) alicerce_outbox_leader == 1)",
                            "{{job}}",
                        ),
                        unit="s",
                        description="How long the oldest event has waited to be published.",
                    ),
                    graph(
                        "Messages in queues",
                        Query(
                            'max by (queue) (rabbitmq_detailed_queue_messages{job="rabbitmq_queues"})',
                            "{{queue}}",
                        ),
                    ),
                    graph(
                        "Events handled",
                        Query(
                            f"sum by (job, outcome) (rate(alicerce_events_consumed_total{RATE}))",
                            "{{job}}: {{outcome}}",
                        ),
                        unit="ops",
                    ),
                ),
            ),
        ],
        annotations=[deployments()],
    )
