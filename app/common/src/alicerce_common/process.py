"""The frame of a process beside the web server: signals, and health and metrics on a port of their own."""

import signal
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from socketserver import ThreadingMixIn
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask

from alicerce_common import errors, health, logs, metrics
from alicerce_common.config import ProcessSettings

log = logs.get_logger(__name__)


class Heartbeat:
    """Tells `/healthz` that the main loop goes round: it says `beat` at least every `limit` seconds."""

    def __init__(self, limit: float = 60.0) -> None:
        self._limit = limit
        self._last = time.monotonic()

    def beat(self) -> None:
        """Say that the loop goes round."""
        self._last = time.monotonic()

    def alive(self) -> bool:
        """Whether the loop went round lately."""
        return time.monotonic() - self._last < self._limit


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake belongs into the request's own thread, and has a limit: a silent client stops nobody.
        request.settimeout(10)
        if self.tls is not None:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)
        if self.tls is not None:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (socketserver's signature)
        log.debug("request for health or metrics broke off", exc_info=True)


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing: probes come every few seconds."""


def serve(
    settings: ProcessSettings, checks: Sequence[health.Check], *, alive: Callable[[], bool] | None = None
) -> _Server:
    """Serve `/healthz`, `/readyz` and `/metrics` from a thread; with TLS, to clients with a certificate only."""
    app = Flask(settings.service_name, static_folder=None)
    errors.init_app(app)
    health.init_app(app, settings, health.Readiness(checks), alive=alive)
    metrics.init_app(app, release=settings.service_release, requests=False)
    server = _Server(("" if settings.tls else "127.0.0.1", settings.metrics_port), _Handler)
    server.tls = settings.tls.server_context() if settings.tls else None
    server.set_app(app)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def stop_on_signals(stop: threading.Event) -> None:
    """Set the event on SIGTERM and SIGINT."""

    def handle(number: int, _: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
