"""One fault, some times: clients write all the while, then what they were told is held against what the store has."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.failure.faults import FAULTS, Fault, Scene, lead_to
from tests.failure.history import Promise, Verdict, judge
from tests.failure.platform import Clients, Platform, clients

STEADY = 4.0
"""Seconds for which writes must flow before a fault, after it, and once all is whole again."""
RECOVERS = 120.0
"""Seconds in which writes must flow again."""

PROMISES = {
    "postgresql": Promise(),
    "mongodb": Promise(stale_within=5.0),
    "rabbitmq": Promise(repeats=True),
    # What `min-replicas-max-lag` promises (redis_replica_lag_limit): the server counts the lag in whole seconds, and looks once a second.
    "redis": Promise(lost_within=10.0 + 2.0),
}


def leader(platform: Platform, at_work: Clients) -> str:
    """Return the host that leads a store. RabbitMQ has a leader a queue, and its clients cannot tell."""
    if at_work.store != "rabbitmq":
        return at_work.leader()
    member = platform.members(at_work.store)[0]
    table = platform.ssh(
        member, "rabbitmqctl --quiet list_queues --vhost alicerce --no-table-headers name leader"
    )
    for line in table.splitlines():
        name, _, node = line.partition("\t")
        if name == "history.records":
            return platform.host_of(node.partition("@")[2])
    raise AssertionError(f"the clients' queue is not there:\n{table}")


def strike(
    platform: Platform, store: str, fault_name: str, times: int, say: Callable[[str], None]
) -> list[Verdict]:
    """Strike a store with a fault some times, each time while clients write, and return the verdicts."""
    fault = FAULTS[fault_name]
    platform.await_whole(store)
    with fault.stage(platform, store) as stage:
        return [_once(platform, store, fault, stage, say) for _ in range(times)]


def _once(
    platform: Platform, store: str, fault: Fault, stage: str | None, say: Callable[[str], None]
) -> Verdict:
    if stage:
        lead_to(platform, store, stage)
    with clients(platform, store) as at_work:
        assert at_work.await_flow(STEADY, 60), "writes do not flow on a whole cluster"
        scene = Scene(platform, store, leader(platform, at_work))
        say(f"{store}: {fault.meaning} ({scene.leader})")
        began = time.monotonic()
        try:
            fault.strike(scene)
            time.sleep(max(0.0, began + fault.lasts - time.monotonic()))
            # Not at once: a leader that is cut off takes writes for a while, as if nothing were.
            flows = at_work.await_flow(STEADY, RECOVERS) if fault.heals_itself else True
        finally:
            scene.end()
        flows = at_work.await_flow(STEADY, RECOVERS) and flows
        whole = platform.await_whole(store)
        at_work.await_flow(STEADY, 30)
        verdict = judge(at_work.finish(), PROMISES[store])
    if not flows:
        verdict.problems.append(f"writes did not flow again within {RECOVERS:.0f} s")
    say(
        f"{store}: gap {verdict.gap} s, {verdict.acknowledged} acknowledged, {len(verdict.lost)} lost, whole {whole:.0f} s"
        f" after the fault's end: {'; '.join(verdict.problems) or 'kept its promise'}"
    )
    return verdict
