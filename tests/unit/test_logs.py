"""`make logs` against an HTTPS server that answers as Elasticsearch does."""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.certificate import self_signed
from tests.unit.load import load_script

logs = load_script("logs")
NAME = "obs-a.test.internal"
NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)


def record(number: int, time: str, **fields: Any) -> dict[str, Any]:
    """A hit as the server gives it; the index's time is cut to milliseconds."""
    source = {
        "@timestamp": time,
        "host": "node-a",
        "zone": "a",
        "service": "auth",
        "unit": "alicerce-auth-web.service",
        "severity": "info",
        "message": "request",
        **fields,
    }
    return {
        "_index": "logs-2026.11.26",
        "_id": f"{number:032X}",
        "_score": None,
        "_source": source,
        "sort": [time[:23] + "Z"],
    }


class Server(ThreadingHTTPServer):
    """Keeps records, finds those that a search means, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, pem: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.load_verify_locations(pem)
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.hits: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.answer: tuple[int, Any] | None = None
        self.password = "right"

    def search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        def fits(hit: dict[str, Any], wanted: dict[str, Any]) -> bool:
            if "range" in wanted:
                return bool(hit["sort"][0] >= wanted["range"]["@timestamp"]["gte"])
            if "bool" in wanted:
                assert wanted["bool"]["minimum_should_match"] == 1
                return any(fits(hit, each) for each in wanted["bool"]["should"])
            return all(hit["_source"].get(k) == v for k, v in wanted["term"].items())

        wanted = body["query"]["bool"]["filter"]
        hits = [hit for hit in self.hits if all(fits(hit, each) for each in wanted)]
        return sorted(hits, key=lambda hit: str(hit["sort"][0]))[: body["size"]]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, "body": body})
        expected = base64.b64encode(f"log_reader:{self.server.password}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {expected}":
            self.tell(
                401,
                {"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401},
            )
        elif self.server.answer:
            self.tell(*self.server.answer)
        else:
            shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
            hits = {"max_score": None, "hits": self.server.search(body)}
            self.tell(200, {"took": 3, "timed_out": False, "_shards": shards, "hits": hits})

    def tell(self, status: int, what: Any) -> None:
        content = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate that is its own authority."""
    return self_signed(tmp_path_factory.mktemp("tls"), NAME)


@pytest.fixture
def server(pem: Path) -> Iterator[Server]:
    with Server(pem) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(server: Server, pem: Path) -> Any:
    return connect(server, pem)


def connect(
    server: Server,
    pem: Path,
    servers: tuple[str, ...] = (NAME,),
    word: str = "right",
    authority: Path | None = None,
) -> Any:
    access = {
        "servers": servers,
        "port": 9200,
        "ca_file": authority or pem,
        "certificate": pem.read_text(),
        "account": "log_reader",
        "password": word,
    }

    def opened(name: str) -> socket.socket:
        if name.startswith("down"):
            raise ConnectionRefusedError(111, "Connection refused")
        return socket.create_connection(server.server_address[:2])  # type: ignore[arg-type]

    return logs.Elasticsearch(access, opened)


def found(client: Any, *argv: str) -> list[str]:
    arguments = logs.parse(list(argv))
    since = logs.instant(arguments.since, NOW) if arguments.since else None
    return [item["message"] for item in logs.records(client, logs.filters(arguments), since, {})]


def test_a_request_is_found_whole_and_in_order_of_its_microseconds(server: Server, client: Any) -> None:
    server.hits = [
        record(1, "2026-11-26T11:00:00.000900Z", message="third", request_id="r1"),
        record(2, "2026-11-26T11:00:00.000100Z", message="second", request_id="r1"),
        record(3, "2026-11-25T23:59:59.999999Z", message="first", request_id="r1"),
        record(4, "2026-11-26T11:00:00.000500Z", message="another", request_id="r2"),
    ]
    assert found(client, "--request", "r1") == ["first", "second", "third"]
    assert server.asked[0]["path"].startswith("/logs-*/_search?")


def test_what_came_of_a_request_is_found_by_its_trace(server: Server, client: Any) -> None:
    request = "0AF76519-16cd-43dd-8448-eb211c80319c"
    server.hits = [
        record(1, "2026-11-26T11:00:00.000100Z", message="asked", request_id=request),
        record(
            2,
            "2026-11-26T11:00:00.000200Z",
            message="worked",
            request_id="event",
            trace_id="0af7651916cd43dd8448eb211c80319c",
        ),
        record(3, "2026-11-26T11:00:00.000300Z", message="another", trace_id="0" * 31 + "1"),
    ]
    assert found(client, "--request", request) == ["asked", "worked"]
    assert found(client, "--request", request, "--host", "elsewhere") == []


def test_what_is_not_a_request_is_looked_for_in_the_last_ten_minutes(server: Server, client: Any) -> None:
    server.hits = [
        record(1, "2026-11-26T11:49:59.000000Z", message="before"),
        record(2, "2026-11-26T11:50:01.000000Z", message="within"),
        record(3, "2026-11-26T11:55:01.000000Z", message="elsewhere", host="node-b"),
    ]
    assert found(client, "--service", "auth", "--host", "node-a") == ["within"]
    assert found(client, "--service", "auth", "--host", "", "--since", "1h") == [
        "before",
        "within",
        "elsewhere",
    ]


