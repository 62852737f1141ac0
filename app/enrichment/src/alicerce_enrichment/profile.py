"""The enriched profile: what is made of an event, what is kept of it, what the API answers."""

from datetime import UTC, date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from alicerce_enrichment.enrichers import (
    Age,
    Avatar,
    Cpf,
    Email,
    Name,
    Phone,
    enrich_age,
    enrich_avatar,
    enrich_cpf,
    enrich_email,
    enrich_name,
    enrich_phone,
)
from alicerce_enrichment.enrichers.age import parse_date
from alicerce_enrichment.enrichers.phone import HOME_COUNTRY


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


def enrich(data: UserData, now: datetime) -> Enrichment:
    """Make everything that can be told of a profile; `now` is an aware time."""
    country = (data.address and data.address.country) or HOME_COUNTRY
    return Enrichment(
        revision=data.revision,
        name=enrich_name(data.name),
        email=enrich_email(data.email),
        phone=enrich_phone(data.phone, country),
        cpf=enrich_cpf(data.cpf),
        birth_date=parse_date(data.birth_date),
        avatar=enrich_avatar(data.email),
        enriched_at=now.astimezone(UTC),
    )


def present(user_id: UUID, enrichment: Enrichment, today: date) -> EnrichedProfile:
    """Answer for a user as of a day."""
    return EnrichedProfile(
        user_id=user_id,
        age=enrich_age(enrichment.birth_date, today),
        **{
            name: getattr(enrichment, name)
            for name in EnrichedProfile.model_fields
            if name not in {"user_id", "age"}
        },
    )
