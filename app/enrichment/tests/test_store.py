from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from random import Random
from uuid import UUID, uuid4

import pytest
from alicerce_common.mongo import Document
from alicerce_enrichment.app import Settings
from alicerce_enrichment.enrich import enrich
from alicerce_enrichment.models import Enrichment, UserData
from alicerce_enrichment.store import COLLECTION, INBOX_SIZE, Outcome, ProfileStore
from pymongo import MongoClient


def made(revision: int, **data: str) -> Enrichment:
    now = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
    return enrich(UserData.model_validate({"revision": revision, **data}), now)


def inbox(client: MongoClient[Document], settings: Settings, user: UUID) -> list[str]:
    document = client[settings.mongodb_database][COLLECTION].find_one({"_id": str(user)})
    return [] if document is None else list(document["inbox"])


def test_what_was_written_is_read_back(store: ProfileStore) -> None:
    user = uuid4()
    enrichment = made(
        1, name="ana souza", email="ana@example.com", phone="+5511987654321", birth_date="1990-01-31"
    )
    assert store.apply(uuid4(), user, enrichment) is Outcome.APPLIED
    assert store.find(user) == enrichment
    assert enrichment.birth_date == date(1990, 1, 31)


def test_an_unknown_user_has_none(store: ProfileStore) -> None:
    assert store.find(uuid4()) is None


def test_an_event_delivered_again_changes_nothing(
    store: ProfileStore, client: MongoClient[Document], settings: Settings
) -> None:
    user, event = uuid4(), uuid4()
    store.apply(event, user, made(1, name="first"))
    assert store.apply(event, user, made(1, name="other")) is Outcome.DUPLICATE
    found = store.find(user)
    assert found is not None
    assert found.name is not None
    assert found.name.full == "First"
    assert inbox(client, settings, user) == [str(event)]


def test_a_late_event_does_not_undo_a_newer_one(
    store: ProfileStore, client: MongoClient[Document], settings: Settings
) -> None:
    user, newer = uuid4(), uuid4()
    store.apply(newer, user, made(5, name="newer"))
    assert store.apply(uuid4(), user, made(4, name="older")) is Outcome.STALE
    found = store.find(user)
    assert found is not None
    assert found.revision == 5
    assert inbox(client, settings, user) == [str(newer)]


def test_a_newer_event_replaces_what_is_gone_from_the_profile(store: ProfileStore) -> None:
    user = uuid4()
    store.apply(uuid4(), user, made(1, phone="+5511987654321", cpf="52998224725"))
    store.apply(uuid4(), user, made(2, name="ana"))
    assert store.find(user) == made(2, name="ana")


def test_the_inbox_is_bounded(store: ProfileStore, client: MongoClient[Document], settings: Settings) -> None:
    user = uuid4()
    events = [uuid4() for _ in range(INBOX_SIZE + 5)]
    for revision, event in enumerate(events, start=1):
        store.apply(event, user, made(revision))
    assert inbox(client, settings, user) == [str(event) for event in events[-INBOX_SIZE:]]


@pytest.mark.parametrize("seed", range(3))
def test_many_workers_and_repeated_shuffled_events_end_at_the_newest(
    store: ProfileStore, client: MongoClient[Document], settings: Settings, seed: int
) -> None:
    users = [uuid4() for _ in range(5)]
    newest = 12
    events = [
        (uuid4(), user, made(revision, name=f"r {revision}"))
        for user in users
        for revision in range(1, newest + 1)
    ]
    deliveries = events * 3
    Random(seed).shuffle(deliveries)  # noqa: S311
    with ThreadPoolExecutor(8) as workers:
        outcomes = list(workers.map(lambda delivery: store.apply(*delivery), deliveries))
    for user in users:
        assert store.find(user) == made(newest, name=f"r {newest}")
        applied = inbox(client, settings, user)
        assert len(applied) == len(set(applied))
    assert outcomes.count(Outcome.APPLIED) == sum(len(inbox(client, settings, user)) for user in users)


def test_migrating_twice_changes_nothing(client: MongoClient[Document], settings: Settings) -> None:
    store = ProfileStore(client, settings.mongodb_database)
    assert store.migrate()
    assert not store.migrate()
    assert set(client[settings.mongodb_database][COLLECTION].index_information()) == {"_id_", "enriched_at"}
