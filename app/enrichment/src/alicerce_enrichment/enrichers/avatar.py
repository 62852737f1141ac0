"""The hash under which avatar services know an e-mail address."""

import hashlib

from alicerce_enrichment.models import Avatar


def enrich_avatar(email: str | None) -> Avatar | None:
    """Hash the trimmed, lower-case address, as https://docs.gravatar.com/rest/hash/ has it."""
    address = (email or "").strip().lower()
    if not address:
        return None
    return Avatar(hash=hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest())
