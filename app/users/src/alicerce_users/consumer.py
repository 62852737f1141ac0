"""`python -m alicerce_users.consumer`: make the profile of each account that auth tells of."""

from datetime import timedelta
from functools import partial

from alicerce_common import consumer, database
from alicerce_common.config import load
from alicerce_common.consumer import PoisonEventError
from alicerce_common.events import Event
from alicerce_common.health import Check
from alicerce_common.outbox import first_time
from sqlalchemy import Engine, delete, func
from sqlalchemy.orm import Session

from alicerce_users.models import Inbox
from alicerce_users.schemas import AccountCreated
from alicerce_users.service import ensure_profile
from alicerce_users.settings import AccountConsumerSettings

REMEMBERED = timedelta(days=30)
"""How long an event's id stays in the inbox: longer than any queue keeps a message."""


def handle(engine: Engine, event: Event) -> None:
    """Make the profile and record the event in one transaction; raises PoisonEventError for what is not known."""
    if (event.type, event.version) != ("account.created", 1):
        raise PoisonEventError
    data = AccountCreated.model_validate(event.data)
    with Session(engine) as session, session.begin():
        if first_time(session, Inbox, event.id):
            ensure_profile(session, event.subject, data.email, data.name)


def forget_old_events(engine: Engine) -> None:
    """Remove what no broker can deliver any more."""
    with Session(engine) as session, session.begin():
        session.execute(delete(Inbox).where(Inbox.received_at < func.now() - REMEMBERED))


def main() -> int:
    """Consume until SIGTERM."""
    settings = load(AccountConsumerSettings)
    engine = database.make_engine(settings, pool_size=settings.consumer_threads + 1)
    return consumer.main(
        settings,
        partial(handle, engine),
        checks=[Check("postgresql", lambda: database.probe(engine))],
        housekeeping=partial(forget_old_events, engine),
    )


if __name__ == "__main__":
    raise SystemExit(main())
