"""What auth does: accounts and the tokens of a log-in."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from alicerce_common.errors import ProblemError, field_error
from alicerce_common.logs import get_logger
from alicerce_common.outbox import write_event
from alicerce_common.tokens import ADMINISTRATOR, USER, unauthorized
from flask_jwt_extended import create_access_token
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alicerce_auth import passwords, repository
from alicerce_auth.models import Account, Outbox, RefreshFamily, RefreshToken
from alicerce_auth.schemas import AccountView, SignUp, Tokens, email_key
from alicerce_auth.settings import TokenIssuerSettings

log = get_logger(__name__)

_REFRESH_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def _digest(token: str) -> bytes:
    # 256 random bits need no slow hash.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def create_account(session: Session, new: SignUp, *, roles: tuple[str, ...] = (USER,)) -> Account:
    """Make an account together with its event `account.created`; raises ProblemError 409 when the e-mail is taken."""
    account = Account(
        email=new.email,
        email_key=email_key(new.email),
        name=new.name,
        password_hash=passwords.hash_password(new.password),
        roles=list(roles),
    )
    session.add(account)
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "There is an account with this e-mail address.",
            errors=[field_error("email", "taken", "belongs to another account")],
        ) from None
    write_event(
        session,
        Outbox,
        "account.created",
        subject=account.id,
        data={"email": account.email, "name": account.name},
    )
    session.commit()
    return account


def ensure_administrator(session: Session, new: SignUp) -> bool:
    """Make the first administrator unless the account is there; tells whether it was made."""
    if repository.account_by_email_key(session, email_key(new.email)) is not None:
        return False
    create_account(session, new, roles=(USER, ADMINISTRATOR))
    return True


@dataclass(frozen=True)
class Sessions:
    """Log-ins and their tokens."""

    settings: TokenIssuerSettings

    def log_in(self, session: Session, email: str, password: str) -> Tokens:
        """Begin a family of refresh tokens; raises ProblemError 401, the same whatever was wrong."""
        account = repository.account_by_email_key(session, email_key(email.strip()).replace("\0", ""))
        # No transaction, and so no connection of the pool, is held while the processor works on the hash.
        session.commit()
        if not passwords.verify(account.password_hash if account else None, password) or account is None:
            raise unauthorized("The e-mail address or the password is wrong.")
        if passwords.needs_rehash(account.password_hash):
            account.password_hash = passwords.hash_password(password)
        now = datetime.now(UTC)
        repository.forget_expired_families(session, account.id, now)
        family = RefreshFamily(account_id=account.id, expires_at=now + self.settings.refresh_token_lifetime)
        session.add(family)
        session.flush()
        tokens = self._issue(session, family, account)
        session.commit()
        return tokens

    def refresh(self, session: Session, token: str) -> Tokens:
        """Use a refresh token up and give the next one; raises ProblemError 401.

        A token that comes a second time was copied by somebody: nobody can tell which of the two is the
        owner, so the whole family ends (RFC 9700, 4.14.2).
        """
        found = (
            repository.token_for_update(session, _digest(token)) if _REFRESH_TOKEN.fullmatch(token) else None
        )
        if found is None:
            raise self._refused()
        used, family = found
        now = datetime.now(UTC)
        if used.used_at is not None and family.revoked_at is None:
            repository.revoke_family(session, family.id, now)
            session.commit()
            log.warning("refresh token used twice, family revoked", family=str(family.id))
            raise self._refused()
        if family.revoked_at is not None or family.expires_at <= now:
            raise self._refused()
        used.used_at = now
        tokens = self._issue(session, family, family.account)
        session.commit()
        return tokens

    def log_out(self, session: Session, token: str) -> None:
        """End the token's family; a token that is unknown has nothing to end (RFC 7009, 2.2)."""
        family_id = repository.family_of(session, _digest(token))
        if family_id is not None:
            repository.revoke_family(session, family_id, datetime.now(UTC))
            session.commit()

    @staticmethod
    def _refused() -> ProblemError:
        return unauthorized("The refresh token is not valid.", "invalid_token")

    def _issue(self, session: Session, family: RefreshFamily, account: Account) -> Tokens:
        refresh_token = secrets.token_urlsafe(32)
        session.add(RefreshToken(digest=_digest(refresh_token), family_id=family.id))
        access_token = create_access_token(
            identity=str(account.id),
            additional_claims={"email": account.email, "name": account.name, "roles": account.roles},
            additional_headers={"kid": self.settings.signing_key.key_id},
        )
        return Tokens(
            access_token=access_token,
            refresh_token=refresh_token,
            expires_in=int(self.settings.access_token_lifetime.total_seconds()),
        )


def view(account: Account) -> AccountView:
    """Show an account to its owner."""
    return AccountView(id=account.id, email=account.email, name=account.name)
