import json
import threading
import time
from typing import Any
from uuid import UUID

import pytest
from alicerce_common import health, http
from alicerce_common.config import WebSettings
from alicerce_common.health import Check, Readiness
from alicerce_common.http import RequestModel, endpoint
from flask import Blueprint, Flask, request
from flask.testing import FlaskClient
from psycopg.errors import ReadOnlySqlTransaction, UndefinedTable
from pydantic import BaseModel
from pymongo.errors import AutoReconnect
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.exc import InternalError, OperationalError, ProgrammingError
from stores import IDENTITY
from werkzeug.test import TestResponse as Answer

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Thing(RequestModel):
    name: str
    size: int = 1


class Found(BaseModel):
    name: str


FAILURES = {
    "bug": ZeroDivisionError("private words"),
    "postgresql": OperationalError("SELECT", {}, Exception("private words")),
    "demoted": InternalError("UPDATE", {}, ReadOnlySqlTransaction("private words")),
    "internal": InternalError("UPDATE", {}, Exception("private words")),
    "wrong-sql": ProgrammingError("SELECT", {}, UndefinedTable("private words")),
    "redis": RedisConnectionError("private words"),
    "mongodb": AutoReconnect("private words"),
}


@pytest.fixture
def settings() -> WebSettings:
    return WebSettings(**IDENTITY, service_name="things", forwarded_hops=2)


@pytest.fixture
def app(settings: WebSettings) -> Flask:
    blueprint = Blueprint("things", __name__, url_prefix="/api/v1/things")

    @blueprint.post("")
    @endpoint("Make a thing", access="public", body=Thing, answer=Found, status=201)
    def make(body: Thing) -> tuple[Found, dict[str, str]]:
        return Found(name=body.name), {"Location": "/there"}

    @blueprint.get("/<uuid:thing_id>")
    @endpoint("Find a thing", access="public", answer=Found, problems=(404,))
    def find(thing_id: UUID) -> Found:
        return Found(name=str(thing_id))

    @blueprint.get("/fail/<how>")
    @endpoint("Fail", access="public")
    def fail(how: str) -> None:
        raise FAILURES[how]

    @blueprint.delete("/<uuid:thing_id>")
    @endpoint("Remove a thing", access="token", status=204)
    def remove(thing_id: UUID) -> None:
        raise AssertionError(thing_id)

    return http.create_app(settings, title="Things", blueprints=[blueprint])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def problem(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.headers["X-Request-ID"] == answer.get_json()["request_id"]
    assert {"type", "title", "status", "instance", "request_id"} <= set(answer.get_json())
    assert answer.get_json()["status"] == status
    assert "private" not in answer.text
    return dict(answer.get_json())


def test_success(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", json={"name": "a"})
    assert (answer.status_code, answer.json) == (201, {"name": "a"})
    assert answer.headers["Location"] == "/there"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("given", ["abcdef-123", "0af7651916cd43dd8448eb211c80319c"])
def test_the_gateways_request_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/nowhere", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["short", "x" * 129, "<script>alert(1)", "two words here", ""])
def test_other_request_ids_are_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/nowhere", headers={"X-Request-ID": given})
    assert len(answer.headers["X-Request-ID"]) == 32
    assert answer.headers["X-Request-ID"] != given


def test_the_frameworks_own_errors(client: FlaskClient) -> None:
    problem(client.get("/nowhere"), 404)
    problem(client.get("/api/v1/things/not-an-id"), 404)
    answer = client.put("/api/v1/things")
    problem(answer, 405)
    assert "POST" in answer.headers["Allow"]
    problem(client.post("/api/v1/things", data=b"x", content_type="text/plain"), 415)
    big = b'{"name": "' + b"x" * http.MAX_BODY + b'"}'
    problem(client.post("/api/v1/things", data=big, content_type="application/json"), 413)
    assert client.get("/api/v1//things").status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"name":}', b"\xff\xfe", b"[" * 100_000, b'{"name": "\xc3\x28"}']
)
def test_broken_json(client: FlaskClient, body: bytes) -> None:
    problem(client.post("/api/v1/things", data=body, content_type="application/json"), 400)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"name": "required"}),
        ({"name": 1}, {"name": "string_type"}),
        ({"name": "a", "size": "private"}, {"size": "int_parsing"}),
        ({"name": "a", "more": 1}, {"more": "unknown"}),
        ([1], {"": "model_type"}),
        (None, {"": "model_type"}),
    ],
)
def test_fields_that_are_not_valid(client: FlaskClient, body: object, errors: dict[str, str]) -> None:
    found = problem(
        client.post("/api/v1/things", data=json.dumps(body), content_type="application/json"), 422
    )["errors"]
    assert {error["field"]: error["code"] for error in found} == errors
    assert all(error["message"] for error in found)


