"""What exporters of ours share: a server over TLS, only for clients with a certificate, and metrics in one line each."""

from __future__ import annotations

import argparse
import contextlib
import ssl
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

ANSWER_SECONDS = 5
"""How long whom we ask, or a client of ours, may take for its next word."""


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every exporter has."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("--address", required=True, help="address to listen on")
    parser.add_argument("--port", required=True, type=int, help="port to listen on")
    parser.add_argument("--ca-file", required=True, help="authority of both ends' certificates")
    parser.add_argument("--pem-file", required=True, help="own key and certificate")
    return parser


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a gauge with one label."""
    metric = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        metric.add_metric([value], number)
    return metric


def counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a counter with one label."""
    metric = CounterMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        metric.add_metric([value], number)
    return metric


class Server(ThreadingHTTPServer):
    """A thread a request, in which the handshake is made too: a silent client stops nobody.

    The files are read anew for each connection: a renewed certificate needs no restart.
    """

    daemon_threads = True

    def __init__(self, options: argparse.Namespace, handler: type[BaseHTTPRequestHandler]) -> None:
        self.options = options
        super().__init__((options.address, options.port), handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.options.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.options.pem_file)
        request.settimeout(ANSWER_SECONDS)
        with context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)
            # Without a word of parting the answer might have been cut short, and curl says so.
            with contextlib.suppress(OSError):
                tls.unwrap()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (socketserver's signature)
        """Say in one line why a client got no answer."""
        print(f"request of {client_address[0]} broke off: {sys.exc_info()[1]}", file=sys.stderr)


def serve(options: argparse.Namespace, registry: CollectorRegistry) -> None:
    """Tell the metrics of a registry until the process is stopped."""
    Server(options, MetricsHandler.factory(registry)).serve_forever()
