"""One dashboard a service, made from its entry in the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import objectives
from dashboards.parts import (
    GREEN,
    ORANGE,
    RATE,
    RED,
    WHOLE,
    Panel,
    Query,
    Row,
    board,
    choice,
    deployments,
    graph,
    number,
    states,
    written_by,
)


def service_board(name: str, entry: Mapping[str, Any]) -> Dashboard:
    """Return the dashboard of a service; `entry` is what the catalogue says of it."""
    rows = [
        objectives_row(name),
        rate_row(name),
        errors_row(name),
        duration_row(name),
        saturation_row(name, entry),
        past_row(name, entry),
    ]
    panels = tuple(event_panels(name, entry))
    if panels:
        rows.append(Row("Events", panels))
    return board(
        f"service-{name}",
        f"Service: {name}",
        f"Objectives, rate, errors, duration and saturation of {name}, and its events.",
        rows,
        variables=[choice("zone", f'up{{job="{name}"}}')],
        annotations=[deployments(f'job="{name}"')],
        logs=written_by(name),
        traces=name,
    )


def objectives_row(name: str) -> Row:
    """Return what is left of the service's objectives."""
    both = f'service="{name}"'
    return Row(
        "Objectives",
        (
            *(
                objectives.budget_left(f"{what} budget left", f'service="{name}",slo="{slo}"', height=8)
                for slo, what in (("availability", "Error"), ("latency", "Latency"))
            ),
            graph(
                "Budget burning",
                Query(objectives.burning(both, "1h"), "{{slo}}"),
                description="How many times faster than allowed, over an hour. Above 14.4 somebody is called.",
                steps=((None, GREEN), (1, ORANGE), (14.4, RED)),
            ),
            graph(
                "Failed and late requests",
                Query(objectives.failing(both), "{{slo}}"),
                Query(f"1 - service:slo_objective:ratio{{{both}}}", "{{slo}}: allowed"),
                unit="percentunit",
            ),
        ),
    )


def rate_row(name: str) -> Row:
    """Return how much is asked."""
    requests = f'flask_http_request_duration_seconds_count{{job="{name}",zone=~"$zone"}}{RATE}'
    return Row(
        "Rate",
        (
            graph(
                "Requests by zone",
                Query(f"sum by (zone) (rate({requests}))", "{{zone}}"),
                unit="reqps",
                stacked=True,
            ),
            graph(
                "Requests by route",
                Query(f"sum by (method, route) (rate({requests}))", "{{method}} {{route}}"),
                unit="reqps",
            ),
            graph(
                "Answers at the gateway",
                Query(
                    f'sum by (code) (rate(haproxy_backend_http_responses_total{{job="haproxy",proxy="{name}",zone=~"$zone"}}{RATE}))',
                    "{{code}}",
                ),
                unit="reqps",
                description="What people get, by the zone of their edge. A service that is not there counts too.",
            ),
        ),
    )


def errors_row(name: str) -> Row:
    """Return what fails."""
    proxy = f'job="haproxy",proxy="{name}",zone=~"$zone"'
    return Row(
        "Errors",
        (
            graph(
                "Failed requests by edge",
                Query(
                    f'sum by (host) (rate(haproxy_backend_http_responses_total{{{proxy},code="5xx"}}{RATE}))'
                    f" / sum by (host) (rate(haproxy_backend_http_requests_total{{{proxy}}}{RATE}))",
                    "{{host}}",
                ),
                unit="percentunit",
            ),
            graph(
                "Answers by status",
                Query(
                    f'sum by (status) (rate(flask_http_request_duration_seconds_count{{job="{name}",zone=~"$zone"}}{RATE}))',
                    "{{status}}",
                ),
                unit="reqps",
            ),
            graph(
                "Trouble between gateway and service",
                Query(
                    f"sum(rate(haproxy_backend_connection_errors_total{{{proxy}}}{RATE}))",
                    "connections that failed",
                ),
                Query(
                    f"sum(rate(haproxy_backend_response_errors_total{{{proxy}}}{RATE}))",
                    "answers that broke off",
                ),
                Query(f"sum(rate(haproxy_backend_retry_warnings_total{{{proxy}}}{RATE}))", "tried again"),
                Query(
                    f"sum(rate(haproxy_backend_redispatch_warnings_total{{{proxy}}}{RATE}))",
                    "sent to another instance",
                ),
                unit="reqps",
            ),
        ),
    )


def duration_row(name: str) -> Row:
    """Return how long answers take."""
    buckets = f'flask_http_request_duration_seconds_bucket{{job="{name}",zone=~"$zone"}}{RATE}'
    return Row(
        "Duration",
        (
            graph(
                "Time of the service",
                *(
                    Query(f"histogram_quantile({share}, sum by (le) (rate({buckets})))", f"{share:.0%}")
                    for share in (0.5, 0.95, 0.99)
                ),
                unit="s",
                description="Its own time, without what stands in front of it: that share of requests is faster.",
            ),
            graph(
                "95% by route",
                Query(
                    f"histogram_quantile(0.95, sum by (le, method, route) (rate({buckets})))",
                    "{{method}} {{route}}",
                ),
                unit="s",
            ),
            graph(
                "99% by zone",
                Query(f"histogram_quantile(0.99, sum by (le, zone) (rate({buckets})))", "{{zone}}"),
                unit="s",
            ),
        ),
    )


