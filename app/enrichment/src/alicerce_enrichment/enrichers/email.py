"""E-mail: syntax and kind of provider, told from the address alone (no DNS)."""

from importlib import resources
from typing import Final

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email

from alicerce_enrichment.models import Email, Provider

_FREE: Final = frozenset(
    line
    for line in resources.files(__package__).joinpath("free_providers.txt").read_text("utf-8").split("\n")
    if line and not line.startswith("#")
)


def _parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def provider_of(domain: str) -> Provider:
    """Tell the kind of provider of a lower-case ASCII domain, a subdomain like its parent."""
    names = _parents(domain)
    if not blocklist.isdisjoint(names):
        return "disposable"
    if not _FREE.isdisjoint(names):
        return "free"
    return "custom"


def enrich_email(value: str | None) -> Email | None:
    """Check the syntax (RFC 5321, 6531); normalise to NFC, lower case and the readable form of the domain."""
    text = (value or "").strip()
    if not text:
        return None
    try:
        # The domain `test` is as good as another: what could sign up is valid here.
        address = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return Email(valid=False, normalized=text.lower())
    return Email(
        valid=True,
        normalized=address.normalized.lower(),
        domain=address.domain.lower(),
        provider=provider_of(address.ascii_domain.lower()),
    )
