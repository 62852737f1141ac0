"""Settings of gunicorn, from the environment: `gunicorn -c python:alicerce_common.gunicorn_conf 'alicerce_….app:create_app()'`.

| variable | meaning |
|---|---|
| `PORT` | listens on all addresses; on loopback only where TLS is off |
| `WEB_WORKERS`, `WEB_THREADS` | processes, and threads in each |
| `WEB_GRACEFUL_TIMEOUT` | seconds for requests under way when told to stop |
| `TLS_CERTIFICATE_FILE`, `TLS_KEY_FILE`, `TLS_CA_FILE` | clients need a certificate of this CA |
| `PROMETHEUS_MULTIPROC_DIR` | where the workers' metrics meet |
"""

import logging
import os
import ssl
from collections.abc import Callable
from typing import Any

from gunicorn.glogging import Logger
from prometheus_client import multiprocess

from alicerce_common import logs, tracing
from alicerce_common.config import WebSettings, load

_settings = load(WebSettings)


class JsonLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's messages the way of the service's own; requests are logged by the service."""

    def setup(self, cfg: Any) -> None:
        """Leave the messages to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.access_log.disabled = True
        self.error_log.setLevel(max(logging.INFO, logging.getLevelName(_settings.log_level)))


bind = f"{'0.0.0.0' if _settings.tls else '127.0.0.1'}:{os.environ.get('PORT', '8000')}"  # noqa: S104 -- only with client certificates
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = _settings.web_threads
graceful_timeout = int(os.environ.get("WEB_GRACEFUL_TIMEOUT", "20"))
timeout = 30
# Longer than the gateway keeps an idle connection, so that it never sends a request into one that is just closing.
keepalive = 75
# A wrong configuration ends the program with its own status instead of a worker that is started again for ever.
preload_app = True
worker_tmp_dir = "/dev/shm"  # noqa: S108 (gunicorn's heartbeat files; memory does not stall)
logger_class = JsonLogger
accesslog = None
control_socket_disable = True

if _settings.tls:
    certfile = str(_settings.tls.certificate_file)
    keyfile = str(_settings.tls.key_file)
    ca_certs = str(_settings.tls.ca_file)
    cert_reqs = ssl.CERT_REQUIRED

    def ssl_context(_: object, __: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Build the same context as every other server of the service."""
        tls = _settings.tls
        assert tls is not None  # noqa: S101 (narrows the type)
        return tls.server_context()


def on_starting(_: object) -> None:
    """Speak JSON from the first line on."""
    logs.configure(_settings)


def post_fork(_: object, __: object) -> None:
    """Start what sends traces: its thread would not survive the fork."""
    tracing.start(_settings)


def worker_exit(_: object, __: object) -> None:
    """Send the last spans."""
    tracing.stop()


def child_exit(_: object, worker: Any) -> None:
    """Keep a dead worker's counters and forget its gauges."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
