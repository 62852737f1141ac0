"""A deployment that comes while a store fails over, or after, moves no leader and changes nothing that was right."""

from __future__ import annotations

import re
import threading

import pytest

from tests.failure.experiment import PROMISES, STEADY
from tests.failure.faults import KILLED
from tests.failure.history import judge
from tests.failure.platform import Platform, PlatformError, clients

STORES = ("postgresql", "mongodb", "redis")
"""Those that have one leader."""
TAGS = ",".join(("etcd", "rabbitmq", *STORES))


def deploy(platform: Platform, store: str, outcome: list[str]) -> None:
    """Run a store's deployment; one that finds the store without its leader may stop, and says so."""
    try:
        outcome.append(platform.ansible("site.yml", "--tags", store))
    except PlatformError as error:
        outcome.append(str(error))


@pytest.mark.parametrize("store", STORES)
def test_a_run_during_and_after_a_failover_moves_no_leader(platform, store):
    platform.await_whole(store)
    outcome: list[str] = []
    with clients(platform, store) as at_work:
        assert at_work.await_flow(STEADY, 60)
        before = at_work.leader()
        run = threading.Thread(target=deploy, args=(platform, store, outcome))
        run.start()
        platform.ssh(before, KILLED[store])
        # A process that is back before anybody calls it dead goes on leading.
        assert at_work.await_flow(STEADY, 60), f"{before} was struck, and nobody takes writes"
        successor = at_work.leader()
        run.join()
        platform.await_whole(store)
        assert at_work.leader() == successor, outcome
        print(f"{store}: {before} led, {successor} leads; the run during it:\n{outcome[0][-1500:]}")
        said = platform.ansible("site.yml", "--tags", TAGS)
        assert not re.search(r"changed=[1-9]", said), said[-3000:]
        assert at_work.leader() == successor
        assert at_work.await_flow(STEADY, 60)
        verdict = judge(at_work.finish(), PROMISES[store])
    assert verdict.problems == []
