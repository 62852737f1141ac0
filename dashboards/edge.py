"""Edge, web application firewall and gateway, as HAProxy tells of them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.parts import (
    ENDING,
    GREEN,
    RATE,
    RED,
    Query,
    Row,
    board,
    choice,
    graph,
    number,
    share,
    states,
    written_by,
)

ANY = 'job="haproxy",zone=~"$zone"'
EDGE = f'{ANY},proxy="edge"'
WAF = f'{ANY},proxy="waf"'
GATEWAY = f'{ANY},proxy="gateway"'
FRONTEND = 'job="frontend",zone=~"$zone"'
ROUTED = f'{ANY},proxy!~"waf|client_addresses|accounts"'
"""What the gateway leads to: services and the frontend. The others are the WAF and tables of clients."""


def edge() -> Dashboard:
    """Return the dashboard of what stands between people and services."""
    return board(
        "edge",
        "Edge and WAF",
        "From the public address to the services: requests, what is refused, and where.",
        [
            Row(
                "Edges",
                (
                    share("Edges", 'up{job="haproxy"}'),
                    share(
                        "Firewalls",
                        'haproxy_backend_active_servers{job="haproxy",proxy="waf"}',
                        "Share of edges whose WAF blocks attacks; the others refuse every request.",
                    ),
                    number(
                        "Requests",
                        Query(f"sum(rate(haproxy_frontend_http_requests_total{{{EDGE}}}{RATE}))"),
                        unit="reqps",
                    ),
                    number("Connections", Query(f"sum(haproxy_frontend_current_sessions{{{EDGE}}})")),
                    number(
                        "Received",
                        Query(f"sum(rate(haproxy_frontend_bytes_in_total{{{EDGE}}}{RATE}))"),
                        unit="Bps",
                    ),
                    number(
                        "Sent",
                        Query(f"sum(rate(haproxy_frontend_bytes_out_total{{{EDGE}}}{RATE}))"),
                        unit="Bps",
                    ),
                    states(
                        "Public name",
                        Query('probe_success{job="probe",zone=~"$zone"}', "{{host}}, zone {{zone}}"),
                        description="Whether an edge host gets a page from it, as a browser would.",
                        yes=("answers", GREEN),
                        no=("does not answer", RED),
                    ),
                    graph(
                        "A page from the public name",
                        Query('probe_duration_seconds{job="probe",zone=~"$zone"}', "{{host}}"),
                        unit="s",
                        span=12,
                    ),
                    graph(
                        "Requests by edge",
                        Query(
                            f"sum by (host) (rate(haproxy_frontend_http_requests_total{{{EDGE}}}{RATE}))",
                            "{{host}}",
                        ),
                        unit="reqps",
                        stacked=True,
                    ),
                    graph(
                        "Answers",
                        Query(
                            f"sum by (code) (rate(haproxy_frontend_http_responses_total{{{EDGE}}}{RATE}))",
                            "{{code}}",
                        ),
                        unit="reqps",
                    ),
                    graph(
                        "Mean time of a request",
                        Query(
                            f"max by (host) (haproxy_backend_total_time_average_seconds{{{WAF}}})", "{{host}}"
                        ),
                        unit="s",
                        description="Mean time of the last 1,024 requests through WAF, gateway and service.",
                    ),
                    graph(
                        "New connections",
                        Query(
                            f"sum by (host) (rate(haproxy_frontend_connections_total{{{EDGE}}}{RATE}))",
                            "{{host}}",
                        ),
                        unit="cps",
                    ),
                    graph(
                        "Connections of the limit",
                        Query(
                            f"haproxy_process_current_connections{{{ANY}}} / haproxy_process_max_connections{{{ANY}}}",
                            "{{host}}",
                        ),
                        unit="percentunit",
                        steps=ENDING,
                    ),
                    graph(
                        "TLS handshakes",
                        Query(f"haproxy_process_current_frontend_ssl_key_rate{{{ANY}}}", "{{host}}"),
                        unit="ops",
                        description="Those with a new key, which cost most.",
                    ),
                    graph(
                        "Busy",
                        Query(f"1 - haproxy_process_idle_time_percent{{{ANY}}} / 100", "{{host}}"),
                        unit="percentunit",
                        maximum=1,
                        steps=ENDING,
                    ),
                    states(
                        "Units",
                        Query(
                            'node_systemd_unit_state{job="node",name=~"(haproxy|alicerce-waf|keepalived)[.]service",state="active",zone=~"$zone"}',
                            "{{host}} {{name}}",
                        ),
                        yes=("active", GREEN),
                        no=("not active", RED),
                        span=16,
                    ),
                ),
            ),
            Row(
                "Refused",
                (
                    graph(
                        "By the edge",
                        Query(
                            f"sum(rate(haproxy_frontend_requests_denied_total{{{EDGE}}}{RATE}))",
                            "requests: rate limits and rules",
                        ),
                        Query(
                            f"sum(rate(haproxy_frontend_denied_connections_total{{{EDGE}}}{RATE}))",
                            "connections",
                        ),
                        Query(
                            f"sum(rate(haproxy_frontend_request_errors_total{{{EDGE}}}{RATE}))",
                            "no valid request",
                        ),
                        unit="reqps",
                    ),
                    graph(
                        "By the WAF",
                        Query(
                            f'sum by (host) (rate(haproxy_backend_http_responses_total{{{WAF},code="4xx"}}{RATE}))'
                            f' - on (host) sum by (host) (rate(haproxy_frontend_http_responses_total{{{GATEWAY},code="4xx"}}{RATE}))',
                            "{{host}}",
                        ),
                        unit="reqps",
                        description="Answers of the 400s behind the edge that are none of the gateway's.",
                    ),
                    graph(
                        "By the gateway",
                        Query(
                            f"sum by (host) (rate(haproxy_frontend_requests_denied_total{{{GATEWAY}}}{RATE}))",
                            "{{host}}",
                        ),
                        unit="reqps",
                        description="No token or a bad one, no such route, or too many requests of one account.",
                    ),
                ),
            ),
            Row(
                "Web application firewall",
                (
                    graph(
                        "Requests by firewall",
                        Query(
                            f'sum by (host) (rate(alicerce_waf_requests_total{{job="waf",zone=~"$zone"}}{RATE}))',
                            "{{host}}",
                        ),
                        unit="reqps",
                    ),
                    graph(
                        "Requests with findings",
                        Query(
                            f'sum by (mode, outcome) (rate(alicerce_waf_findings_total{{job="waf",zone=~"$zone"}}{RATE}))',
                            "{{mode}}: {{outcome}}",
                        ),
                        unit="reqps",
                        description="What is blocked was refused; what passed scored less than a refusal takes.",
                    ),
                    graph(
                        "Findings by rule",
                        Query(
                            f'topk(10, sum by (rule) (rate(alicerce_waf_rule_matches_total{{job="waf",zone=~"$zone"}}{RATE})))',
                            "{{rule}}",
                        ),
                        unit="reqps",
                    ),
                ),
            ),
            Row(
                "Frontend",
                (
                    share("Instances", f"alicerce_frontend_up{{{FRONTEND}}}"),
                    number(
                        "Requests",
                        Query(f"sum(rate(alicerce_frontend_requests_total{{{FRONTEND}}}{RATE}))"),
                        unit="reqps",
                        height=8,
                    ),
                    graph(
                        "Connections of the frontend",
                        Query(
                            f"sum by (host, state) (alicerce_frontend_connections{{{FRONTEND}}})",
                            "{{host}} {{state}}",
                        ),
                    ),
                    graph(
                        "New connections to nginx",
                        Query(
                            f"sum by (outcome) (rate(alicerce_frontend_accepted_connections_total{{{FRONTEND}}}{RATE}))",
                            "frontend: {{outcome}}",
                        ),
                        Query(
                            f'sum by (outcome) (rate(alicerce_waf_accepted_connections_total{{job="waf",zone=~"$zone"}}{RATE}))',
                            "WAF: {{outcome}}",
                        ),
                        unit="cps",
                        description="Dropped are those for which there was no room: worker connections.",
                    ),
                ),
            ),
            Row(
                "Behind the gateway",
                (
                    graph(
                        "Requests",
                        Query(
                            f"sum by (proxy) (rate(haproxy_backend_http_requests_total{{{ROUTED}}}{RATE}))",
                            "{{proxy}}",
                        ),
                        unit="reqps",
                    ),
                    graph(
                        "Failed requests",
                        Query(
                            f'sum by (proxy) (rate(haproxy_backend_http_responses_total{{{ROUTED},code="5xx"}}{RATE}))',
                            "{{proxy}}",
                        ),
                        unit="reqps",
                    ),
                    graph(
                        "Mean time",
                        Query(
                            f"avg by (proxy) (haproxy_backend_response_time_average_seconds{{{ROUTED}}})",
                            "{{proxy}}",
                        ),
                        unit="s",
                        description="Of the last 1,024 requests.",
                    ),
                    graph(
                        "Servers in use",
                        Query(
                            f"sum by (proxy) (haproxy_backend_active_servers{{{ROUTED}}}) / count by (proxy) (haproxy_backend_active_servers{{{ROUTED}}})",
                            "{{proxy}}",
                        ),
                        description="Instances that an edge may use, on average of all edges.",
                    ),
                    graph(
                        "Waiting",
                        Query(f"sum by (proxy) (haproxy_backend_current_queue{{{ROUTED}}})", "{{proxy}}"),
                        description="Requests that wait for a server.",
                    ),
                    graph(
                        "Checks that failed",
                        Query(
                            f"sum by (proxy, server) (rate(haproxy_server_check_failures_total{{{ANY}}}{RATE}))",
                            "{{proxy}}: {{server}}",
                        ),
                        unit="ops",
                    ),
                ),
            ),
        ],
        variables=[choice("zone", 'up{job="haproxy"}')],
        logs=written_by("haproxy", "waf", "frontend"),
    )
