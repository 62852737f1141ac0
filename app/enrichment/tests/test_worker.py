import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from alicerce_common.config import ConsumerSettings
from alicerce_common.consumer import Consumer, PoisonEventError, Verdict
from alicerce_common.events import Event
from alicerce_enrichment.app import Settings
from alicerce_enrichment.store import ProfileStore
from alicerce_enrichment.worker import make_handler
from pika.spec import BasicProperties
from prometheus_client import REGISTRY
from pydantic import ValidationError


def event(subject: UUID, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "id": uuid4(),
        "type": "user.updated",
        "version": 1,
        "occurred_at": datetime.now(UTC),
        "subject": subject,
        "data": {"revision": 1, "email": "ana@example.com", "name": "ana souza", "phone": None},
    }
    return Event(**values | changes)


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("alicerce_enrichments_total", {"outcome": outcome}) or 0.0


@pytest.mark.parametrize("kind", ["user.created", "user.updated"])
def test_an_event_becomes_an_enriched_profile(store: ProfileStore, kind: str) -> None:
    user = uuid4()
    make_handler(store)(event(user, type=kind))
    found = store.find(user)
    assert found is not None
    assert found.revision == 1
    assert found.name is not None
    assert found.name.full == "Ana Souza"
    assert abs((datetime.now(UTC) - found.enriched_at).total_seconds()) < 60


def test_a_repeated_event_is_counted_and_changes_nothing(store: ProfileStore) -> None:
    handle, once = make_handler(store), event(uuid4())
    handle(once)
    before, found = counted("duplicate"), store.find(once.subject)
    handle(once)
    assert counted("duplicate") == before + 1
    assert store.find(once.subject) == found


def test_another_kind_of_event_is_none_of_ours(store: ProfileStore) -> None:
    user = uuid4()
    make_handler(store)(event(user, type="user.greeted", data={"anything": 1}))
    assert store.find(user) is None


def test_a_version_from_the_future_is_kept_for_later(store: ProfileStore) -> None:
    with pytest.raises(PoisonEventError):
        make_handler(store)(event(uuid4(), version=2))


@pytest.mark.parametrize("data", [{}, {"revision": "new"}, {"revision": 2**63}, {"revision": 1, "name": []}])
def test_data_that_makes_no_sense_is_poison(store: ProfileStore, data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_handler(store)(event(uuid4(), data=data))


@pytest.fixture
def judge(store: ProfileStore, settings: Settings) -> Any:
    values = settings.model_dump() | {
        "mongodb_hosts": None,
        "metrics_port": 0,
        "rabbitmq_hosts": "127.0.0.1:9",
        "rabbitmq_vhost": "/",
        "rabbitmq_user": "none",
        "rabbitmq_password": "none",
        "event_queue": "none",
    }
    consumer = Consumer(ConsumerSettings(**values), make_handler(store), threading.Event())
    return lambda body: consumer.judge(body, BasicProperties())  # type: ignore[no-untyped-call]


def test_what_becomes_of_messages(judge: Any, store: ProfileStore) -> None:
    good = event(uuid4())
    assert judge(good.model_dump_json().encode()) is Verdict.DONE
    assert store.find(good.subject) is not None
    assert judge(b"no event") is Verdict.DEAD
    assert judge(event(uuid4(), data={}).model_dump_json().encode()) is Verdict.DEAD
