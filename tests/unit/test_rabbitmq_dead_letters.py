"""What is told of dead letters, and how they are moved; Molecule's scenario rabbitmq does it on a cluster."""

from __future__ import annotations

import sys
import types
from typing import Any

from tests.unit.load import load_plugin

# As Ansible offers it to modules.
sys.modules["ansible.module_utils.alicerce_rabbitmq"] = load_plugin("module_utils/alicerce_rabbitmq.py")
dead = load_plugin("modules/rabbitmq_dead_letters.py")
HEADERS = {
    "traceparent": "00-1",
    "x-death": [{"reason": "rejected", "time": "2026-01-01 00:00:00"}],
    "x-first-death-reason": "rejected",
    "x-delivery-count": 3,
}


def properties(**changes: Any) -> Any:
    return types.SimpleNamespace(**{"message_id": "7", "type": "user.updated", "headers": HEADERS, **changes})


class Channel:
    """A queue's dead letters, and where they are moved to; what is moved dies at once again."""

    def __init__(self, count: int) -> None:
        self.dead = [(properties(), b"%d" % number) for number in range(count)]
        self.log: list[tuple[str, Any]] = []
        self.taken: list[tuple[Any, bytes]] = []

    def confirm_delivery(self) -> None:
        self.log.append(("confirm", None))

    def basic_get(self, queue: str) -> tuple[Any, Any, Any]:
        assert queue == "q.dead"
        if not self.dead:
            return None, None, None
        self.taken.append(self.dead.pop(0))
        method = types.SimpleNamespace(delivery_tag=len(self.taken), message_count=len(self.dead))
        return method, *self.taken[-1]

    def basic_publish(self, exchange: str, key: str, body: bytes, given: Any, *, mandatory: bool) -> None:
        assert (exchange, key, mandatory) == ("", "q", True)
        self.log.append(("publish", body))
        self.dead.append((given, body))

    def basic_ack(self, tag: int) -> None:
        self.log.append(("acknowledge", tag))


def work(channel: Channel, *, move: bool, limit: int = 100) -> Any:
    return dead.work(channel, {"queue": "q", "limit": limit, "bodies": False}, move=move)


def test_each_is_in_the_queue_before_it_leaves_and_is_moved_once() -> None:
    channel = Channel(2)
    total, messages = work(channel, move=True)
    assert (total, len(messages)) == (2, 2)
    assert channel.log == [
        ("confirm", None),
        ("publish", b"0"),
        ("acknowledge", 1),
        ("publish", b"1"),
        ("acknowledge", 2),
    ]
    assert channel.taken[0][0].headers == {"traceparent": "00-1"}


def test_looking_moves_nothing_and_stops_at_the_limit() -> None:
    channel = Channel(3)
    total, messages = work(channel, move=False, limit=2)
    assert (total, len(messages)) == (3, 2)
    assert channel.log == [("confirm", None)]
    assert work(Channel(0), move=True) == (0, [])


def test_what_they_hold_is_told_on_demand_only() -> None:
    body = b'{"occurred_at": "2026-01-01T00:00:00Z", "data": {"name": "Ana"}}'
    told = dead.told(properties(), body, bodies=False)
    assert told == {
        "id": "7",
        "type": "user.updated",
        "occurred_at": "2026-01-01T00:00:00Z",
        "reason": "rejected",
        "died_at": "2026-01-01 00:00:00",
        "bytes": len(body),
    }
    assert "Ana" in dead.told(properties(), body, bodies=True)["body"]
    assert (
        dead.told(properties(headers=None, message_id=None), b"no event", bodies=True)["body"] == "no event"
    )


def test_the_account_reads_these_dead_letters_alone() -> None:
    made = dead.definitions("v", "users.events", "dead-letters-1", "secret")
    (right,) = made["permissions"]
    assert right == {
        "user": "dead-letters-1",
        "vhost": "v",
        "configure": "^$",
        "write": r"^amq\.default$",
        "read": r"^users\.events\.dead$",
    }
    assert "secret" not in str(made)
