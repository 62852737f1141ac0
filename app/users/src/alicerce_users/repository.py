"""Reads and writes of the profiles; the caller commits."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from alicerce_users.models import Profile


def insert_if_absent(session: Session, profile_id: uuid.UUID, email: str, name: str) -> bool:
    """Insert a new profile; False when there is one already, also when another transaction just made it."""
    statement = insert(Profile).values(id=profile_id, email=email, name=name).on_conflict_do_nothing()
    return session.execute(statement.returning(Profile.id)).scalar() is not None


def get(session: Session, profile_id: uuid.UUID) -> Profile | None:
    """Find a profile."""
    return session.get(Profile, profile_id)


def get_for_update(session: Session, profile_id: uuid.UUID) -> Profile | None:
    """Find a profile and lock it: changes, and so their events, have one order."""
    return session.get(Profile, profile_id, with_for_update=True, populate_existing=True)


def page(session: Session, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[Profile]:
    """Return profiles from the oldest on, those behind `after` only."""
    statement = select(Profile).order_by(Profile.created_at, Profile.id).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(Profile.created_at, Profile.id) > after)
    return session.scalars(statement).all()
