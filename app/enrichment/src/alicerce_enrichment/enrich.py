"""Everything that can be told of a profile. Loads the numbering plans of the world: some 200 MB, in seconds."""

from datetime import UTC, datetime

from alicerce_enrichment.enrichers.age import parse_date
from alicerce_enrichment.enrichers.avatar import enrich_avatar
from alicerce_enrichment.enrichers.cpf import enrich_cpf
from alicerce_enrichment.enrichers.email import enrich_email
from alicerce_enrichment.enrichers.name import enrich_name
from alicerce_enrichment.enrichers.phone import HOME_COUNTRY, enrich_phone
from alicerce_enrichment.models import Enrichment, UserData


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
