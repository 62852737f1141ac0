import json
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from alicerce_common import http, tokens
from alicerce_common.config import TokenSettings, WebSettings
from alicerce_common.errors import ProblemError
from alicerce_common.tokens import KeySet, KeysUnavailableError, TokenVerifier
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Blueprint
from flask.testing import FlaskClient
from jwt.algorithms import ECAlgorithm
from pydantic import BaseModel
from stores import IDENTITY

ISSUER, AUDIENCE = "https://alicerce.test", "alicerce"
ACCOUNT = uuid.uuid4()
KEY, OTHER_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def jwk(key: Any, key_id: str, **more: object) -> dict[str, object]:
    return {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": key_id, "use": "sig", **more}


def make_token(*, key: Any = KEY, key_id: object = "one", algorithm: str = "ES256", **changes: object) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(ACCOUNT),
        "exp": now + 900,
        "iat": now,
        "nbf": now,
        "jti": "x",
        "type": "access",
        "email": "ana@example.com",
        "name": "Ana",
        "roles": ["user"],
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": key_id} if key_id is not None else None)


class Auth:
    """What several instances of auth answer: a list of keys, bytes, or an exception."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {"https://a": [jwk(KEY, "one")], "https://b": [jwk(KEY, "one")]}
        self.asked: list[str] = []

    def open(self, url: str, timeout: float, context: object) -> AbstractContextManager[SimpleNamespace]:
        assert timeout <= 5
        assert context is None
        self.asked.append(url)
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        body = answer if isinstance(answer, bytes) else json.dumps({"keys": answer}).encode()
        found = SimpleNamespace(read=lambda _: body)
        return nullcontext(found)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def auth(monkeypatch: pytest.MonkeyPatch) -> Auth:
    auth = Auth()
    monkeypatch.setattr("urllib.request.urlopen", auth.open)
    return auth


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> KeySet:
    return KeySet(["https://a", "https://b"], None, clock=clock)


@pytest.fixture
def verifier(keys: KeySet) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE)


def test_a_good_token(verifier: TokenVerifier, auth: Auth) -> None:
    identity = verifier.verify(make_token(roles=["user", "administrator"]))
    assert (identity.account_id, identity.email, identity.name) == (ACCOUNT, "ana@example.com", "Ana")
    assert identity.is_administrator
    assert not verifier.verify(make_token(roles=None)).roles
    assert auth.asked == ["https://a"]


now = int(time.time())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        make_token(exp=now - 60),
        make_token(nbf=now + 3600),
        make_token(iss="https://evil.test"),
        make_token(aud="other"),
        make_token(type="refresh"),
        make_token(type=None),
        make_token(exp=None),
        make_token(iss=None),
        make_token(aud=None),
        make_token(sub="not-an-id"),
        make_token(sub=None),
        make_token(email=None),
        make_token(key=OTHER_KEY),
        make_token(key_id="unknown"),
        make_token(key_id=None),
        make_token(key="a secret of thirty-two bytes or more", algorithm="HS256"),
        make_token(key=rsa.generate_private_key(65537, 2048), algorithm="RS256"),
        make_token(key=None, algorithm="none"),
        make_token()[:-4] + "AAAA",
    ],
)
def test_bad_tokens(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(ProblemError) as refused:
        verifier.verify(token)
    assert refused.value.status == 401
    assert 'error="invalid_token"' in refused.value.headers["WWW-Authenticate"]


def test_an_invented_key_id_does_not_make_us_ask_each_time(keys: KeySet, auth: Auth, clock: Clock) -> None:
    assert keys.get("one")
    for _ in range(50):
        assert keys.get("invented") is None
    assert len(auth.asked) == 1
    clock.now += 6
    assert keys.get("invented") is None
    assert keys.get("invented") is None
    assert len(auth.asked) == 2


def test_a_new_key_is_fetched_when_a_token_names_it(keys: KeySet, auth: Auth, clock: Clock) -> None:
    assert keys.get("one")
    auth.answers["https://a"] = [jwk(KEY, "one"), jwk(OTHER_KEY, "two")]
    clock.now += 6
    assert keys.get("two")
    assert keys.get("one")


def test_a_withdrawn_key_is_forgotten(keys: KeySet, auth: Auth, clock: Clock) -> None:
    assert keys.get("one")
    auth.answers["https://a"] = [jwk(OTHER_KEY, "two")]
    clock.now += 301
    assert keys.get("one") is None


@pytest.mark.parametrize(
    "broken",
    [
        OSError("away"),
        b"<html>",
        b"[]",
        b'{"keys": 1}',
        b'{"keys": []}',
        [{"kty": "oct", "k": "AAAA", "kid": "one"}],
        [{"kty": "EC", "crv": "P-256", "x": "?", "y": "?", "kid": "one"}],
        [jwk(KEY, "one", use="enc")],
    ],
)
def test_the_next_instance_is_asked(keys: KeySet, auth: Auth, broken: object) -> None:
    auth.answers["https://a"] = broken
    assert keys.get("one")
    assert auth.asked == ["https://a", "https://b"]


def test_known_keys_hold_while_auth_is_away(keys: KeySet, auth: Auth, clock: Clock) -> None:
    assert keys.get("one")
    auth.answers = dict.fromkeys(auth.answers, OSError("away"))
    clock.now += 10_000
    assert keys.get("one")
    assert keys.get("other") is None


def test_no_keys_at_all_is_not_the_tokens_fault(
    verifier: TokenVerifier, keys: KeySet, auth: Auth, clock: Clock
) -> None:
    auth.answers = dict.fromkeys(auth.answers, OSError("away"))
    with pytest.raises(KeysUnavailableError):
        keys.get("one")
    with pytest.raises(ProblemError) as refused:
        verifier.verify(make_token())
    assert refused.value.status == 503
    auth.answers["https://b"] = [jwk(KEY, "one")]
    clock.now += 6
    assert verifier.verify(make_token())


class Who(BaseModel):
    id: str


@pytest.fixture
def client(verifier: TokenVerifier) -> FlaskClient:
    blueprint = Blueprint("b", __name__)

    @blueprint.get("/mine")
    @http.endpoint("Mine", access="token", answer=Who)
    def mine() -> Who:
        return Who(id=str(tokens.current_identity().account_id))

    @blueprint.get("/all")
    @http.endpoint("All", access="administrator")
    def everything() -> None:
        return None

    @blueprint.get("/of/<uuid:account>")
    @http.endpoint("One", access="token")
    def one(account: uuid.UUID) -> None:
        tokens.demand_owner_or_administrator(account)

    settings = WebSettings(**IDENTITY, service_name="x")
    return http.create_app(settings, title="x", blueprints=[blueprint], verifier=verifier).test_client()


def bearer(**changes: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(**changes)}"}


def test_endpoints_ask_for_tokens(client: FlaskClient) -> None:
    answer = client.get("/mine")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/mine", headers={"Authorization": "Basic YTpi"}).status_code == 401
    assert client.get("/mine", headers={"Authorization": "Bearer "}).status_code == 401
    assert client.get("/mine", headers=bearer(exp=now - 60)).status_code == 401
    assert client.get("/mine", headers=bearer()).json == {"id": str(ACCOUNT)}
    assert client.get("/mine", headers={"Authorization": f"bearer {make_token()}"}).status_code == 200


def test_endpoints_ask_for_roles_and_owners(client: FlaskClient) -> None:
    administrator = bearer(roles=["administrator"], sub=str(uuid.uuid4()))
    assert client.get("/all", headers=bearer()).status_code == 403
    assert client.get("/all", headers=administrator).status_code == 200
    assert client.get(f"/of/{ACCOUNT}", headers=bearer()).status_code == 200
    assert client.get(f"/of/{uuid.uuid4()}", headers=bearer()).status_code == 403
    assert client.get(f"/of/{ACCOUNT}", headers=administrator).status_code == 200


def test_from_settings() -> None:
    settings = TokenSettings(
        **IDENTITY, service_name="x", jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwks_urls=("https://a",)
    )
    assert TokenVerifier.from_settings(settings)
