"""The tables of users."""

import uuid
from datetime import date, datetime
from typing import Any

from alicerce_common.outbox import InboxMixin, OutboxMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Date, DateTime, Index, Integer, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the tables."""


# What was read stays readable after a commit, without a second question to the database.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


class Profile(Base):
    """What somebody tells about themselves; its id is the account's."""

    __tablename__ = "profiles"
    __table_args__ = (Index("profiles_created_at_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    birth_date: Mapped[date | None] = mapped_column(Date)
    phone: Mapped[str | None] = mapped_column(Text)
    """E.164."""
    cpf: Mapped[str | None] = mapped_column(Text)
    """Eleven digits."""
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    revision: Mapped[int] = mapped_column(Integer, server_default="1")
    """Grows with each change."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Outbox(OutboxMixin, Base):
    """Events of users on their way out."""


class Inbox(InboxMixin, Base):
    """Events of others whose effect has been made."""
