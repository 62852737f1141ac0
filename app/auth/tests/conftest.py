from collections.abc import Iterator

import pytest
from alicerce_auth.app import create_app
from alicerce_auth.models import Base, db
from alicerce_auth.settings import Settings
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session
from stores import IDENTITY, RedisServer, Server, database_settings, made_database, redis_settings

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def private_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


@pytest.fixture(scope="session")
def auth_database(postgresql: Server) -> Iterator[str]:
    with made_database(postgresql) as name:
        yield name


@pytest.fixture(scope="session")
def settings(postgresql: Server, auth_database: str, redis_server: RedisServer, private_key: str) -> Settings:
    return Settings(
        **IDENTITY,
        **database_settings(postgresql, auth_database),
        **redis_settings(redis_server),
        service_name="auth",
        jwt_issuer="https://alicerce.test",
        jwt_audience="alicerce",
        jwt_private_key=SecretStr(private_key),
        forwarded_hops=1,
    )


@pytest.fixture(scope="session")
def shared_app(settings: Settings) -> Flask:
    app = create_app(settings)
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def app(shared_app: Flask) -> Iterator[Flask]:
    """The application with empty tables."""
    yield shared_app
    with shared_app.app_context():
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        db.session.execute(text(f"TRUNCATE {names} CASCADE"))
        db.session.commit()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    with app.app_context():
        yield db.session()


@pytest.fixture
def account(client: FlaskClient) -> dict[str, str]:
    """An account that signed up."""
    answer = client.post(
        "/api/v1/auth/signup", json={"email": "ana@example.com", "password": PASSWORD, "name": "Ana Lima"}
    )
    assert answer.status_code == 201
    made: dict[str, str] = answer.get_json()
    return made
