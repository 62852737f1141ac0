import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self

import jwt
import pytest
from alicerce_auth import passwords
from alicerce_auth.models import Account, RefreshFamily, RefreshToken
from alicerce_auth.settings import Settings
from alicerce_common.tokens import KeySet, TokenVerifier
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse as Answer

PASSWORD = "correct horse battery"


def log_in(
    client: FlaskClient, email: str = "ana@example.com", password: str = PASSWORD, **more: Any
) -> Answer:
    return client.post("/api/v1/auth/login", json={"email": email, "password": password}, **more)


def refresh(client: FlaskClient, token: str) -> Answer:
    return client.post("/api/v1/auth/refresh", json={"refresh_token": token})


def log_out(client: FlaskClient, token: str) -> Answer:
    return client.post("/api/v1/auth/logout", json={"refresh_token": token})


@pytest.fixture
def tokens(client: FlaskClient, account: dict[str, str]) -> dict[str, Any]:
    answer = log_in(client, email=f" {account['email'].upper()} ")
    assert answer.status_code == 200
    tokens: dict[str, Any] = answer.get_json()
    return tokens


def test_access_token_says_what_the_contract_says(
    client: FlaskClient, account: dict[str, str], tokens: dict[str, Any]
) -> None:
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    key = client.get("/.well-known/jwks.json").get_json()["keys"][0]
    assert jwt.get_unverified_header(tokens["access_token"]) == {
        "alg": "ES256",
        "typ": "JWT",
        "kid": key["kid"],
    }
    claims = jwt.decode(
        tokens["access_token"],
        jwt.PyJWK(key).key,
        algorithms=["ES256"],
        issuer="https://alicerce.test",
        audience="alicerce",
    )
    assert claims["sub"] == account["id"]
    assert claims["type"] == "access"
    assert (claims["email"], claims["name"], claims["roles"]) == ("ana@example.com", "Ana Lima", ["user"])
    assert claims["exp"] - claims["iat"] == 900
    assert claims["nbf"] <= time.time()
    assert claims["jti"]


def test_keys_are_public_halves_named_by_their_thumbprint(client: FlaskClient) -> None:
    answer = client.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    (key,) = answer.get_json()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    canonical = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    assert key["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_other_services_accept_the_token(
    app: Flask,
    client: FlaskClient,
    account: dict[str, str],
    tokens: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = KeySet(["https://auth/jwks"], None)
    published = client.get("/.well-known/jwks.json").data

    class Answer(SimpleNamespace):
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: Answer(read=lambda _: published))
    with app.app_context():
        identity = TokenVerifier(keys, issuer="https://alicerce.test", audience="alicerce").verify(
            tokens["access_token"]
        )
    assert str(identity.account_id) == account["id"]
    assert identity.roles == {"user"}


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ana@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("nul\0@example.com", PASSWORD),
    ],
)
@pytest.mark.usefixtures("account")
def test_every_wrong_log_in_gets_the_same_answer(client: FlaskClient, email: str, password: str) -> None:
    answer = log_in(client, email, password)
    assert answer.status_code == 401
    assert answer.get_json()["detail"] == "The e-mail address or the password is wrong."
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.usefixtures("account")
def test_an_unknown_account_costs_the_same_work(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Any] = []

    def verify(kept: str | None, _: str) -> bool:
        hashed.append(kept)
        return False

    monkeypatch.setattr(passwords, "verify", verify)
    log_in(client, "nobody@example.com")
    log_in(client)
    assert hashed[0] is None
    assert hashed[1].startswith("$argon2id$")


@pytest.mark.usefixtures("account")
def test_an_old_hash_is_made_anew_at_log_in(client: FlaskClient, session: Session) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    session.execute(update(Account).values(password_hash=old))
    session.commit()
    assert log_in(client).status_code == 200
    session.expire_all()
    kept = session.scalars(select(Account.password_hash)).one()
    assert kept != old
    assert passwords.verify(kept, PASSWORD)


def test_refresh_tokens_rotate(client: FlaskClient, tokens: dict[str, Any], session: Session) -> None:
    second = refresh(client, tokens["refresh_token"])
    assert second.status_code == 200
    assert second.get_json()["refresh_token"] != tokens["refresh_token"]
    assert refresh(client, second.get_json()["refresh_token"]).status_code == 200
    kept = session.scalars(select(RefreshToken.digest)).all()
    assert hashlib.sha256(tokens["refresh_token"].encode()).digest() in kept


def test_a_new_access_token_carries_todays_roles(
    client: FlaskClient, tokens: dict[str, Any], session: Session
) -> None:
    session.execute(update(Account).values(roles=["user", "administrator"]))
    session.commit()
    access = refresh(client, tokens["refresh_token"]).get_json()["access_token"]
    claims = jwt.decode(access, options={"verify_signature": False})
    assert claims["roles"] == ["user", "administrator"]


def test_reuse_revokes_the_family_and_no_other(client: FlaskClient, tokens: dict[str, Any]) -> None:
    other = log_in(client).get_json()
    second = refresh(client, tokens["refresh_token"]).get_json()
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, second["refresh_token"]).status_code == 401
    assert refresh(client, other["refresh_token"]).status_code == 200


def test_log_out_revokes_the_family(client: FlaskClient, tokens: dict[str, Any]) -> None:
    second = refresh(client, tokens["refresh_token"]).get_json()
    assert log_out(client, second["refresh_token"]).status_code == 204
    assert refresh(client, second["refresh_token"]).status_code == 401
    assert log_out(client, second["refresh_token"]).status_code == 204


def test_log_out_of_nothing_is_no_error(client: FlaskClient) -> None:
    assert log_out(client, "x").status_code == 204


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 1024, "caf\u00e9" * 10])
def test_invented_refresh_tokens_are_refused(client: FlaskClient, token: str) -> None:
    answer = refresh(client, token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_an_access_token_is_no_refresh_token(client: FlaskClient, tokens: dict[str, Any]) -> None:
    assert refresh(client, tokens["access_token"]).status_code == 401


def test_a_family_ends(client: FlaskClient, tokens: dict[str, Any], session: Session) -> None:
    session.execute(update(RefreshFamily).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    session.commit()
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    # The next log-in clears what has ended.
    assert log_in(client).status_code == 200
    assert session.scalar(select(func.count()).select_from(RefreshFamily)) == 1


@pytest.mark.usefixtures("account")
def test_log_ins_are_limited_for_one_account_and_address(client: FlaskClient, settings: Settings) -> None:
    here: dict[str, Any] = {"headers": {"X-Forwarded-For": "192.0.2.1"}}
    for _ in range(settings.login_attempts):
        assert log_in(client, password="wrong", **here).status_code == 401
    answer = log_in(client, **here)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= settings.login_window
    # Another address, or another account, is not kept out by that.
    assert log_in(client, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 200
    assert log_in(client, "other@example.com", **here).status_code == 401


@pytest.mark.usefixtures("account")
def test_a_right_password_forgets_the_wrong_ones(client: FlaskClient, settings: Settings) -> None:
    here: dict[str, Any] = {"headers": {"X-Forwarded-For": "192.0.2.3"}}
    for _ in range(2):
        for _ in range(settings.login_attempts - 1):
            assert log_in(client, password="wrong", **here).status_code == 401
        assert log_in(client, **here).status_code == 200
