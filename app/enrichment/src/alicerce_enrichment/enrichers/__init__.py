"""Pure functions, one module a field: no network, no clock, no state.

None of them raises on missing or bad data. A missing value gives `None`; one that is there but wrong gives an
answer with `valid` set to false.
"""

from alicerce_enrichment.enrichers.age import Age, enrich_age
from alicerce_enrichment.enrichers.avatar import Avatar, enrich_avatar
from alicerce_enrichment.enrichers.cpf import Cpf, enrich_cpf
from alicerce_enrichment.enrichers.email import Email, enrich_email
from alicerce_enrichment.enrichers.name import Name, enrich_name
from alicerce_enrichment.enrichers.phone import Phone, enrich_phone

__all__ = [
    "Age",
    "Avatar",
    "Cpf",
    "Email",
    "Name",
    "Phone",
    "enrich_age",
    "enrich_avatar",
    "enrich_cpf",
    "enrich_email",
    "enrich_name",
    "enrich_phone",
]
