"""The web application of users."""

from alicerce_common import database, http, logs
from alicerce_common.config import load
from alicerce_common.health import Check
from alicerce_common.tokens import TokenVerifier
from flask import Flask

from alicerce_users.models import db
from alicerce_users.settings import Settings
from alicerce_users.views import blueprint


def create_app(settings: Settings | None = None, *, verifier: TokenVerifier | None = None) -> Flask:
    """Build the application, for gunicorn from the environment; it connects to nothing yet."""
    if settings is None:
        settings = load(Settings)
        logs.configure(settings)
    app = http.create_app(
        settings,
        title="Alicerce: profiles",
        blueprints=[blueprint],
        checks=[Check("postgresql", lambda: database.probe(engine))],
        verifier=verifier or TokenVerifier.from_settings(settings),
    )
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database.DATABASE_URL,
        SQLALCHEMY_ENGINE_OPTIONS=database.engine_options(settings, pool_size=settings.web_threads),
    )
    db.init_app(app)
    with app.app_context():
        engine = database.guard(db.engine)
    return app
