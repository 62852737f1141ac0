"""Prometheus metrics: requests by route template for the web server, the program's own counters for every process."""

import os

from flask import Flask, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_flask_exporter import PrometheusMetrics

# Seconds; the service's own time without what stands in front of it.
BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

RELEASE = Gauge(
    "alicerce_release_info",
    "1 for the release that this process runs",
    ["release"],
    multiprocess_mode="livemax",
)


def init_app(app: Flask, *, release: str, requests: bool = True) -> None:
    """Count and time requests by method, route template and status, tell the release, and add `/metrics`.

    Under gunicorn, `/metrics` sums up the workers by way of PROMETHEUS_MULTIPROC_DIR.
    """
    own = CollectorRegistry()
    RELEASE.labels(release).set(1)

    def route(request: Request) -> str:
        return request.url_rule.rule if request.url_rule else "unmatched"

    if requests:
        PrometheusMetrics(
            app,
            path=None,
            group_by=route,
            buckets=BUCKETS,
            excluded_paths=["^/healthz$", "^/readyz$", "^/metrics$"],
            registry=own,
        )

    @app.get("/metrics")
    def metrics() -> Response:
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            workers = CollectorRegistry()
            MultiProcessCollector(workers)  # type: ignore[no-untyped-call]
            text = generate_latest(workers)
        else:
            text = generate_latest(own) + generate_latest(REGISTRY)
        return Response(text, content_type=CONTENT_TYPE_LATEST)
