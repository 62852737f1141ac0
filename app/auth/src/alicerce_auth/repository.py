"""Reads and writes of auth's tables; the caller commits."""

import uuid
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from alicerce_auth.models import Account, RefreshFamily, RefreshToken


def account_by_email_key(session: Session, key: str) -> Account | None:
    """Find the account of an address."""
    return session.scalar(select(Account).where(Account.email_key == key))


def token_for_update(session: Session, digest: bytes) -> tuple[RefreshToken, RefreshFamily] | None:
    """Find a refresh token with its family, which is locked: two uses of one family wait for each other."""
    family_id = session.scalar(select(RefreshToken.family_id).where(RefreshToken.digest == digest))
    if family_id is None:
        return None
    family = session.scalar(
        select(RefreshFamily).where(RefreshFamily.id == family_id).with_for_update(of=RefreshFamily)
    )
    token = session.get(RefreshToken, digest)
    return (token, family) if token and family else None


def revoke_family(session: Session, family_id: uuid.UUID, now: datetime) -> None:
    """Make every token of the family useless."""
    session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.id == family_id, RefreshFamily.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def family_of(session: Session, digest: bytes) -> uuid.UUID | None:
    """Find the family of a token."""
    return session.scalar(select(RefreshToken.family_id).where(RefreshToken.digest == digest))


def forget_expired_families(session: Session, account_id: uuid.UUID, now: datetime) -> None:
    """Remove what can no longer be used, with its tokens."""
    session.execute(
        delete(RefreshFamily).where(RefreshFamily.account_id == account_id, RefreshFamily.expires_at < now)
    )
