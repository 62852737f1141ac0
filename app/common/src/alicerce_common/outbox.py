"""Events that leave with their row: written in the same transaction, published later by the relay.

    class OutboxRow(OutboxMixin, db.Model): ...

    write_event(session, OutboxRow, "user.updated", subject=profile.id, data={...})
    session.commit()

The consumer's side is the inbox: `first_time` inside the transaction of the effect tells whether it is still to be made.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, Integer, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from alicerce_common import context
from alicerce_common.events import Event


class OutboxMixin:
    """Table `outbox`: an event stands here until the broker has confirmed it."""

    __tablename__ = "outbox"

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Uuid, nullable=False)
    type: Mapped[str] = mapped_column(Text, nullable=False)
    version: Mapped[int] = mapped_column(Integer, nullable=False)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False)
    subject: Mapped[uuid.UUID] = mapped_column(Uuid, nullable=False)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, nullable=False)
    traceparent: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, nullable=False, server_default="0")
    available_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), nullable=False, server_default=func.now()
    )


class InboxMixin:
    """Table `inbox`: the events whose effect has been made."""

    __tablename__ = "inbox"

    event_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    received_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), nullable=False, server_default=func.now()
    )

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        """Index the time, by which old rows are removed."""
        return (Index("inbox_received_at", "received_at"),)


def write_event(
    session: Session,
    table: type[OutboxMixin],
    event_type: str,
    *,
    subject: uuid.UUID,
    data: dict[str, Any],
    version: int = 1,
) -> Event:
    """Add an event to the session's transaction; `data` must be JSON as it is (no dates, no UUIDs)."""
    event = Event(
        id=uuid.uuid4(),
        type=event_type,
        version=version,
        occurred_at=datetime.now(UTC),
        subject=subject,
        data=data,
    )
    session.execute(insert(table).values(**dict(event), traceparent=context.current_traceparent()))
    return event


def first_time(session: Session, table: type[InboxMixin], event_id: uuid.UUID) -> bool:
    """Record the event in the session's transaction; False when its effect has been made before."""
    statement = insert(table).values(event_id=event_id).on_conflict_do_nothing().returning(table.event_id)
    return session.execute(statement).scalar() is not None
