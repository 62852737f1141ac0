"""The web application of auth."""

from alicerce_common import cache, database, http, logs
from alicerce_common.config import load
from alicerce_common.health import Check
from flask import Flask
from flask_jwt_extended import JWTManager

from alicerce_auth.keys import ALGORITHM
from alicerce_auth.limits import LoginLimit
from alicerce_auth.models import db
from alicerce_auth.service import Sessions
from alicerce_auth.settings import Settings
from alicerce_auth.views import blueprint


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application, for gunicorn from the environment; it connects to nothing yet."""
    if settings is None:
        settings = load(Settings)
        logs.configure(settings)
    redis = cache.make_client(settings)
    app = http.create_app(
        settings,
        title="Alicerce: accounts and tokens",
        blueprints=[blueprint],
        checks=[
            Check("postgresql", lambda: database.probe(engine)),
            Check("redis", redis.ping, critical=False),
        ],
    )
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database.DATABASE_URL,
        SQLALCHEMY_ENGINE_OPTIONS=database.engine_options(settings, pool_size=settings.web_threads),
        JWT_ALGORITHM=ALGORITHM,
        JWT_PRIVATE_KEY=settings.signing_key.private_pem,
        JWT_PUBLIC_KEY=settings.signing_key.public_pem,
        JWT_ACCESS_TOKEN_EXPIRES=settings.access_token_lifetime,
        JWT_ENCODE_ISSUER=settings.jwt_issuer,
        JWT_ENCODE_AUDIENCE=settings.jwt_audience,
    )
    db.init_app(app)
    with app.app_context():
        engine = database.guard(db.engine)
    JWTManager(app)
    app.extensions["auth_sessions"] = Sessions(settings)
    app.extensions["auth_login_limit"] = LoginLimit(
        redis, cache.make_breaker(), attempts=settings.login_attempts, window=settings.login_window
    )
    return app
