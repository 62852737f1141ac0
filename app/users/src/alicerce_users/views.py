"""The routes of users."""

from http import HTTPStatus
from uuid import UUID

from alicerce_common.database import Retry
from alicerce_common.errors import ProblemError
from alicerce_common.http import endpoint
from alicerce_common.tokens import current_identity, demand_owner_or_administrator
from flask import Blueprint, request

from alicerce_users import repository, schemas, service
from alicerce_users.models import Profile, db

blueprint = Blueprint("users", __name__, url_prefix="/api/v1/users")
again = Retry(db.session.remove)


def _mine() -> Profile:
    identity = current_identity()
    session = db.session()
    profile = service.ensure_profile(session, identity.account_id, identity.email, identity.name)
    session.commit()
    return profile


def _answer(profile: Profile) -> tuple[schemas.ProfileView, dict[str, str]]:
    return service.view(profile), {"ETag": f'"{profile.revision}"'}


def _expected_revision() -> int | None:
    """Read If-Match; what is no revision of ours matches none."""
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    text = given.strip().strip('"')
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


@blueprint.get("/me")
@endpoint("My profile", access="token", answer=schemas.ProfileView)
@again
def get_me() -> tuple[schemas.ProfileView, dict[str, str]]:
    """Show the caller's profile; the first call makes it."""
    return _answer(_mine())


@blueprint.patch("/me")
@endpoint(
    "Change my profile",
    access="token",
    body=schemas.ProfilePatch,
    answer=schemas.ProfileView,
    problems=(412,),
)
@again
def patch_me(body: schemas.ProfilePatch) -> tuple[schemas.ProfileView, dict[str, str]]:
    """Change the caller's profile; If-Match with the ETag of a GET guards against somebody else's change."""
    return _answer(
        service.change_profile(db.session(), _mine(), body, expected_revision=_expected_revision())
    )


@blueprint.get("/<uuid:profile_id>")
@endpoint(
    "A profile, for its owner and for administrators",
    access="token",
    answer=schemas.ProfileView,
    problems=(403, 404),
)
@again
def get_one(profile_id: UUID) -> tuple[schemas.ProfileView, dict[str, str]]:
    """Show one profile."""
    identity = demand_owner_or_administrator(profile_id)
    if identity.account_id == profile_id:
        return _answer(_mine())
    profile = repository.get(db.session(), profile_id)
    if profile is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such profile.")
    return _answer(profile)


@blueprint.get("")
@endpoint(
    "All profiles, from the oldest on",
    access="administrator",
    query=schemas.PageQuery,
    answer=schemas.ProfilePage,
)
@again
def get_page(query: schemas.PageQuery) -> schemas.ProfilePage:
    """Show one page of the profiles."""
    return service.list_profiles(db.session(), cursor=query.cursor, limit=query.limit)
