"""The web process as it runs: gunicorn that has loaded the application before it forks, and a collector that wants a certificate."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from alicerce_common.config import Tls
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stores import IDENTITY, environment, free_port, wait_for


class Collector(ThreadingHTTPServer):
    """Takes spans as Jaeger does; `spans` is `{(service, name): trace id}`."""

    def __init__(self, tls: Tls) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket = tls.server_context().wrap_socket(self.socket, server_side=True)
        self.spans: dict[tuple[str, str], str] = {}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        taken = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Collector)
        for resource in taken.resource_spans:
            told = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.server.spans[told["service.name"], span.name] = span.trace_id.hex()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector(tls_files: Tls) -> Iterator[Collector]:
    server = Collector(tls_files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_workers_send_their_spans_with_the_services_certificate(
    collector: Collector, tls_files: Tls, tmp_path: Path
) -> None:
    port = free_port()
    told: dict[str, object] = {
        **IDENTITY,
        "service_name": "users",
        "tls_ca_file": tls_files.ca_file,
        "tls_certificate_file": tls_files.certificate_file,
        "tls_key_file": tls_files.key_file,
        "database_hosts": f"127.0.0.1:{free_port()}",
        "database_name": "none",
        "database_user": "nobody",
        "database_password": "not needed",
        "jwt_issuer": "https://alicerce.test",
        "jwt_audience": "alicerce",
        "jwks_urls": f"https://127.0.0.1:{free_port()}/jwks",
        "traces_endpoint": f"https://127.0.0.1:{collector.server_address[1]}/v1/traces",
        "traces_sample_ratio": 1,
        "port": port,
        "web_workers": 2,
    }
    argv = ["-m", "gunicorn", "-c", "python:alicerce_common.gunicorn_conf", "alicerce_users.app:create_app()"]
    trace = "0af7651916cd43dd8448eb211c80319c"
    with subprocess.Popen(
        [sys.executable, *argv], env=environment(told, tmp_path / "credentials"), stderr=subprocess.DEVNULL
    ) as process:
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.verify = str(tls_files.ca_file)
                session.cert = (str(tls_files.certificate_file), str(tls_files.key_file))
                about = {"traceparent": f"00-{trace}-b7ad6b7169203331-00"}

                def ask() -> bool:
                    return (
                        session.get(
                            f"https://127.0.0.1:{port}/api/v1/users/openapi.json", headers=about, timeout=5
                        ).status_code
                        == 200
                    )

                wait_for(ask, timeout=30)
                name = ("users", "GET /api/v1/users/openapi.json")
                wait_for(lambda: collector.spans.get(name) == trace)
                # What waits when a worker is told to end is sent.
                collector.spans.clear()
                assert ask()
        finally:
            process.terminate()
            assert process.wait(30) == 0
    assert collector.spans == {name: trace}
