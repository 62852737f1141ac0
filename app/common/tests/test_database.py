"""A unit of work is tried again exactly when it lost the primary and nothing of it can have been committed."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alicerce_common.config import DatabaseSettings
from alicerce_common.database import Retry, make_engine
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from stores import IDENTITY, Server, database_settings, free_port

INSERT = "INSERT INTO things VALUES (:id)"


def settings_of(server: Server, database: str) -> DatabaseSettings:
    return DatabaseSettings(**IDENTITY, **database_settings(server, database), service_name="test")


@pytest.fixture
def engine(postgresql: Server, database: str) -> Iterator[Engine]:
    engine = make_engine(settings_of(postgresql, database))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE things (id int PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Iterator[scoped_session[Session]]:
    sessions = scoped_session(sessionmaker(engine))
    yield sessions
    sessions.remove()


@pytest.fixture
def kill(engine: Engine) -> Callable[[Any], None]:
    """End the server's side of a session's connection, as a leader does that hands over."""

    def run(connection: Any) -> None:
        victim = connection.connection.dbapi_connection.info.backend_pid
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": victim})

    return run


def ids(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT id FROM things ORDER BY id")))


class Unit:
    """Writes one row; the first attempts do something else before or after."""

    def __init__(self, sessions: scoped_session[Session], *trouble: Callable[[Session], None]) -> None:
        self.sessions = sessions
        self.trouble = list(trouble)
        self.attempts = 0

    def __call__(self, number: int = 1) -> str:
        self.attempts += 1
        session = self.sessions()
        session.execute(text("SELECT 1"))
        if self.trouble:
            self.trouble.pop(0)(session)
        session.execute(text(INSERT), {"id": number})
        session.commit()
        return "done"


def test_a_unit_that_works_runs_once(engine: Engine, sessions: scoped_session[Session]) -> None:
    unit = Unit(sessions)
    assert Retry(sessions.remove)(unit.__call__)(7) == "done"
    assert (unit.attempts, ids(engine)) == (1, [7])


def test_a_connection_lost_before_the_commit_costs_a_second_attempt(
    engine: Engine, sessions: scoped_session[Session], kill: Callable[[Any], None]
) -> None:
    def written_then_lost(session: Session) -> None:
        session.execute(text(INSERT), {"id": 1})
        kill(session.connection())

    unit = Unit(sessions, written_then_lost, lambda session: kill(session.connection()))
    assert Retry(sessions.remove)(unit.__call__)() == "done"
    assert (unit.attempts, ids(engine)) == (3, [1])


def test_a_connection_lost_in_the_commit_is_the_callers_matter(
    engine: Engine, sessions: scoped_session[Session], kill: Callable[[Any], None]
) -> None:
    unit = Unit(sessions)
    event.listen(engine, "commit", kill, once=True)
    with pytest.raises(OperationalError):
        Retry(sessions.remove)(unit.__call__)()
    assert unit.attempts == 1


def test_what_was_committed_once_is_not_done_again(
    engine: Engine, sessions: scoped_session[Session], kill: Callable[[Any], None]
) -> None:
    def committed_then_lost(session: Session) -> None:
        session.execute(text(INSERT), {"id": 2})
        session.commit()
        kill(session.connection())

    unit = Unit(sessions, committed_then_lost)
    again = Retry(sessions.remove)
    with pytest.raises(OperationalError):
        again(unit.__call__)()
    assert (unit.attempts, ids(engine)) == (1, [2])
    sessions.remove()
    # The next unit is another one.
    assert again(Unit(sessions, lambda session: kill(session.connection())).__call__)(3) == "done"
    assert ids(engine) == [2, 3]


def test_the_end_of_a_transaction_that_only_read_commits_nothing(
    engine: Engine, sessions: scoped_session[Session], kill: Callable[[Any], None]
) -> None:
    def read_then_lost(session: Session) -> None:
        session.commit()
        kill(session.connection())

    unit = Unit(sessions, read_then_lost)
    assert Retry(sessions.remove)(unit.__call__)() == "done"
    assert (unit.attempts, ids(engine)) == (2, [1])


def test_what_was_rolled_back_was_not_committed(
    engine: Engine, sessions: scoped_session[Session], kill: Callable[[Any], None]
) -> None:
    def rolled_back_then_lost(session: Session) -> None:
        session.execute(text(INSERT), {"id": 2})
        session.rollback()
        session.execute(text("SELECT 1"))
        session.commit()
        kill(session.connection())

    unit = Unit(sessions, rolled_back_then_lost)
    assert Retry(sessions.remove)(unit.__call__)() == "done"
    assert (unit.attempts, ids(engine)) == (2, [1])


def test_a_server_that_was_demoted_counts_as_lost(engine: Engine, sessions: scoped_session[Session]) -> None:
    def demoted(session: Session) -> None:
        session.execute(text("SET TRANSACTION READ ONLY"))

    unit = Unit(sessions, demoted)
    assert Retry(sessions.remove)(unit.__call__)() == "done"
    assert (unit.attempts, ids(engine)) == (2, [1])


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT pg_sleep(30)", OperationalError),
        ("SELECT * FROM nothing", DBAPIError),
        ("INSERT INTO things VALUES (NULL)", IntegrityError),
    ],
)
def test_what_the_server_refuses_is_not_tried_again(
    engine: Engine, sessions: scoped_session[Session], statement: str, error: type[Exception]
) -> None:
    def refused(session: Session) -> None:
        session.execute(text("SET LOCAL statement_timeout = 100"))
        session.execute(text(statement))

    unit = Unit(sessions, refused)
    with pytest.raises(error):
        Retry(sessions.remove)(unit.__call__)()
    assert unit.attempts == 1
    sessions.remove()
    assert ids(engine) == []


def test_other_errors_are_not_tried_again(sessions: scoped_session[Session]) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Retry(sessions.remove)(broken)()


def test_an_outage_is_waited_for_once(database: str) -> None:
    nowhere = make_engine(settings_of(Server(free_port(), user="postgres"), database))
    sessions = scoped_session(sessionmaker(nowhere))
    again = Retry(sessions.remove, patience=1)

    def seconds(work: Callable[[], Any]) -> float:
        began = time.monotonic()
        with pytest.raises(OperationalError):
            again(work)()
        return time.monotonic() - began

    unit = Unit(sessions)
    assert seconds(unit) >= 1
    assert unit.attempts > 1
    # The second one comes late in the same outage.
    late = Unit(sessions)
    assert seconds(late) < 1
    assert late.attempts == 1
    # A success ends it, and so does time.
    again(lambda: None)()
    assert seconds(Unit(sessions)) >= 1
    time.sleep(1.1)
    assert seconds(Unit(sessions)) >= 1
