"""`python -m alicerce_enrichment.worker`: turns the events of the users service into enriched profiles."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from alicerce_common import consumer, mongo, tracing
from alicerce_common.config import ConsumerSettings, MongoSettings, load
from alicerce_common.consumer import PoisonEventError
from alicerce_common.events import Event
from alicerce_common.health import Check
from alicerce_common.logs import get_logger
from prometheus_client import Counter
from pydantic import Field

from alicerce_enrichment.enrich import enrich
from alicerce_enrichment.models import UserData
from alicerce_enrichment.store import ProfileStore

log = get_logger(__name__)

TYPES: Final = frozenset({"user.created", "user.updated"})
VERSION: Final = 1

ENRICHMENTS = Counter("alicerce_enrichments_total", "Events by what they did to the profile", ["outcome"])


class Settings(ConsumerSettings, MongoSettings):
    """What the worker is told."""

    consumer_threads: int = Field(default=8, ge=1, le=64)
    """Writes wait for a majority, so several at once; the revision keeps their order."""


def make_handler(store: ProfileStore) -> Callable[[Event], None]:
    """Build the handler; it raises PoisonEventError or ValidationError for what it can never read."""

    def handle(event: Event) -> None:
        if event.type not in TYPES:
            # The queue is bound to user.*: what is published there one day need not concern us.
            ENRICHMENTS.labels("ignored").inc()
            return
        if event.version != VERSION:
            raise PoisonEventError(f"{event.type} of version {event.version}")
        with tracing.span("enrich"):
            enrichment = enrich(UserData.model_validate(event.data), datetime.now(UTC))
        outcome = store.apply(event.id, event.subject, enrichment)
        ENRICHMENTS.labels(outcome.value).inc()
        log.info("profile enriched", outcome=outcome.value, revision=enrichment.revision)

    return handle


def main() -> int:
    """Consume until SIGTERM; returns the exit status."""
    settings = load(Settings)
    with mongo.make_client(settings) as client:
        store = ProfileStore(client, settings.mongodb_database)
        return consumer.main(settings, make_handler(store), checks=[Check("mongodb", mongo.probe(client))])


if __name__ == "__main__":
    raise SystemExit(main())