def test_more_than_a_page_comes_once_each(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PAGE", 4)
    # Ten of them in one millisecond, which is more than a page.
    times = [f"2026-11-26T11:59:{n:02d}.000000Z" for n in range(5)]
    times += [f"2026-11-26T11:59:30.000{n:03d}Z" for n in range(10)]
    times += ["2026-11-26T11:59:31.000000Z"]
    server.hits = [record(n, time, message=str(n)) for n, time in enumerate(times)]
    assert found(client, "--service", "auth") == [str(n) for n in range(16)]


def test_following_shows_what_comes_and_what_comes_late(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PAUSE_SECONDS", 0)

    def at(seconds: float) -> str:
        return str(logs.instant(f"{seconds}s", datetime.datetime.now(datetime.UTC)))[:23] + "000Z"

    server.hits = [record(1, at(5), message="there")]
    shown = logs.follow(client, [{"term": {"service": "auth"}}], at(60), {})
    assert next(shown)["message"] == "there"
    server.hits.append(record(2, at(0), message="new"))
    assert next(shown)["message"] == "new"
    server.hits.append(record(3, at(8), message="late"))
    assert next(shown)["message"] == "late"


def test_a_server_that_is_away_is_passed_over(server: Server, pem: Path) -> None:
    server.hits = [record(1, "2026-11-26T11:59:00.000000Z")]
    assert found(connect(server, pem, ("down-a", NAME)), "--service", "auth") == ["request"]
    with pytest.raises(logs.LogsError, match=r"does not answer \(down-a: .*refused"):
        found(connect(server, pem, ("down-a",)), "--service", "auth")


def test_a_closed_connection_is_opened_again(server: Server, client: Any) -> None:
    server.hits = [record(1, "2026-11-26T11:59:00.000000Z")]
    assert found(client, "--service", "auth") == ["request"]
    client._connection.sock.shutdown(socket.SHUT_RDWR)
    assert found(client, "--service", "auth") == ["request"]


def test_another_name_or_authority_is_refused(server: Server, pem: Path, tmp_path: Path) -> None:
    with pytest.raises(logs.LogsError, match=r"obs-b\.test is not the platform's: Hostname mismatch"):
        found(connect(server, pem, ("obs-b.test",)), "--service", "auth")
    other = tmp_path / "ca.crt"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout {tmp_path}/key -out {other}".split(),
        check=True,
        capture_output=True,
    )
    with pytest.raises(logs.LogsError, match="is not the platform's: self-signed certificate"):
        found(connect(server, pem, authority=other), "--service", "auth")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            (400, {"error": {"type": "x", "reason": "No mapping found for [@timestamp]"}}),
            "answers 400: No mapping",
        ),
        ((503, {"error": "too busy"}), "answers 503: too busy"),
        ((502, b"<html>"), "answers 502 with something else than JSON"),
    ],
)
def test_an_error_says_what_elasticsearch_said(server: Server, client: Any, answer: Any, says: str) -> None:
    server.answer = answer
    with pytest.raises(logs.LogsError, match=says):
        found(client, "--service", "auth")


def test_a_wrong_password_names_the_remedy(server: Server, pem: Path) -> None:
    with pytest.raises(
        logs.LogsError, match=r"does not let log_reader read the log \(401\); site.yml --tags elasticsearch"
    ):
        found(connect(server, pem, word="wrong"), "--service", "auth")


def test_a_line_has_one_line_and_no_control_characters() -> None:
    source = record(
        1,
        "2026-11-26T11:00:00.000900Z",
        message="two\nlines \x1b[31mred",
        method="GET",
        route="/api/v1/users/me",
        status=200,
        duration_ms=3.5,
        request_id="r1",
        user_id="u1",
    )["_source"]
    assert logs.line(source) == (
        "2026-11-26T11:00:00.000900Z  node-a  auth  info  two\\nlines \\x1b[31mred GET /api/v1/users/me 200 3.5ms request=r1 user=u1"
    )
    assert logs.line(
        {"message": "request", "status": 404, "method": "GET", "fields": {"path": "/x"}}
    ).endswith("request GET /x 404")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", "2026-11-26T11:59:30.000Z"),
        ("7d", "2026-11-19T12:00:00.000Z"),
        ("2026-11-26T10:00:00-03:00", "2026-11-26T13:00:00.000Z"),
        ("2026-11-26 10:00", "2026-11-26T10:00:00.000Z"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert logs.instant(text, NOW) == moment


@pytest.mark.parametrize("text", ["10", "m", "10 minutes", "yesterday", "-5m", "99999999999d"])
def test_no_moment(text: str) -> None:
    with pytest.raises(logs.LogsError):
        logs.instant(text, NOW)


@pytest.mark.parametrize(
    "argv", [[], ["--service", ""], ["--trace", "12"], ["--request", "x", "--format", "xml"]]
)
def test_a_command_that_says_too_little_is_refused(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        logs.parse(argv)
    assert "scripts/logs: error: " in capsys.readouterr().err


def test_ssh_that_fails_says_why() -> None:
    process = subprocess.Popen(
        ["sh", "-c", "echo 'ssh: connect to host obs-a port 22: No route' >&2; exit 255"],
        stderr=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(
        logs.LogsError, match="no way to obs-a by SSH: ssh: connect to host obs-a port 22: No route"
    ):
        logs.reach(process, Path("/nonexistent/socket"), "obs-a")


def test_following_begins_ten_minutes_ago() -> None:
    assert isinstance(logs.parse(["--request", "r"]), argparse.Namespace)
    assert logs.parse(["--request", "r"]).since is None
    assert logs.parse(["--request", "r", "--follow"]).since == "10m"
