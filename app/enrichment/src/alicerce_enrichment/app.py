"""The web application."""

from alicerce_common import http, mongo
from alicerce_common.config import MongoSettings, TokenSettings, WebSettings, load
from alicerce_common.health import Check
from alicerce_common.logs import configure
from alicerce_common.tokens import TokenVerifier
from flask import Flask

from alicerce_enrichment.api import make_blueprint
from alicerce_enrichment.store import ProfileStore


class Settings(WebSettings, MongoSettings, TokenSettings):
    """What the web process is told."""


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application; for gunicorn from the environment."""
    if settings is None:
        settings = load(Settings)
        configure(settings)
    client = mongo.make_client(settings)
    store = ProfileStore(client, settings.mongodb_database)
    return http.create_app(
        settings,
        title="Enrichment",
        blueprints=[make_blueprint(store.find)],
        checks=[Check("mongodb", mongo.probe(client))],
        verifier=TokenVerifier.from_settings(settings),
    )
