"""What the edge and the gateway promise, seen from outside; every service is an echo."""

import base64
import json
import os
import re
import socket
import ssl
import time
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

PUBLIC_NAME = os.environ["PUBLIC_NAME"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def is_problem(answer, status):
    problem = answer.json()
    assert answer.status == status, problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["title"]
    assert uuid.UUID(answer.headers["X-Request-ID"]) == uuid.UUID(problem["request_id"])
    return problem


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "frontend"),
        ("/login?next=%2Fprofile", "frontend"),
        ("/api/v1/auth/login", "auth"),
        ("/.well-known/jwks.json", "auth"),
        ("/api/v1/users/openapi.json", "users"),
        ("/api/v1/enrichment/openapi.json", "enrichment"),
    ],
)
def test_public_routes_need_no_token(ask, path, service):
    answer = ask("GET", path)
    assert answer.status == 200
    assert answer.json()["service"] == service
    assert answer.json()["path"] == path


@pytest.mark.parametrize(
    "path", ["/api/v1/users", "/api/v1/users?limit=2", "/api/v1/users/me", "/api/v1/enrichment/me"]
)
def test_token_opens_protected_routes(ask, token, path):
    headers = bearer(token())
    answer = ask("GET", path, headers)
    assert answer.status == 200
    assert answer.json()["headers"]["authorization"] == headers["Authorization"]


def test_no_token_is_refused(ask):
    answer = ask("GET", "/api/v1/users/me")
    assert is_problem(answer, 401)["instance"] == "/api/v1/users/me"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="alicerce"'


@pytest.mark.parametrize(
    "differs",
    [
        {"exp": int(time.time()) - 1},
        {"nbf": int(time.time()) + 600},
        {"iss": "https://elsewhere.test"},
        {"aud": "another"},
        {"type": "refresh"},
        {"without": "exp"},
        {"without": "nbf"},
        {"without": "iss"},
        {"without": "aud"},
        {"without": "type"},
        {"key": None, "algorithm": "none"},
        {"key": "a shared secret of thirty-two bytes", "algorithm": "HS256"},
    ],
    ids=str,
)
def test_wrong_token_is_refused(ask, token, differs):
    answer = ask("GET", "/api/v1/users/me", bearer(token(**differs)))
    is_problem(answer, 401)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_token_of_another_key_is_refused(ask, token, foreign_key):
    is_problem(ask("GET", "/api/v1/users/me", bearer(token(key=foreign_key))), 401)


def test_public_key_is_no_shared_secret(ask, token):
    """The classic confusion: HS256 with the public key as the secret."""
    key = serialization.load_pem_private_key(Path(os.environ["JWT_PRIVATE_KEY_FILE"]).read_bytes(), None)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = base64.urlsafe_b64encode(pem).decode()
    is_problem(ask("GET", "/api/v1/users/me", bearer(token(key=secret, algorithm="HS256"))), 401)


@pytest.mark.parametrize("value", ["", "nonsense", "a.b", "a.b.c", "..", "e30.e30."])
def test_nonsense_is_refused(ask, value):
    is_problem(ask("GET", "/api/v1/users/me", bearer(value)), 401)


def test_changed_claims_break_the_signature(ask, token):
    head, payload, signature = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["roles"] = ["administrator"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    is_problem(ask("GET", "/api/v1/users/me", bearer(f"{head}.{forged}.{signature}")), 401)


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api", "/api/", "/api/v2/users/me", "/api/v1/authority"]
)
def test_unknown_route_is_404(ask, path):
    is_problem(ask("GET", path), 404)


@pytest.mark.parametrize(
    "path", ["/api/v1/auth/../users/me", "/api/v1/auth/%2e%2e/users/me", "//api/v1/users/me"]
)
def test_ambiguous_path_is_400(path):
    """urllib3 would normalise it, so this speaks for itself."""
    assert raw(f"GET {path} HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 400 "
    )


