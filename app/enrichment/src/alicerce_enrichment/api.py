"""The outer interface: a person reads their own enriched profile, an administrator everybody's."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from http import HTTPStatus
from uuid import UUID

from alicerce_common.errors import ProblemError, field_error, invalid
from alicerce_common.http import endpoint
from alicerce_common.tokens import current_identity, demand_owner_or_administrator
from flask import Blueprint

from alicerce_enrichment.enrichers.age import enrich_age
from alicerce_enrichment.models import EnrichedProfile, Enrichment


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


def make_blueprint(find: Callable[[UUID], Enrichment | None]) -> Blueprint:
    """Build the endpoints on a function that finds what is known of a user."""
    blueprint = Blueprint("enrichment", __name__, url_prefix="/api/v1/enrichment")

    def answer(user_id: UUID) -> EnrichedProfile:
        enrichment = find(user_id)
        if enrichment is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "Nothing has been enriched for this user yet.")
        return present(user_id, enrichment, datetime.now(UTC).date())

    @blueprint.get("/me")
    @endpoint("Read one's own enriched profile", access="token", answer=EnrichedProfile, problems=(404,))
    def own() -> EnrichedProfile:
        return answer(current_identity().account_id)

    @blueprint.get("/<user_id>")
    @endpoint("Read an enriched profile", access="token", answer=EnrichedProfile, problems=(403, 404, 422))
    def one(user_id: str) -> EnrichedProfile:
        try:
            account = UUID(user_id)
        except ValueError:
            raise invalid(field_error("user_id", "invalid", "This is not a UUID.")) from None
        demand_owner_or_administrator(account)
        return answer(account)

    return blueprint
