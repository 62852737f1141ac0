"""The routes of auth."""

from alicerce_common.database import Retry
from alicerce_common.http import endpoint
from flask import Blueprint, current_app, request

from alicerce_auth import schemas, service
from alicerce_auth.limits import LoginLimit
from alicerce_auth.models import db
from alicerce_auth.service import Sessions

blueprint = Blueprint("auth", __name__)
_PREFIX = "/api/v1/auth"
again = Retry(db.session.remove)


def _sessions() -> Sessions:
    sessions: Sessions = current_app.extensions["auth_sessions"]
    return sessions


def _limit() -> LoginLimit:
    limit: LoginLimit = current_app.extensions["auth_login_limit"]
    return limit


@blueprint.post(f"{_PREFIX}/signup")
@endpoint(
    "Make an account",
    access="public",
    body=schemas.SignUp,
    answer=schemas.AccountView,
    status=201,
    problems=(409,),
)
@again
def signup(body: schemas.SignUp) -> schemas.AccountView:
    """Make an account."""
    return service.view(service.create_account(db.session(), body))


@blueprint.post(f"{_PREFIX}/login")
@endpoint("Log in", access="public", body=schemas.LogIn, answer=schemas.Tokens, problems=(401, 429))
def login(body: schemas.LogIn) -> schemas.Tokens:
    """Log in."""
    account, address = schemas.email_key(body.email.strip()), request.remote_addr or ""
    _limit().count(account, address)
    # An attempt is counted once, however often it takes to reach the primary.
    tokens = again(lambda: _sessions().log_in(db.session(), body.email, body.password))()
    _limit().forgive(account, address)
    return tokens


@blueprint.post(f"{_PREFIX}/refresh")
@endpoint(
    "Get new tokens for a refresh token, which is used up",
    access="public",
    body=schemas.RefreshTokenBody,
    answer=schemas.Tokens,
    problems=(401,),
)
@again
def refresh(body: schemas.RefreshTokenBody) -> schemas.Tokens:
    """Use a refresh token."""
    return _sessions().refresh(db.session(), body.refresh_token)


@blueprint.post(f"{_PREFIX}/logout")
@endpoint(
    "Log out: end every token of this log-in", access="public", body=schemas.RefreshTokenBody, status=204
)
@again
def logout(body: schemas.RefreshTokenBody) -> None:
    """Log out."""
    _sessions().log_out(db.session(), body.refresh_token)


@blueprint.get("/.well-known/jwks.json")
@endpoint("The public keys of access tokens", access="public", answer=schemas.KeySet)
def jwks() -> tuple[schemas.KeySet, dict[str, str]]:
    """Give the public keys."""
    keys = schemas.KeySet(keys=[_sessions().settings.signing_key.jwk])
    return keys, {"Cache-Control": "public, max-age=300", "Content-Type": "application/jwk-set+json"}
