"""PostgreSQL: connections that find the primary by themselves and notice a dead or demoted host within seconds."""

import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import psycopg
from opentelemetry.trace import Span, SpanKind
from psycopg.abc import PQGen
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy import Connection as EngineConnection
from sqlalchemy.engine import ExceptionContext, ExecutionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random

from alicerce_common import tracing
from alicerce_common.config import DatabaseSettings

READ_ONLY = "25006"
"""SQLSTATE of a write on a server that has been demoted."""

DATABASE_URL = URL.create("postgresql+psycopg")
"""Names the driver only: the address stands in the engine's options."""

_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?([A-Za-z_][\w.]*)', re.IGNORECASE)
_MOST_TEXT = 1000
_SPAN = "_alicerce_span"

_WaitTimeout = getattr(psycopg.errors, "_WaitTimeout", None)
T = TypeVar("T")
P = ParamSpec("P")

PATIENCE = 8.0
"""Seconds of an outage during which units of work are tried again: a change of the leader takes less."""

_commit_sent: ContextVar[bool] = ContextVar("commit_sent", default=False)
"""Whether the unit of work at hand has told the server to commit something that it had written."""


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

    def commit(self) -> None:
        """As in psycopg, and noted in the trace: a commit waits for the standby."""
        with tracing.span("COMMIT", kind=SpanKind.CLIENT, attributes={"db.system": "postgresql"}):
            super().commit()


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
    """Make the pool drop its connections to a server that turns out to be read-only: it has been demoted.

    Also keeps in mind, for `Retry`, whether something that was written has been committed.
    """

    @event.listens_for(engine, "handle_error")
    def demoted(error: ExceptionContext) -> None:
        if getattr(error.original_exception, "sqlstate", None) == READ_ONLY:
            error.is_disconnect = True

    @event.listens_for(engine, "before_cursor_execute")
    def execute(connection: EngineConnection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip()[:6].upper() != "SELECT":
            connection.info["wrote"] = True

    @event.listens_for(engine, "before_cursor_execute")
    def begin_span(
        _: EngineConnection, __: Any, statement: str, ___: Any, execution: ExecutionContext, ____: bool
    ) -> None:
        if tracing.active():
            setattr(execution, _SPAN, _begin_span(statement))

    @event.listens_for(engine, "after_cursor_execute")
    def end_span(
        _: EngineConnection, __: Any, ___: str, ____: Any, execution: ExecutionContext, _____: bool
    ) -> None:
        span = getattr(execution, _SPAN, None)
        if span is not None:
            span.end()

    @event.listens_for(engine, "handle_error")
    def fail_span(error: ExceptionContext) -> None:
        span = getattr(error.execution_context, _SPAN, None)
        if span is not None:
            tracing.fail(
                span, getattr(error.original_exception, "sqlstate", None) or error.original_exception
            )
            span.end()

    @event.listens_for(engine, "commit")
    def commit(connection: EngineConnection) -> None:  # the server is told right after this
        if connection.info.pop("wrote", False):
            _commit_sent.set(True)

    @event.listens_for(engine, "rollback")
    def rollback(connection: EngineConnection) -> None:
        if not connection.invalidated:
            connection.info.pop("wrote", None)

    return engine


def _begin_span(statement: str) -> Span:
    """Start a statement's span. Its text has places for values, and no values."""
    operation = statement.split(None, 1)[0].upper() if statement.strip() else "?"
    table = _TABLE.search(statement)
    return tracing.begin_part(
        f"{operation} {table[1]}" if table else operation,
        kind=SpanKind.CLIENT,
        attributes={
            "db.system": "postgresql",
            "db.operation.name": operation,
            "db.query.text": statement[:_MOST_TEXT],
        },
    )


class Retry:
    """Runs a unit of work again that lost the primary before anything of it can have been committed.

        again = Retry(db.session.remove)

        @again
        def change(...): ...

    A unit is never applied twice: once it has told the server to commit what it wrote, nobody but the server knows
    whether it did, and the error goes to the caller. What else the unit does must be harmless when done again.
    """

    def __init__(self, end_session: Callable[[], None], *, patience: float = PATIENCE) -> None:
        self._end_session = end_session
        self._patience = patience
        # Of the outage, not of the unit: in a long one only its first seconds are waited for, or every thread would be waiting.
        self._began = self._last = float("-inf")

    def __call__(self, work: Callable[P, T]) -> Callable[P, T]:
        """Wrap a unit of work."""

        @wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            _commit_sent.set(False)
            retrying = Retrying(
                retry=retry_if_exception(_nothing_was_applied),
                stop=self._has_lasted,
                wait=wait_random(0.05, 0.3),
                before_sleep=lambda _: self._end_session(),
                reraise=True,
            )
            result = retrying(work, *args, **kwargs)
            self._last = float("-inf")
            return result

        return run

    def _has_lasted(self, _: RetryCallState) -> bool:
        now = time.monotonic()
        if now - self._last > self._patience:
            self._began = now
        self._last = now
        return now - self._began >= self._patience


def _nothing_was_applied(error: BaseException) -> bool:
    if _commit_sent.get() or not isinstance(error, DBAPIError):
        return False
    # Without a state it is no word of the server: it cannot be reached, or does not answer.
    unreachable = isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) is None
    return error.connection_invalidated or unreachable


def make_engine(settings: DatabaseSettings, *, pool_size: int = 2) -> Engine:
    """Build an engine for a process beside the web server; it connects at first use."""
    return guard(create_engine(DATABASE_URL, **engine_options(settings, pool_size=pool_size)))


def probe(engine: Engine) -> None:
    """Raise when no primary answers (a readiness probe)."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
