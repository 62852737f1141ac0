import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alicerce_common.errors import ProblemError
from alicerce_common.tokens import Identity, TokenVerifier, unauthorized
from alicerce_users.app import create_app
from alicerce_users.models import Base, db
from alicerce_users.settings import Settings
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session
from stores import IDENTITY, Server, database_settings, made_database
from werkzeug.test import TestResponse as Answer


class KnownTokens(TokenVerifier):
    """Stands in for the verifier, which has tests of its own: a token is `<account>` or `<account>+administrator`."""

    def __init__(self) -> None:
        pass

    def verify(self, token: str) -> Identity:
        account, _, role = token.partition("+")
        try:
            account_id = uuid.UUID(account)
        except ValueError:
            raise self.refuse() from None
        roles = frozenset({"user", role} - {""})
        return Identity(account_id, f"{account[:8]}@example.com", "Ana Lima", roles)

    @staticmethod
    def refuse() -> ProblemError:
        return unauthorized("The access token is not valid.", "invalid_token")


@pytest.fixture(scope="session")
def users_database(postgresql: Server) -> Iterator[str]:
    with made_database(postgresql) as name:
        yield name


@pytest.fixture(scope="session")
def settings(postgresql: Server, users_database: str) -> Settings:
    return Settings(
        **IDENTITY,
        **database_settings(postgresql, users_database),
        service_name="users",
        jwt_issuer="https://alicerce.test",
        jwt_audience="alicerce",
        jwks_urls=("https://auth.test/jwks",),
    )


@pytest.fixture(scope="session")
def shared_app(settings: Settings) -> Flask:
    app = create_app(settings, verifier=KnownTokens())
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def app(shared_app: Flask) -> Iterator[Flask]:
    """The application with empty tables."""
    yield shared_app
    with shared_app.app_context():
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        db.session.execute(text(f"TRUNCATE {names}"))
        db.session.commit()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    with app.app_context():
        yield db.session()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def me() -> uuid.UUID:
    return uuid.uuid4()


@pytest.fixture
def call(client: FlaskClient, me: uuid.UUID) -> Callable[..., Answer]:
    """Call as the owner, or as whoever `token` says."""

    def run(method: str, path: str = "/me", *, token: str | None = None, **more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token or me}", **more.pop("headers", {})}
        return client.open("/api/v1/users" + path, method=method, headers=headers, **more)

    return run
