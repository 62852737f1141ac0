"""PostgreSQL: connections that find the primary by themselves and notice a dead or demoted host within seconds."""

from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext

from alicerce_common.config import DatabaseSettings

READ_ONLY = "25006"
"""SQLSTATE of a write on a server that has been demoted."""

DATABASE_URL = URL.create("postgresql+psycopg")
"""Names the driver only: the address stands in the engine's options."""

_WaitTimeout = getattr(psycopg.errors, "_WaitTimeout", None)
T = TypeVar("T")


class Connection(psycopg.Connection[Any]):
    """A connection that does not wait for ever.

    The server ends slow statements itself (statement_timeout). A frozen server does not, while its kernel goes on
    acknowledging packets, so that no TCP timer fires either: only the client's own clock helps then.
    """

    answer_timeout: float | None = None
    """Seconds to wait for the server's answer; None waits for ever."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As in psycopg, but a server that stays silent counts as lost."""
        try:
            return super().wait(gen, interval, self.answer_timeout if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # The private class of psycopg's own clock; what the server or the network says has other ones.
            if timeout is None and type(error) is _WaitTimeout:
                self.pgconn.finish()
                raise psycopg.OperationalError("the server did not answer in time") from None
            raise


def connect(settings: DatabaseSettings, **more: Any) -> Connection:
    """Connect to the one host that accepts writes; raises psycopg.OperationalError when there is none now."""
    connection = Connection.connect(**{**_parameters(settings), **more})
    connection.answer_timeout = settings.database_statement_timeout + 3
    return connection


def _parameters(settings: DatabaseSettings) -> dict[str, Any]:
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
        "options": f"-c statement_timeout={milliseconds} -c timezone=UTC",
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
        "creator": partial(connect, settings),
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 3,
        "pool_recycle": 1800,
        "pool_pre_ping": True,
        "hide_parameters": True,
    }


def guard(engine: Engine) -> Engine:
    """Make the pool drop its connections to a server that turns out to be read-only: it has been demoted."""

    @event.listens_for(engine, "handle_error")
    def demoted(error: ExceptionContext) -> None:
        if getattr(error.original_exception, "sqlstate", None) == READ_ONLY:
            error.is_disconnect = True

    return engine


def make_engine(settings: DatabaseSettings, *, pool_size: int = 2) -> Engine:
    """Build an engine for a process beside the web server; it connects at first use."""
    return guard(create_engine(DATABASE_URL, **engine_options(settings, pool_size=pool_size)))


def probe(engine: Engine) -> None:
    """Raise when no primary answers (a readiness probe)."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
