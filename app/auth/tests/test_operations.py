"""What operators and the platform do with auth: start it wrongly, without its stores, migrate, bootstrap."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alicerce_auth.app import create_app
from alicerce_auth.keys import SigningKey
from alicerce_auth.models import Base
from alicerce_auth.settings import BootstrapSettings, Settings
from alicerce_common.database import make_engine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import text
from stores import IDENTITY, Server, database_settings, environment, free_port

PASSWORD = "correct horse battery"


def run(module: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_migrate_twice_then_bootstrap_twice(postgresql: Server, database: str, tmp_path: Path) -> None:
    given = {**IDENTITY, **database_settings(postgresql, database), "service_name": "auth"}
    first = run("alicerce_auth.migrate", environment(given, tmp_path))
    assert (first.returncode, first.stdout) == (0, "migrated\nfrom nothing to 0001\n"), first.stderr
    second = run("alicerce_auth.migrate", environment(given, tmp_path))
    assert (second.returncode, second.stdout) == (0, "up to date\nat 0001\n")

    # The migrations make just what the models say.
    engine = make_engine(
        BootstrapSettings(**given, jwt_issuer="https://x.test", administrator_password=SecretStr("x"))
    )
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []

    given |= {"jwt_issuer": "https://alicerce.test", "administrator_password": PASSWORD}
    env = environment(given, tmp_path)
    assert run("alicerce_auth.bootstrap", env).stdout == "created\n"
    assert (
        run("alicerce_auth.bootstrap", {**env, "ADMINISTRATOR_EMAIL": "administrator@ALICERCE.test"}).stdout
        == "exists\n"
    )
    with engine.connect() as connection:
        assert connection.execute(text("SELECT email, roles FROM accounts")).all() == [
            ("administrator@alicerce.test", ["user", "administrator"])
        ]
        assert connection.execute(text("SELECT type FROM outbox")).scalars().all() == ["account.created"]
    engine.dispose()


def test_bootstrap_refuses_a_weak_password(postgresql: Server, database: str, tmp_path: Path) -> None:
    given = {
        **IDENTITY,
        **database_settings(postgresql, database),
        "service_name": "auth",
        "jwt_issuer": "https://alicerce.test",
        "administrator_password": "short",
    }
    done = run("alicerce_auth.bootstrap", environment(given, tmp_path))
    assert done.returncode == 78
    assert "administrator's password" in done.stderr
    assert "short" not in done.stderr.replace("too_short", "")


@pytest.mark.parametrize(
    "pem",
    [
        "nothing",
        ec.generate_private_key(ec.SECP384R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode(),
    ],
)
def test_a_wrong_signing_key_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match="is not an"):
        SigningKey.from_pem(pem)


def test_ready_when_the_stores_answer(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json()["checks"] == {"postgresql": "ok", "redis": "ok"}


@pytest.fixture
def app_without_stores(settings: Settings) -> Flask:
    away = settings.model_copy(
        update={
            "database_hosts": (settings.database_hosts[0]._replace(port=free_port()),),
            "redis_sentinels": (settings.redis_sentinels[0]._replace(port=free_port()),),
        }
    )
    return create_app(away)


def test_without_its_database_it_says_so(app_without_stores: Flask) -> None:
    client = app_without_stores.test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.get_json()["checks"].values()).isdisjoint({"ok"})
    assert client.get("/healthz").status_code == 200
    answer = client.post("/api/v1/auth/login", json={"email": "a@example.com", "password": "x"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.content_type == "application/problem+json"


@pytest.mark.usefixtures("account")
def test_log_in_goes_on_without_redis(settings: Settings) -> None:
    away = settings.model_copy(
        update={"redis_sentinels": (settings.redis_sentinels[0]._replace(port=free_port()),)}
    )
    without = create_app(away).test_client()
    for _ in range(settings.login_attempts + 2):
        answer = without.post("/api/v1/auth/login", json={"email": "ana@example.com", "password": PASSWORD})
        assert answer.status_code == 200
    answer = without.get("/readyz")
    assert (answer.status_code, answer.get_json()["checks"]["postgresql"]) == (200, "ok")
    assert answer.get_json()["checks"]["redis"] != "ok"


def test_openapi_names_every_route(client: FlaskClient) -> None:
    document = client.get("/api/v1/auth/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/.well-known/jwks.json",
        "/api/v1/auth/login",
        "/api/v1/auth/logout",
        "/api/v1/auth/refresh",
        "/api/v1/auth/signup",
    }
    signup = document["paths"]["/api/v1/auth/signup"]["post"]
    assert {"201", "400", "409", "413", "415", "422", "500", "503"} == set(signup["responses"])
    assert "SignUp" in document["components"]["schemas"]


def test_logs_hold_neither_passwords_nor_addresses(
    postgresql: Server, database: str, private_key: str, tmp_path: Path
) -> None:
    given = {
        **IDENTITY,
        **database_settings(postgresql, database),
        "service_name": "auth",
        "jwt_issuer": "https://alicerce.test",
        "jwt_audience": "alicerce",
        "jwt_private_key": private_key,
        "redis_sentinels": f"127.0.0.1:{free_port()}",
        "redis_primary_name": "alicerce",
        "redis_user": "auth",
        "redis_password": "x",
    }
    program = (
        "from alicerce_auth.app import create_app\n"
        "from alicerce_auth.models import db\n"
        "app = create_app()\n"
        "with app.app_context(): db.create_all()\n"
        "c = app.test_client()\n"
        f"body = {{'email': 'secret.person@example.com', 'password': {PASSWORD!r}, 'name': 'Secret Person'}}\n"
        "for path in ('signup', 'signup', 'login'):\n"
        "    c.post('/api/v1/auth/' + path, json={k: v for k, v in body.items() if path == 'signup' or k != 'name'})\n"
        "with app.app_context(): db.drop_all()\n"
        "assert c.post('/api/v1/auth/signup', json=body).status_code == 500\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(given, tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["status"] for line in lines if line["message"] == "request"] == [201, 409, 200, 500]
    for line in lines:
        assert {"time", "severity", "service", "host", "zone", "request_id"} <= set(line)
    for private in ("secret.person", "Secret Person", PASSWORD):
        assert private not in done.stderr