@pytest.mark.parametrize("how", ["postgresql", "demoted", "redis", "mongodb"])
def test_a_store_that_is_away_is_503(client: FlaskClient, how: str) -> None:
    answer = client.get(f"/api/v1/things/fail/{how}")
    problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("how", ["bug", "internal", "wrong-sql"])
def test_a_bug_is_500_and_says_nothing(client: FlaskClient, how: str) -> None:
    problem(client.get(f"/api/v1/things/fail/{how}"), 500)


def test_access_log_has_one_line_without_what_was_sent(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = []
    monkeypatch.setattr(
        http.log, "info", lambda message, **facts: lines.append((message, facts)), raising=False
    )
    client.post("/api/v1/things?secret=1", json={"name": "private"}, headers={"traceparent": TRACE})
    ((message, facts),) = lines
    assert message == "request"
    assert (facts["method"], facts["route"], facts["status"]) == ("POST", "/api/v1/things", 201)
    assert "private" not in json.dumps(facts)
    assert "secret" not in json.dumps(facts)


def test_the_clients_address_comes_from_the_trusted_hops(app: Flask) -> None:
    seen = []

    @app.get("/address")
    def address() -> str:
        seen.append(request.remote_addr)
        return ""

    app.test_client().get("/address", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.0.0.1"})
    assert seen == ["192.0.2.7"]


def test_metrics_count_by_route_template(client: FlaskClient) -> None:
    client.get("/api/v1/things/0af76519-16cd-43dd-8448-eb211c80319c")
    client.get("/no/such/path")
    text = client.get("/metrics").text
    assert 'alicerce_release_info{release="test"} 1.0' in text
    assert (
        'flask_http_request_duration_seconds_count{method="GET",route="/api/v1/things/<uuid:thing_id>",status="200"} 1.0'
        in text
    )
    assert 'route="unmatched",status="404"' in text
    assert "0af76519" not in text
    assert "/no/such/path" not in text
    assert 'route="/metrics"' not in text


def test_openapi(client: FlaskClient) -> None:
    document = client.get("/api/v1/things/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Things", "version": "test"}
    make = document["paths"]["/api/v1/things"]["post"]
    assert make["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Thing"
    }
    assert make["responses"]["201"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Found"
    }
    assert make["security"] == []
    remove = document["paths"]["/api/v1/things/{thing_id}"]["delete"]
    assert remove["security"] == [{"bearer": []}]
    assert "401" in remove["responses"]
    (parameter,) = remove["parameters"]
    assert parameter["schema"] == {"type": "string", "format": "uuid"}
    references = json.dumps(document).split('"$ref": "')[1:]
    for reference in references:
        assert reference.split('"')[0].rpartition("/")[2] in document["components"]["schemas"]


def test_readiness_names_what_is_away(settings: WebSettings) -> None:
    away = True

    def probe() -> None:
        if away:
            raise TimeoutError

    checks = [
        Check("store", probe),
        Check("cache", lambda: 1 / 0, critical=False),
        Check("other", lambda: None),
    ]
    app = Flask("x")
    health.init_app(app, settings, Readiness(checks, cache=0))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {
        "store": "TimeoutError",
        "cache": "ZeroDivisionError",
        "other": "ok",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    away = False
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["zone"]) == (
        200,
        "ready",
        "zone-a",
    )
    assert app.test_client().get("/healthz").get_json()["release"] == "test"


def test_a_check_that_hangs_is_asked_once() -> None:
    asked, release = [], threading.Event()

    def probe() -> None:
        asked.append(1)
        release.wait(10)

    readiness = Readiness([Check("store", probe)], timeout=0.05, cache=0)
    begun = time.monotonic()
    assert readiness() == (False, {"store": "no answer in time"})
    assert readiness()[0] is False
    assert time.monotonic() - begun < 2
    assert len(asked) == 1
    release.set()
    time.sleep(0.1)
    assert readiness() == (True, {"store": "ok"})


def test_what_the_service_can_do_without_does_not_hold_up_the_answer() -> None:
    release = threading.Event()
    checks = [Check("cache", lambda: release.wait(10), critical=False), Check("store", lambda: None)]
    readiness = Readiness(checks, timeout=5, optional_timeout=0.05, cache=0)
    begun = time.monotonic()
    assert readiness() == (True, {"cache": "no answer in time", "store": "ok"})
    assert time.monotonic() - begun < 2
    release.set()


def test_many_pollers_cost_one_probe() -> None:
    asked = []
    readiness = Readiness([Check("store", lambda: asked.append(1))], cache=60)
    assert all(readiness()[0] for _ in range(5))
    assert len(asked) == 1
