"""Whatever is sent, the answer is a problem that says what is wrong, with the right status; never a 5xx."""

import base64
import json
import secrets
import time

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

ME = "/api/v1/users/me"
SIGN_UP = "/api/v1/auth/signup"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpf", "123.456.789-00"),
        ("cpf", "00000000000"),
        ("phone", "+55 00 98765-4321"),
        ("phone", "12"),
        ("birth_date", "yesterday"),
        ("birth_date", 19900517),
        ("name", None),
        ("address", "Avenida Paulista, 1000"),
        ("email", "another@example.com"),
        ("id", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_a_wrong_field_is_named(edge, account, field, value):
    answer = edge.call("PATCH", ME, token=account["access_token"], json={field: value})
    assert answer.status_code == 422, answer.text
    assert [error["field"].split(".")[0] for error in answer.json()["errors"]] == [field]


def test_a_phone_of_another_country_than_the_address_is_refused(edge, account):
    patch = {"phone": "+351 912 345 678", "address": {"country": "BR", "city": "São Paulo"}}
    answer = edge.call("PATCH", ME, token=account["access_token"], json=patch)
    assert answer.status_code == 422, answer.text
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [
        ("phone", "phone_country")
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"name": "a"', b"\xff\xfe\x00", b'{"name": "\xff"}']
)
def test_broken_json(edge, account, body):
    answer = edge.call("PATCH", ME, token=account["access_token"], data=body, headers=JSON)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1"])
def test_json_that_is_no_object(edge, account, body):
    answer = edge.call("PATCH", ME, token=account["access_token"], data=body, headers=JSON)
    assert answer.status_code == 422, answer.text


def test_a_body_that_is_no_json(edge, account):
    answer = edge.call(
        "PATCH", ME, token=account["access_token"], data="name=Ana", headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 415, answer.text


@pytest.mark.parametrize("path", [SIGN_UP, "/api/v1/auth/login", ME])
def test_a_body_of_two_megabytes(edge, account, path):
    body = json.dumps({"name": "x" * 2 * 1024 * 1024})
    method = "PATCH" if path == ME else "POST"
    answer = edge.call(method, path, token=account["access_token"], data=body, headers=JSON)
    assert answer.status_code == 413, answer.text


def test_a_body_of_two_megabytes_in_chunks_of_unknown_number(edge):
    chunks = (b"x" * 65536 for _ in range(32))
    answer = edge.call("POST", SIGN_UP, data=chunks, headers=JSON)
    assert answer.status_code == 413, answer.text


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api/v1/auth/nothing", "/api/v2/users/me", "/api", "/.well-known/nothing.json"],
)
def test_a_route_that_there_is_not(edge, path):
    assert edge.call("GET", path).status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/users/me/nothing", "/api/v1/enrichment/me/nothing"])
def test_a_route_that_there_is_not_behind_a_token(edge, account, path):
    assert edge.call("GET", path, token=account["access_token"]).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", ME), ("POST", "/api/v1/enrichment/me"), ("GET", SIGN_UP)]
)
def test_a_method_that_there_is_not(edge, account, method, path):
    assert edge.call(method, path, token=account["access_token"], headers=JSON).status_code == 405


@pytest.mark.parametrize(
    "path", ["/api/v1/users", "/api/v1/users/{somebody}", "/api/v1/enrichment/{somebody}"]
)
def test_what_belongs_to_somebody_else(edge, account, path):
    somebody = "00000000-0000-4000-8000-000000000000"
    answer = edge.call("GET", path.format(somebody=somebody), token=account["access_token"])
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("path", ["/api/v1/users/{somebody}", "/api/v1/enrichment/{somebody}"])
def test_the_administrator_is_told_that_there_is_nobody(edge, administrator, path):
    somebody = "00000000-0000-4000-8000-000000000000"
    assert edge.call("GET", path.format(somebody=somebody), token=administrator).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=100000", "limit=many", "cursor=nonsense"])
def test_a_list_with_wrong_bounds(edge, administrator, query):
    assert edge.call("GET", f"/api/v1/users?{query}", token=administrator).status_code == 422


def test_a_wrong_password(edge, account):
    for email in (account["email"], f"nobody.{secrets.token_hex(4)}@example.com"):
        answer = edge.call(
            "POST", "/api/v1/auth/login", json={"email": email, "password": "a wrong password"}
        )
        assert answer.status_code == 401, answer.text


def encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def forged(edge, account, run, tmp_path_factory):
    """Give tokens that must open nothing, each made of a good one."""
    good = account["access_token"]
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    own_key = ec.generate_private_key(ec.SECP256R1())
    key_file = tmp_path_factory.mktemp("key") / "jwt.pem"
    secret = "{{ lookup('secret', 'jwt_private_key', kind='ec_private_key') }}"
    said = run(
        "ansible", "auth[0]", "--connection=local", "-m", "ansible.builtin.copy",
        "-a", json.dumps({"content": secret, "dest": str(key_file), "mode": "0600"}),
        "-e", '{"ansible_become": false, "ansible_python_interpreter": "{{ ansible_playbook_python }}"}',
    )  # fmt: skip
    assert said.returncode == 0, "the signing key of auth could not be read"
    key = load_pem_private_key(key_file.read_bytes(), None)
    key_file.unlink()
    kid = {"kid": header["kid"]}
    now = int(time.time())

    def signed(**changes):
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(kept, key, "ES256", headers=kid)

    assert edge.call("GET", ME, token=signed()).status_code == 200, (
        "a token signed here is good, so that only its flaw counts"
    )
    jwk = next(
        key
        for key in edge.call("GET", "/.well-known/jwks.json").json()["keys"]
        if key["kid"] == header["kid"]
    )
    return {
        "expired": signed(exp=now - 60, iat=now - 960, nbf=now - 960),
        "not valid yet": signed(nbf=now + 600),
        "without an end": signed(exp=None),
        "of another issuer": signed(iss="https://issuer.example"),
        "for another audience": signed(aud="another"),
        "of another type": signed(type="refresh"),
        "signed by another key": jwt.encode(claims, own_key, "ES256", headers=kid),
        "of an unknown key": jwt.encode(claims, own_key, "ES256", headers={"kid": "unknown"}),
        "signed with the public key as a secret": jwt.encode(
            claims, jwk["x"] + jwk["y"], "HS256", headers=kid
        ),
        "not signed": f"{encoded(header | {'alg': 'none'})}.{encoded(claims)}.",
        "made an administrator": ".".join(
            [good.split(".")[0], encoded(claims | {"roles": ["administrator"]}), good.split(".")[2]]
        ),
        "cut short": good[:-10],
        "no token at all": "nonsense",
        "empty": "",
        "a refresh token": account["refresh_token"],
    }


FLAWS = [
    "expired", "not valid yet", "without an end", "of another issuer", "for another audience",
    "of another type", "signed by another key", "of an unknown key",
    "signed with the public key as a secret", "not signed", "made an administrator", "cut short",
    "no token at all", "empty", "a refresh token",
]  # fmt: skip


@pytest.mark.parametrize("path", [ME, "/api/v1/enrichment/me", "/api/v1/users"])
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_token_with_a_flaw(edge, forged, flaw, path):
    answer = edge.call("GET", path, token=forged[flaw])
    assert answer.status_code == 401, answer.text
    assert answer.headers.get("WWW-Authenticate", "").startswith("Bearer")


def test_no_token(edge):
    assert edge.call("GET", ME).status_code == 401


def test_a_refresh_token_serves_once_and_its_reuse_ends_the_session(edge, account):
    first = edge.log_in(account)["refresh_token"]
    answer = edge.call("POST", "/api/v1/auth/refresh", json={"refresh_token": first})
    assert answer.status_code == 200, answer.text
    second = answer.json()["refresh_token"]
    assert edge.call("POST", "/api/v1/auth/refresh", json={"refresh_token": first}).status_code == 401
    assert edge.call("POST", "/api/v1/auth/refresh", json={"refresh_token": second}).status_code == 401


def test_nothing_is_refreshed_after_logging_out(edge, account):
    token = edge.log_in(account)["refresh_token"]
    assert edge.call("POST", "/api/v1/auth/logout", json={"refresh_token": token}).status_code == 204
    assert edge.call("POST", "/api/v1/auth/refresh", json={"refresh_token": token}).status_code == 401


def test_the_certificate_is_verified_by_address_too(lab):
    answer = requests.get(f"https://{lab['edge']['address']}/", verify=lab["ca_file"], timeout=10)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://{lab['edge']['address']}/", timeout=10)


@pytest.mark.parametrize("service", ["auth", "users", "enrichment"])
def test_each_service_describes_itself(edge, service):
    answer = edge.call("GET", f"/api/v1/{service}/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/", "/login", "/profile", "/signup"])
def test_every_page_of_the_application_is_the_application(edge, path):
    answer = edge.call("GET", path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
