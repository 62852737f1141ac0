"""What auth takes and gives."""

import unicodedata
from typing import Annotated, Self
from uuid import UUID

from alicerce_common.http import RequestModel
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from alicerce_auth.passwords import MAX_LENGTH, MIN_LENGTH


def _email(value: str) -> str:
    try:
        # Whether the domain takes mail is not asked, so a domain for tests is as good as another.
        return validate_email(value.strip(), check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise PydanticCustomError("invalid", "is not an e-mail address") from None


def email_key(email: str) -> str:
    """Return the form in which addresses are compared: case makes no difference."""
    return email.casefold()


def _person_name(value: str) -> str:
    name = unicodedata.normalize("NFC", value).strip()
    if not name:
        raise PydanticCustomError("required", "must not be empty")
    # Cc: control characters; Cs: lone surrogates; Zl, Zp: line and paragraph separators.
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        raise PydanticCustomError("invalid", "must not contain control characters")
    return name


Email = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_email)]
PersonName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_person_name)]


class SignUp(RequestModel):
    """Somebody new."""

    email: Email
    password: Annotated[str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]
    name: PersonName

    @model_validator(mode="after")
    def _password_is_not_the_email(self) -> Self:
        password, email = self.password.casefold(), self.email.casefold()
        if password in {email, email.partition("@")[0]}:
            raise PydanticCustomError("too_weak", "must not be the e-mail address")
        return self


class LogIn(RequestModel):
    """Somebody known. What could not be an account gets the same answer as a wrong password."""

    email: Annotated[str, Field(max_length=1024)]
    password: Annotated[str, Field(max_length=1024)]


class RefreshTokenBody(RequestModel):
    """A refresh token to use up or to give back."""

    refresh_token: Annotated[str, Field(max_length=1024)]


class AccountView(BaseModel):
    """An account as its owner sees it."""

    id: UUID
    email: str
    name: str


class Tokens(BaseModel):
    """What a client needs to go on."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 -- a scheme, no secret
    expires_in: int
    """Seconds until the access token expires."""


class KeySet(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, str]]
