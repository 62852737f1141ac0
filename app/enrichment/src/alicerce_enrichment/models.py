"""What is read from events, what is kept, what the API answers. Light to import: the enrichers' data is not."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Provider = Literal["free", "disposable", "custom"]


class UserAddress(BaseModel):
    """The part of an address that helps to read a phone number."""

    country: str | None = None


class UserData(BaseModel):
    """`data` of `user.created` and `user.updated`. Only the revision must be there and right."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    revision: int = Field(ge=0, lt=2**63)
    email: str | None = None
    name: str | None = None
    birth_date: str | None = None
    phone: str | None = None
    cpf: str | None = None
    address: UserAddress | None = None


class Name(BaseModel):
    """Null parts are parts the name does not have: somebody with a single name has no `last`."""

    full: str
    first: str | None = None
    last: str | None = None
    initials: str | None = None


class Email(BaseModel):
    """`domain` and `provider` are null unless the address is valid; `normalized` is always lower-case."""

    valid: bool
    normalized: str
    domain: str | None = None
    provider: Provider | None = None


class Phone(BaseModel):
    """Everything but `valid` is null (`time_zones` empty) when the number is not valid.

    `region` is a place name, Portuguese where there is one; `country` an ISO 3166 code. `carrier` is who was
    given the number's range: a ported number keeps it.
    """

    valid: bool
    e164: str | None = None
    international: str | None = None
    region: str | None = None
    country: str | None = None
    carrier: str | None = None
    type: str | None = None
    time_zones: list[str] = []


class Cpf(BaseModel):
    """`formatted` and `region` (states of the issuing fiscal region) are null unless the number is valid."""

    valid: bool
    formatted: str | None = None
    region: str | None = None


class Age(BaseModel):
    """Whole years on a given day, and their band."""

    years: int
    band: str


class Avatar(BaseModel):
    """Lower-case hexadecimal SHA-256, as in https://gravatar.com/avatar/<hash>."""

    hash: str


class Enrichment(BaseModel):
    """What is kept for a user. The age is not: it changes without an event, so it is counted when asked."""

    revision: int
    name: Name | None
    email: Email | None
    phone: Phone | None
    cpf: Cpf | None
    birth_date: date | None
    avatar: Avatar | None
    enriched_at: datetime


class EnrichedProfile(BaseModel):
    """Answer of the API; a null part is one that the profile does not have."""

    user_id: UUID
    revision: int
    name: Name | None
    email: Email | None
    phone: Phone | None
    cpf: Cpf | None
    age: Age | None
    avatar: Avatar | None
    enriched_at: datetime
