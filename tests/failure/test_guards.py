"""A member that has really fallen behind keeps the others from a restart and from a switchover, until it has caught up."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.failure.experiment import PROMISES, STEADY, leader
from tests.failure.history import judge
from tests.failure.platform import Platform, PlatformError, clients

Hold = Callable[[Platform, str, str], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def receiver_stopped(platform: Platform, member: str, leader: str) -> Iterator[None]:
    """PostgreSQL: the standby takes no log while the leader fills some segments."""
    platform.signal_receiver("STOP", member)
    try:
        for _ in range(3):
            platform.postgresql_at(leader, "SELECT pg_switch_wal()")
            time.sleep(1)
        yield
    finally:
        platform.signal_receiver("CONT", member)


@contextlib.contextmanager
def locked(platform: Platform, member: str, _leader: str) -> Iterator[None]:
    """MongoDB: the secondary applies nothing."""
    platform.mongodb("client.admin.command('fsync', lock=True)", member=member)
    try:
        yield
    finally:
        platform.mongodb("client.admin.command('fsyncUnlock')", member=member)


@contextlib.contextmanager
def suspended(platform: Platform, member: str, _leader: str) -> Iterator[None]:
    """RabbitMQ: the queue's replica on that member does nothing."""
    replica = "{'alicerce_history.records', node()}"
    platform.ssh(member, f'rabbitmqctl --quiet eval "sys:suspend({replica})."')
    try:
        yield
    finally:
        platform.ssh(member, f'rabbitmqctl --quiet eval "sys:resume({replica})."')


@contextlib.contextmanager
def deaf(platform: Platform, member: str, leader: str) -> Iterator[None]:
    """Redis: nothing more comes by the connection on which the replica gets what is written."""
    address = platform.address(leader)
    sockets = f"ss --no-header --tcp --numeric --processes state established dst {address}:6379"
    port = f"$({sockets} | grep '\"redis-server\"' | awk '{{print $3}}' | grep --only-matching '[0-9]*$')"
    rule = f"ip saddr {address} tcp sport 6379 tcp dport {port} drop;"
    chain = f"chain in {{ type filter hook input priority -300; {rule} }}"
    platform.ssh(member, f'nft "table inet guard {{\n{chain}\n}}"')
    try:
        yield
    finally:
        platform.ssh(member, "nft delete table inet guard")


@dataclass(frozen=True)
class Case:
    """How a member of one store is held back, and how the store says so."""

    hold: Hold
    says: str
    """Pattern of what status and refusals say."""
    limit: str = ""
    """Variables of the role that are lowered, so that lag shows, and is refused, within seconds."""


CASES = {
    "postgresql": Case(receiver_stopped, "lagging: {member}"),
    "mongodb": Case(locked, r"{member}\S* lags by \d+ s", "mongodb_status_max_lag_seconds=5"),
    "rabbitmq": Case(
        suspended, r"\d+ entries behind", "rabbitmq_status_max_lag_entries=50 rabbitmq_whole_timeout=10"
    ),
    "redis": Case(deaf, "too far behind the primary: {member}", "redis_status_max_lag_bytes=100000"),
}


def refusal(platform: Platform, playbook: str, *arguments: str) -> str:
    """Return what a playbook says when it stops; "" when it does not."""
    try:
        platform.ansible(playbook, *arguments)
    except PlatformError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("store", CASES)
def test_nothing_moves_while_a_member_lags(platform, store):
    case = CASES[store]
    limit = ["--extra-vars", case.limit] if case.limit else []
    platform.await_whole(store)
    with clients(platform, store) as at_work:
        assert at_work.await_flow(STEADY, 60)
        before = leader(platform, at_work)
        held, other = (member for member in platform.members(store) if member != before)
        says = case.says.format(member=held)
        mark = f"/var/lib/alicerce/restart/{store}"
        restart = ["playbooks/restart_marked.yml", "--tags", store]
        with case.hold(platform, held, before):
            deadline = time.monotonic() + 90
            whole = ["tests/failure/whole.yml", "--extra-vars", f"store={store}", *limit]
            while not re.search(says, said := refusal(platform, *whole)):
                assert time.monotonic() < deadline, f"no lag shows: {said}"
            said = refusal(
                platform, "playbooks/switchover.yml", "--extra-vars", f"component={store} to={other}", *limit
            )
            assert re.search(says, said), said or "the lead was handed over"
            platform.ssh(other, f"touch {mark}")
            said = refusal(platform, *restart, *limit)
            assert re.search(says, said), said or f"{other} was restarted"
            assert leader(platform, at_work) == before
        platform.await_whole(store)
        # The mark has stayed: what was refused is done by the next run.
        platform.ansible(*restart)
        platform.ssh(other, f"[ ! -e {mark} ]")
        assert at_work.await_flow(STEADY, 60)
        verdict = judge(at_work.finish(), PROMISES[store])
    assert verdict.problems == []
