import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alicerce_common import migrations
from alicerce_common.config import DatabaseSettings
from alicerce_common.consumer import PoisonEventError
from alicerce_common.database import make_engine
from alicerce_common.events import Event
from alicerce_users.consumer import forget_old_events, handle
from alicerce_users.models import Base, Inbox, Outbox, Profile
from pydantic import ValidationError
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session
from stores import IDENTITY, Server, database_settings


@pytest.fixture
def engine(postgresql: Server, database: str) -> Iterator[Engine]:
    settings = DatabaseSettings(**IDENTITY, **database_settings(postgresql, database), service_name="users")
    assert migrations.migrate(settings, "alicerce_users") == (None, "0001")
    assert migrations.migrate(settings, "alicerce_users") == ("0001", "0001")
    engine = make_engine(settings)
    yield engine
    engine.dispose()


def created(**changes: object) -> Event:
    content: dict[str, Any] = {
        "id": uuid.uuid4(),
        "type": "account.created",
        "version": 1,
        "occurred_at": datetime.now(UTC),
        "subject": uuid.uuid4(),
        "data": {"email": "ana@example.com", "name": "Ana"},
        **changes,
    }
    return Event(**content)


def count(engine: Engine, table: type[Base]) -> int:
    with Session(engine) as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_migrations_make_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_schema_of_a_later_release_stays(engine: Engine, postgresql: Server, database: str) -> None:
    """A rollback must not fail because the release of before does not know the newest revision."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    settings = DatabaseSettings(**IDENTITY, **database_settings(postgresql, database), service_name="users")
    assert migrations.migrate(settings, "alicerce_users") == ("9999", "9999")


def test_an_event_makes_the_profile_once(engine: Engine) -> None:
    event = created()
    handle(engine, event)
    handle(engine, event)
    # The same news under another id, as from an auth that sent it twice.
    handle(engine, created(subject=event.subject, data={"email": "other@example.com", "name": "Other"}))
    assert (count(engine, Profile), count(engine, Outbox), count(engine, Inbox)) == (1, 1, 2)
    with Session(engine) as session:
        profile = session.get_one(Profile, event.subject)
        assert (profile.email, profile.name, profile.revision) == ("ana@example.com", "Ana", 1)


@pytest.mark.parametrize("changes", [{"type": "account.exploded"}, {"version": 2}, {"data": {"name": "A"}}])
def test_what_cannot_be_handled_leaves_no_trace(engine: Engine, changes: dict[str, Any]) -> None:
    with pytest.raises((PoisonEventError, ValidationError)):
        handle(engine, created(**changes))
    assert count(engine, Inbox) == 0


def test_old_events_are_forgotten(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        now = datetime.now(UTC)
        session.add_all(
            [
                Inbox(event_id=uuid.uuid4(), received_at=now - timedelta(days=31)),
                Inbox(event_id=uuid.uuid4(), received_at=now - timedelta(days=29)),
            ]
        )
    forget_old_events(engine)
    assert count(engine, Inbox) == 1
