"""When redis_failover goes on, and what it leaves behind when it cannot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.load import load_plugin

failover = load_plugin("modules/redis_failover.py")
Answer = Callable[..., Any]


class Server:
    """A server that answers by a function, and remembers what it was asked."""

    def __init__(self, answer: Answer = lambda *_: "OK") -> None:
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    def ask(self, *words: object) -> Any:
        self.asked.append(words)
        return self.answer(*words)


def sentinel(priorities: dict[str, int], flags: str = "master", heir_flags: str = "slave") -> Server:
    def answer(_: str, verb: str, *__: object) -> Any:
        if verb == "MASTER":
            return ["ip", "a", "flags", flags]
        return [
            [
                *("ip", host),
                *("flags", heir_flags),
                *("master-link-status", "ok"),
                *("slave-priority", str(n)),
            ]
            for host, n in priorities.items()
        ]

    return Server(answer)


def cluster(watcher: Server, **redis: Server) -> Any:
    made = failover.Cluster.__new__(failover.Cluster)
    made.settings = {"priority": 100, "pause": 100, "timeout": 0, "port": 1}
    made.heir, made.name = "b", "name"
    made.redis, made.sentinels = redis, {"a": watcher, "b": watcher}
    return made


@pytest.mark.parametrize(
    ("watcher", "expected"),
    [
        (sentinel({"b": 1, "c": 100}), True),
        (sentinel({"b": 100, "c": 100}), False),
        (sentinel({"b": 1, "c": 1}), False),
        (sentinel({"c": 100}), False),
        (sentinel({"b": 1, "c": 100}, flags="master,failover_in_progress"), False),
        (sentinel({"b": 1, "c": 100}, heir_flags="s_down,slave"), False),
    ],
)
def test_only_an_idle_sentinel_that_prefers_the_heir_will_do(watcher: Server, expected: bool) -> None:
    assert cluster(watcher).would_take_heir(watcher) is expected


def test_nothing_is_paused_while_a_sentinel_would_take_another() -> None:
    a, b = Server(), Server()
    with pytest.raises(failover.RedisError, match="every Sentinel would take b"):
        cluster(sentinel({"b": 100}), a=a, b=b).hand_over("a")
    assert a.asked == [("CONFIG", "SET", "replica-priority", 100)]
    assert b.asked[-2:] == [("CONFIG", "SET", "replica-priority", 100), ("CONFIG", "REWRITE")]


def test_writes_go_on_when_the_heir_does_not_catch_up() -> None:
    a = Server(lambda word, *_: ["master", 10, []] if word == "ROLE" else "OK")
    b = Server(lambda word, *_: ["slave", "a", 1, "connected", 9] if word == "ROLE" else "OK")
    watcher = sentinel({"b": 1})
    with pytest.raises(failover.RedisError, match="b has all writes"):
        cluster(watcher, a=a, b=b).hand_over("a")
    assert a.asked[-1] == ("CLIENT", "UNPAUSE")
    assert b.asked[-2:] == [("CONFIG", "SET", "replica-priority", 100), ("CONFIG", "REWRITE")]
    assert not any("FAILOVER" in words for words in watcher.asked)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"+OK\r\n", "OK"),
        (b":7\r\n", 7),
        (b"$4\r\na\r\nb\r\n", "a\r\nb"),
        (b"$-1\r\n", None),
        (b"*2\r\n$1\r\nx\r\n*1\r\n:1\r\n", ["x", [1]]),
    ],
)
def test_answers_are_read(sent: bytes, expected: object, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(sent)
    server = failover.Server.__new__(failover.Server)
    with (tmp_path / "sent").open("rb") as server.stream:
        assert server.answer() == expected
