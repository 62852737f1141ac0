"""What users does: the profile of each account, and the events that tell of it."""

import base64
import binascii
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

from alicerce_common.errors import ProblemError, field_error, invalid
from alicerce_common.outbox import write_event
from sqlalchemy.orm import Session

from alicerce_users import repository, validation
from alicerce_users.models import Outbox, Profile
from alicerce_users.schemas import Address, ProfilePage, ProfilePatch, ProfileView
from alicerce_users.validation import InvalidFieldError

# "Today" for a date of birth is the latest one on earth, or newborn New Zealanders would have to wait.
_LATEST_ZONE = timezone(timedelta(hours=14))


def view(profile: Profile) -> ProfileView:
    """Show a profile."""
    return ProfileView.model_validate(profile)


def _write_event(session: Session, event_type: str, profile: Profile) -> None:
    data = view(profile).model_dump(mode="json", exclude={"id", "created_at", "updated_at"})
    write_event(session, Outbox, event_type, subject=profile.id, data=data)


def ensure_profile(session: Session, account_id: uuid.UUID, email: str, name: str) -> Profile:
    """Return the account's profile, made now if there is none; only the one that makes it writes `user.created`.

    The caller commits.
    """
    profile = repository.get(session, account_id)
    if profile is None:
        inserted = repository.insert_if_absent(session, account_id, email, name)
        profile = session.get_one(Profile, account_id)
        if inserted:
            _write_event(session, "user.created", profile)
    return profile


def change_profile(
    session: Session, profile: Profile, patch: ProfilePatch, *, expected_revision: int | None = None
) -> Profile:
    """Apply a patch together with its event `user.updated`; a patch that changes nothing makes no revision.

    Raises ProblemError 412 when the profile is not at `expected_revision`, 422 for what is not valid.
    """
    locked = repository.get_for_update(session, profile.id)
    assert locked is not None  # noqa: S101 (profiles are never removed)
    if expected_revision is not None and expected_revision != locked.revision:
        raise ProblemError(
            HTTPStatus.PRECONDITION_FAILED, f"The profile is at revision {locked.revision} meanwhile."
        )
    changes = {
        name: value for name, value in _checked(locked, patch).items() if value != getattr(locked, name)
    }
    if changes:
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.revision += 1
        locked.updated_at = datetime.now(UTC)
        session.flush()
        _write_event(session, "user.updated", locked)
    session.commit()
    return locked


def _checked(profile: Profile, patch: ProfilePatch) -> dict[str, Any]:
    """Return the fields that the patch names as they are to be kept; raises ProblemError 422 naming all that are wrong."""
    given = patch.model_dump(exclude_unset=True)
    checked: dict[str, Any] = dict(given)
    errors: list[dict[str, str]] = []

    def check(field: str, run: Callable[[], Any]) -> None:
        try:
            checked[field] = run()
        except InvalidFieldError as error:
            name = f"{field}.{error.field}" if error.field else field
            errors.append(field_error(name, error.code, error.message))

    if given.get("address") is not None:
        empty: dict[str, str | None] = dict.fromkeys(Address.model_fields)
        check("address", lambda: validation.address({**empty, **(profile.address or {}), **given["address"]}))
    if given.get("birth_date") is not None:
        today = datetime.now(_LATEST_ZONE).date()
        check("birth_date", lambda: validation.birth_date(given["birth_date"], today))
    if given.get("cpf") is not None:
        check("cpf", lambda: validation.cpf(given["cpf"]))
    # A new country speaks about the number that is there, too.
    number = given.get("phone", profile.phone if "address" in given else None)
    if number is not None and not any(error["field"].startswith("address") for error in errors):
        address = checked.get("address", profile.address) or {}
        check("phone", lambda: validation.phone(number, address.get("country")))
    if errors:
        raise invalid(*errors)
    return checked


def list_profiles(session: Session, *, cursor: str | None, limit: int) -> ProfilePage:
    """Return one page, from the oldest profile on; raises ProblemError 422 for a cursor that is none of ours."""
    found = repository.page(session, after=_read_cursor(cursor) if cursor else None, limit=limit + 1)
    items = found[:limit]
    more = len(found) > limit
    return ProfilePage(
        items=[view(profile) for profile in items], next_cursor=_write_cursor(items[-1]) if more else None
    )


def _write_cursor(profile: Profile) -> str:
    text = f"{profile.created_at.astimezone(UTC).isoformat()}/{profile.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, profile_id = text.partition("/")
        after = datetime.fromisoformat(moment), uuid.UUID(profile_id)
    except (ValueError, binascii.Error):
        after = None
    if after is None or after[0].tzinfo is None:
        raise invalid(field_error("cursor", "invalid", "is not one that the list gave"))
    return after