def saturation_row(name: str, entry: Mapping[str, Any]) -> Row:
    """Return how much of what it has is in use."""
    web = (entry.get("processes") or {}).get("web") or {}
    threads = int(web.get("workers", 0)) * int(web.get("threads", 0))
    proxy = f'job="haproxy",proxy="{name}"'
    panels = [
        graph(
            "Busy threads by host",
            Query(
                f'sum by (host) (rate(flask_http_request_duration_seconds_sum{{job="{name}",zone=~"$zone"}}{RATE}))',
                "{{host}}",
            ),
            description="Requests that are handled at the same time, on average."
            + (f" A host has {threads} threads (processes.web in the catalogue)." if threads else ""),
            steps=((None, GREEN), (0.8 * threads, ORANGE), (threads, RED)) if threads else (),
        ),
        graph(
            "Requests at the gateway",
            Query(f"sum(haproxy_backend_current_sessions{{{proxy}}})", "with the service"),
            Query(f"sum(haproxy_backend_current_queue{{{proxy}}})", "waiting for it"),
        ),
        graph(
            "CPU of its hosts",
            Query(
                '1 - avg by (host) (rate(node_cpu_seconds_total{job="node",mode="idle",zone=~"$zone"}'
                f'{RATE}) and on (host) up{{job="{name}"}})',
                "{{host}}",
            ),
            unit="percentunit",
            maximum=1,
        ),
        states(
            "Processes",
            Query(f'max by (host, process) (up{{job="{name}",zone=~"$zone"}})', "{{host}} {{process}}"),
            yes=("answers", GREEN),
            no=("silent", RED),
            span=8,
        ),
        graph(
            "Instances that an edge may use",
            Query(f'haproxy_backend_active_servers{{{proxy},zone=~"$zone"}}', "{{host}}"),
        ),
        graph(
            "Processes by release",
            Query(f'count by (release) (alicerce_release_info{{job="{name}",zone=~"$zone"}})', "{{release}}"),
            stacked=True,
        ),
    ]
    return Row("Saturation", tuple(panels))


def past_row(name: str, entry: Mapping[str, Any]) -> Row:
    """Return what is held against its own past."""
    measures = {"requests": "reqps", "failures": "percentunit", "seconds": "s"}
    measures |= dict.fromkeys(entry.get("watched_routes", {}), "reqps")
    panels = []
    for measure, unit in measures.items():
        labels = f'{{service="{name}",measure="{measure}"}}'
        mean, band = f"service:anomaly_mean:rate5m{labels}", f"service:anomaly_band:rate5m{labels}"
        panels.append(
            graph(
                f"{measure.capitalize()} and their past",
                Query(f"service:anomaly_value:rate5m{labels}", "now"),
                Query(f"clamp_min({mean} - {band}, 0)", "usually at least"),
                Query(f"{mean} + {band}", "usually at most"),
                unit=unit,
                description="Usual is what was so at the same hour one and two weeks ago, or else on the last day.",
            )
        )
    return Row("Anomalies", tuple(panels))


def event_panels(name: str, entry: Mapping[str, Any]) -> Iterator[Panel]:
    """Yield what there is to see of the events that a service publishes and consumes."""
    processes = entry.get("processes") or {}
    rabbitmq = entry.get("rabbitmq") or {}
    if "metrics_port" in (processes.get("relay") or {}):
        leader = f'and on (instance) alicerce_outbox_leader{{job="{name}"}} == 1'
        yield graph(
            "Outbox",
            Query(f'max(alicerce_outbox_pending{{job="{name}"}} {leader})', "events"),
            description="Events that wait to be published.",
        )
        yield graph(
            "Oldest event in the outbox",
            Query(f'max(alicerce_outbox_oldest_seconds{{job="{name}"}} {leader})', "age"),
            unit="s",
        )
        yield graph(
            "Events published",
            Query(f'sum by (type) (rate(alicerce_events_published_total{{job="{name}"}}{RATE}))', "{{type}}"),
            unit="ops",
        )
        yield number(
            "Relays that publish",
            Query(f'sum(alicerce_outbox_leader{{job="{name}"}})'),
            description="One relay publishes, the others stand by.",
            steps=((None, RED), (1, GREEN), (2, RED)),
            height=8,
        )
    if not rabbitmq.get("queues"):
        return
    queues = "|".join(sorted(queue.replace(".", "[.]") for queue in rabbitmq["queues"]))
    yield graph(
        "Messages in its queues",
        Query(
            f'max by (queue) (rabbitmq_detailed_queue_messages{{job="rabbitmq_queues",queue=~"({queues})([.]dead)?"}})',
            "{{queue}}",
        ),
    )
    yield graph(
        "Events handled",
        Query(
            f'sum by (type, outcome) (rate(alicerce_events_consumed_total{{job="{name}",zone=~"$zone"}}{RATE}))',
            "{{type}}: {{outcome}}",
        ),
        unit="ops",
    )
    yield graph(
        "Time to handle an event",
        Query(
            f'histogram_quantile(0.95, sum by (le, type) (rate(alicerce_event_handling_seconds_bucket{{job="{name}",zone=~"$zone"}}{RATE})))',
            "{{type}}: 95%",
        ),
        unit="s",
    )
    yield number(
        "Consumers",
        Query(f'avg(up{{job="{name}",process!~"web|relay"}})'),
        unit="percentunit",
        description="Share of its processes that read queues and answer.",
        steps=WHOLE,
        height=8,
    )