def raw(text):
    context = ssl.create_default_context(cafile=os.environ["CA_FILE"])
    with (
        socket.create_connection((os.environ["EDGE_ADDRESS"], 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=PUBLIC_NAME) as stream,
    ):
        stream.sendall(text.encode())
        received = b""
        while part := stream.recv(65536):
            received += part
        return received


def test_only_we_set_forwarding_and_tracing_headers(ask):
    invented = {
        "X-Request-ID": "invented",
        "X_Request_ID": "invented",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "invented=1",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "elsewhere.test",
        "X-Forwarded-Prefix": "/invented",
        "X-WAF-Probe": "block",
        "Forwarded": "for=203.0.113.9",
    }
    answer = ask("GET", "/api/v1/auth/echo", invented)
    seen = answer.json()["headers"]
    request_id = answer.headers["X-Request-ID"]
    assert uuid.UUID(request_id).version == 4
    assert seen["x-request-id"] == request_id
    trace = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-00", seen["traceparent"])
    assert trace
    assert trace[1] == request_id.replace("-", "")
    client, edge = seen["x-forwarded-for"].split(", ")
    assert client != "203.0.113.9"
    assert edge == "127.0.0.1"
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("https", PUBLIC_NAME)
    assert not seen.keys() & {"x_request_id", "tracestate", "x-forwarded-prefix", "x-waf-probe", "forwarded"}
    assert not [value for value in seen.values() if "invented" in value]


def test_security_headers_stand_on_every_answer(ask):
    for path in ("/", "/api/v1/nothing", "/api/v1/users/me", "/?q=<script>alert(1)</script>"):
        headers = ask("GET", path).headers
        assert "max-age=" in headers["Strict-Transport-Security"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods_and_bodies_pass(ask, token, method):
    sent = json.dumps({"name": "João"}).encode()
    headers = {**bearer(token()), "Content-Type": "application/json"}
    seen = ask(method, "/api/v1/users/me", headers, body=sent).json()
    assert (seen["method"], seen["body"]) == (method, sent.decode())


def test_body_of_one_mebibyte_passes(ask):
    body = json.dumps({"text": "a" * (1 << 20)})[: (1 << 20) - 2] + '"}'
    answer = ask("POST", "/api/v1/auth/echo", {"Content-Type": "application/json"}, body=body.encode())
    assert len(body) == 1 << 20
    assert answer.status == 200
    assert answer.json()["body"] == body


def test_larger_body_is_413(ask):
    body = b'{"text": "' + b"a" * (2 << 20) + b'"}'
    is_problem(ask("POST", "/api/v1/auth/echo", {"Content-Type": "application/json"}, body=body), 413)


def test_larger_chunked_body_is_413(ask):
    parts = (b"a" * 65536 for _ in range(32))
    is_problem(
        ask("POST", "/api/v1/auth/echo", {"Content-Type": "application/json"}, body=parts, chunked=True), 413
    )


def test_unknown_method_is_405(ask):
    is_problem(ask("TRACE", "/"), 405)


def test_plain_http_is_redirected():
    with socket.create_connection((os.environ["EDGE_ADDRESS"], 80), timeout=20) as stream:
        stream.sendall(f"GET /a?b=c HTTP/1.1\r\nHost: {PUBLIC_NAME}\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while part := stream.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 308 ")
    assert f"location: https://{PUBLIC_NAME}/a?b=c\r\n".encode() in received


def test_http2_is_offered_and_old_tls_refused():
    context = ssl.create_default_context(cafile=os.environ["CA_FILE"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((os.environ["EDGE_ADDRESS"], 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=PUBLIC_NAME) as stream,
    ):
        assert stream.selected_alpn_protocol() == "h2"
    old = ssl.create_default_context(cafile=os.environ["CA_FILE"])
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((os.environ["EDGE_ADDRESS"], 443), timeout=20) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain, server_hostname=PUBLIC_NAME)


def test_server_is_mostly_the_one_of_the_same_zone(ask):
    hosts = [ask("GET", "/api/v1/auth/echo").json()["host"] for _ in range(20)]
    assert hosts.count(os.environ["EDGE_HOST"]) >= 15
