import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import urlopen
from uuid import UUID, uuid4

import pika
import pytest
from alicerce_common.mongo import Document
from alicerce_enrichment.app import Settings
from alicerce_enrichment.store import COLLECTION, ProfileStore
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient
from stores import Topology, broker_settings, environment, free_port, wait_for

USERS, REVISIONS = 40, 5


@contextmanager
def worker(settings: dict[str, object], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a worker; yields its process and the port of its metrics."""
    port = free_port()
    settings = settings | {"metrics_port": port}
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "alicerce_enrichment.worker"],
            env=environment(settings, folder / "credentials"),
            stderr=log,
        )
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def told(settings: Settings, broker_vhost: Topology) -> dict[str, object]:
    own = settings.model_dump(exclude={"mongodb_hosts", "mongodb_password"}, exclude_none=True)
    hosts = ",".join(f"{host}:{port}" for host, port in settings.mongodb_hosts)
    password = settings.mongodb_password.get_secret_value()
    return own | broker_settings(broker_vhost) | {"mongodb_hosts": hosts, "mongodb_password": password}


def handled(port: int) -> int:
    """How many messages a worker is done with, by its own count."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    return sum(int(sample.value) for sample in samples if sample.name == "alicerce_events_consumed_total")


def publish(broker: Topology, bodies: list[bytes]) -> None:
    with broker.channel() as channel:
        channel.confirm_delivery()
        for body in bodies:
            properties = pika.BasicProperties(delivery_mode=2)  # type: ignore[no-untyped-call]
            channel.basic_publish(broker.exchange, "user.updated", body, properties, mandatory=True)


def event(user: UUID, revision: int) -> bytes:
    content: dict[str, Any] = {
        "id": str(uuid4()),
        "type": "user.updated",
        "version": 1,
        "occurred_at": datetime.now(UTC).isoformat(),
        "subject": str(user),
        "data": {"revision": revision, "name": f"ana {revision}", "email": "ana@example.com"},
    }
    return json.dumps(content).encode()


def test_nothing_is_lost_or_applied_twice_when_a_worker_is_killed(
    told: dict[str, object],
    broker_vhost: Topology,
    store: ProfileStore,
    client: MongoClient[Document],
    settings: Settings,
    tmp_path: Path,
) -> None:
    users = [uuid4() for _ in range(USERS)]
    events = [event(user, revision) for user in users for revision in range(1, REVISIONS + 1)]
    deliveries = events * 2
    Random(1).shuffle(deliveries)  # noqa: S311
    publish(broker_vhost, [*deliveries[:300], b"no event", *deliveries[300:]])

    profiles = client[settings.mongodb_database][COLLECTION]
    with worker(told, tmp_path) as (first, _):
        wait_for(lambda: profiles.count_documents({}) >= USERS // 4, timeout=180)
        first.kill()
    left = broker_vhost.depth()
    assert left
    with worker(told, tmp_path) as (_, port):
        # An empty queue is not enough: what a worker holds in reserve is not in it, and returns when it stops.
        wait_for(lambda: handled(port) >= left and broker_vhost.depth() == 0, timeout=180)
    assert profiles.count_documents({"revision": REVISIONS}) == USERS
    # It has said goodbye, so what it had not acknowledged would be back by now.
    assert broker_vhost.depth() == 0
    assert [body for _, body in broker_vhost.take(f"{broker_vhost.queue}.dead")] == [b"no event"]
    for user in users:
        found = store.find(user)
        assert found is not None
        assert found.name is not None
        assert found.name.full == f"Ana {REVISIONS}"
    for document in profiles.find():
        assert len(document["inbox"]) == len(set(document["inbox"]))
