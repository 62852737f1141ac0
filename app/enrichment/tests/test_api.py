import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from alicerce_common import http
from alicerce_common.tokens import KeySet, TokenVerifier
from alicerce_enrichment import app as enrichment_app
from alicerce_enrichment.api import make_blueprint
from alicerce_enrichment.app import Settings
from alicerce_enrichment.enrich import enrich
from alicerce_enrichment.models import UserData
from alicerce_enrichment.store import ProfileStore
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient

KEY = ec.generate_private_key(ec.SECP256R1())
Headers = dict[str, str]


class OneKey(KeySet):
    def __init__(self) -> None:
        super().__init__([], None)

    def get(self, key_id: str) -> object | None:
        return KEY.public_key() if key_id == "one" else None


@pytest.fixture
def web(store: ProfileStore, settings: Settings) -> FlaskClient:
    verifier = TokenVerifier(OneKey(), issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    return http.create_app(
        settings, title="Enrichment", blueprints=[make_blueprint(store.find)], verifier=verifier
    ).test_client()


@pytest.fixture
def bearer(settings: Settings) -> Callable[..., Headers]:
    def make(user: UUID, *roles: str) -> Headers:
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "iss": settings.jwt_issuer,
            "aud": settings.jwt_audience,
            "sub": str(user),
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(minutes=15),
            "jti": str(uuid4()),
            "type": "access",
            "email": "ana@example.com",
            "name": "Ana",
            "roles": ["user", *roles],
        }
        return {"Authorization": f"Bearer {jwt.encode(claims, KEY, 'ES256', {'kid': 'one'})}"}

    return make


@pytest.fixture
def user(store: ProfileStore) -> UUID:
    user = uuid4()
    data = UserData(revision=7, name="ana souza", email="ana@gmail.com", birth_date="1990-01-31")
    store.apply(uuid4(), user, enrich(data, datetime(2026, 3, 1, tzinfo=UTC)))
    return user


def test_ones_own(web: FlaskClient, bearer: Callable[..., Headers], user: UUID) -> None:
    answers = [web.get(f"/api/v1/enrichment/{name}", headers=bearer(user)) for name in ("me", user)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    body = answers[0].get_json()
    assert (body["user_id"], body["revision"], body["name"]["full"]) == (str(user), 7, "Ana Souza")
    assert body["email"]["provider"] == "free"
    assert body["age"]["years"] >= 35
    assert (body["phone"], body["cpf"]) == (None, None)
    assert not {"inbox", "birth_date", "_id"} & body.keys()
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_somebody_elses_is_for_administrators(
    web: FlaskClient, bearer: Callable[..., Headers], user: UUID
) -> None:
    path = f"/api/v1/enrichment/{user}"
    assert web.get(path, headers=bearer(uuid4())).status_code == 403
    assert web.get(path, headers=bearer(uuid4(), "administrator")).status_code == 200


def test_who_may_not_see_does_not_learn_whether_there_is_one(
    web: FlaskClient, bearer: Callable[..., Headers]
) -> None:
    path = f"/api/v1/enrichment/{uuid4()}"
    assert web.get(path, headers=bearer(uuid4())).status_code == 403
    assert web.get(path, headers=bearer(uuid4(), "administrator")).status_code == 404


def test_none_yet(web: FlaskClient, bearer: Callable[..., Headers]) -> None:
    answer = web.get("/api/v1/enrichment/me", headers=bearer(uuid4()))
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_bad_id(web: FlaskClient, bearer: Callable[..., Headers]) -> None:
    answer = web.get("/api/v1/enrichment/not-an-id", headers=bearer(uuid4()))
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "user_id"


@pytest.mark.parametrize("path", ["me", str(UUID(int=1)), "not-an-id"])
def test_without_a_token(web: FlaskClient, path: str) -> None:
    answer = web.get(f"/api/v1/enrichment/{path}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_another_method(web: FlaskClient, bearer: Callable[..., Headers]) -> None:
    assert web.post("/api/v1/enrichment/me", headers=bearer(uuid4()), json={}).status_code == 405


def test_the_document_of_the_interface(web: FlaskClient) -> None:
    document = web.get("/api/v1/enrichment/openapi.json").get_json()
    assert {"/api/v1/enrichment/me", "/api/v1/enrichment/{user_id}"} <= document["paths"].keys()


def test_the_application_is_ready_when_mongodb_is(settings: Settings) -> None:
    app: Flask = enrichment_app.create_app(settings)
    assert app.test_client().get("/readyz").status_code == 200


def test_the_application_says_which_store_is_away(settings: Settings) -> None:
    away = Settings.model_validate(settings.model_dump() | {"mongodb_hosts": "127.0.0.1:9"})
    answer = enrichment_app.create_app(away).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["mongodb"] != "ok"


def test_the_web_process_does_without_the_numbering_plans() -> None:
    code = "import alicerce_enrichment.app, sys; print('phonenumbers' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"
