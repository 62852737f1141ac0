"""PostgreSQL: connections that find the primary by themselves and notice a dead host within seconds."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext

from alicerce_common.config import DatabaseSettings

READ_ONLY = "25006"
"""SQLSTATE of a write on a server that has been demoted."""


def libpq_parameters(settings: DatabaseSettings) -> dict[str, Any]:
    """Return what `psycopg.connect` takes: every host is tried, the one that accepts writes is kept."""
    milliseconds = int(settings.database_statement_timeout * 1000)
    parameters: dict[str, Any] = {
        "host": ",".join(address.host for address in settings.database_hosts),
        "port": ",".join(str(address.port) for address in settings.database_hosts),
        "dbname": settings.database_name,
        "user": settings.database_user,
        "password": settings.database_password.get_secret_value(),
        "application_name": settings.service_name,
        "target_session_attrs": "read-write",
        "connect_timeout": settings.database_connect_timeout,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": 6000,
        "options": f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout=60000 -c timezone=UTC",
    }
    if settings.tls:
        parameters |= {
            "sslmode": "verify-full",
            "sslrootcert": str(settings.tls.ca_file),
            "sslcert": str(settings.tls.certificate_file),
            "sslkey": str(settings.tls.key_file),
            "ssl_min_protocol_version": "TLSv1.2",
        }
    return parameters


def engine_options(settings: DatabaseSettings, *, pool_size: int) -> dict[str, Any]:
    """Return the options of `create_engine`, and so of SQLALCHEMY_ENGINE_OPTIONS."""
    return {
        "connect_args": libpq_parameters(settings),
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 3,
        "pool_recycle": 1800,
        "pool_pre_ping": True,
        "hide_parameters": True,
    }


DATABASE_URL = URL.create("postgresql+psycopg")
"""Names the driver only; the rest stands in the engine's options."""


def make_engine(settings: DatabaseSettings, *, pool_size: int = 2) -> Engine:
    """Build an engine; it connects at first use."""
    engine = create_engine(DATABASE_URL, **engine_options(settings, pool_size=pool_size))
    guard(engine, settings)
    return engine


def guard(engine: Engine, settings: DatabaseSettings) -> None:
    """Drop connections that are of no more use: to a demoted primary, or to one that no longer answers.

    The server's statement_timeout ends slow statements. A frozen server does not keep it, and its kernel still
    acknowledges packets, so no TCP timer fires either: the watchdog shuts the socket, and libpq reports a lost connection.
    """

    @event.listens_for(engine, "handle_error")
    def handle_error(error: ExceptionContext) -> None:
        if getattr(error.original_exception, "sqlstate", None) == READ_ONLY:
            error.is_disconnect = True

    watchdog = Watchdog(settings.database_statement_timeout + 3)

    @event.listens_for(engine, "before_cursor_execute")
    def before(connection: Any, *_: object) -> None:  # noqa: ANN401 (SQLAlchemy's event)
        watchdog.begin(connection.connection.driver_connection)

    @event.listens_for(engine, "after_cursor_execute")
    def after(connection: Any, *_: object) -> None:  # noqa: ANN401 (SQLAlchemy's event)
        watchdog.end(connection.connection.driver_connection)

    @event.listens_for(engine, "handle_error")
    def failed(error: ExceptionContext) -> None:
        if error.connection is not None and not error.connection.invalidated and not error.connection.closed:
            watchdog.end(error.connection.connection.driver_connection)


def probe(engine: Callable[[], Engine]) -> Callable[[], None]:
    """Return a readiness probe: a primary answers."""

    def run() -> None:
        with engine().connect() as connection:
            connection.execute(text("SELECT 1"))

    return run
