"""What exporters make of programs that answer on loopback only. Molecule's scenarios waf, frontend and jaeger ask them beside real ones."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.load import load_program

nginx_exporter = load_program("exporters/files/nginx_exporter.py")
metrics_proxy = load_program("exporters/files/metrics_proxy.py")
STATUS = (
    "Active connections: 3 \nserver accepts handled requests\n 10 8 40 \nReading: 0 Writing: 1 Waiting: 2 \n"
)


def told(part: str, url: str) -> list[str]:
    registry = CollectorRegistry()
    registry.register(nginx_exporter.NginxCollector(part, url))
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line]


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start a server on loopback; returns it and its address."""
    running = []

    def start(handler: type[http.server.BaseHTTPRequestHandler]) -> tuple[Any, str]:
        server = http.server.HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        running.append((server, thread))
        return server, f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def program(serve: Any) -> Any:
    """A server that answers what its attribute `said` is, and its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(self.server.said.encode())  # type: ignore[attr-defined]

        def log_message(self, *args: Any) -> None: ...

    server, url = serve(Handler)
    server.said = STATUS
    return server, url


@pytest.mark.parametrize("part", ["waf", "frontend"])
def test_it_tells_what_nginx_counts(program: Any, part: str) -> None:
    assert told(part, program[1]) == [
        f"alicerce_{part}_up 1.0",
        f'alicerce_{part}_connections{{state="active"}} 3.0',
        f'alicerce_{part}_connections{{state="reading"}} 0.0',
        f'alicerce_{part}_connections{{state="writing"}} 1.0',
        f'alicerce_{part}_connections{{state="waiting"}} 2.0',
        f'alicerce_{part}_accepted_connections_total{{outcome="handled"}} 8.0',
        f'alicerce_{part}_accepted_connections_total{{outcome="dropped"}} 2.0',
        f"alicerce_{part}_requests_total 40.0",
    ]


def test_of_an_nginx_that_says_something_else_it_tells_that_it_does_not_answer(program: Any) -> None:
    server, url = program
    server.said = "hello"
    assert told("waf", url) == ["alicerce_waf_up 0.0"]


def test_the_proxy_hands_on_what_a_program_tells(program: Any, serve: Any) -> None:
    server, url = program
    server.said = 'spans{kind="ä"} 1\n'
    _, proxy = serve(metrics_proxy.handler(url))
    answer = requests.get(proxy, timeout=5)
    assert (answer.status_code, answer.content.decode()) == (200, server.said)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"


def test_the_proxy_of_a_program_that_is_not_there_answers_502(serve: Any) -> None:
    gone = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    gone.server_close()
    _, proxy = serve(metrics_proxy.handler(f"http://127.0.0.1:{gone.server_port}/"))
    assert requests.get(proxy, timeout=5).status_code == 502
