"""What users takes and gives."""

import unicodedata
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from alicerce_common.http import RequestModel
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _printable(value: str) -> str:
    text = unicodedata.normalize("NFC", value).strip()
    # Cc: control characters; Cs: lone surrogates; Zl, Zp: line and paragraph separators.
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise PydanticCustomError("invalid", "must not contain control characters")
    return text


def _not_empty(value: str) -> str:
    if not value:
        raise PydanticCustomError("too_short", "must not be empty")
    return value


def _limited(length: int) -> Any:
    return Annotated[str, Field(max_length=length), AfterValidator(_printable)] | None


class AddressPatch(RequestModel):
    """The parts of an address to change; null removes one."""

    street: _limited(200) = None  # type: ignore[valid-type]
    number: _limited(20) = None  # type: ignore[valid-type]
    complement: _limited(100) = None  # type: ignore[valid-type]
    district: _limited(100) = None  # type: ignore[valid-type]
    city: _limited(100) = None  # type: ignore[valid-type]
    state: _limited(100) = None  # type: ignore[valid-type]
    postal_code: _limited(20) = None  # type: ignore[valid-type]
    country: _limited(2) = None  # type: ignore[valid-type]


class ProfilePatch(RequestModel):
    """The fields to change; null clears one (JSON Merge Patch, RFC 7396)."""

    name: Annotated[str, Field(max_length=200), AfterValidator(_printable), AfterValidator(_not_empty)] = ""
    birth_date: date | None = None
    phone: Annotated[str, Field(max_length=40), AfterValidator(_printable)] | None = None
    cpf: Annotated[str, Field(max_length=20), AfterValidator(_printable)] | None = None
    address: AddressPatch | None = None


class Address(BaseModel):
    """Where somebody lives."""

    street: str | None = None
    number: str | None = None
    complement: str | None = None
    district: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str


class ProfileView(BaseModel):
    """A profile as its owner and administrators see it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    birth_date: date | None
    phone: str | None
    cpf: str | None
    address: Address | None
    revision: int
    created_at: datetime
    updated_at: datetime


class PageQuery(RequestModel):
    """Which part of the list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ProfilePage(BaseModel):
    """One part of the list."""

    items: list[ProfileView]
    next_cursor: str | None
    """Where the next part begins; null at the end."""


class AccountCreated(BaseModel):
    """Data of auth's event `account.created`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    email: str
    name: str
