"""What is read from HAProxy's own words, and what follows for a server that shall be drained or put back."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.load import load_plugin

haproxy = load_plugin("modules/haproxy_server.py")
TEXTS = Path(__file__).with_name("haproxy")
"""Answers of a HAProxy with three servers. Of `auth`, node-a is drained and node-b in maintenance in drained.*"""


def text(name: str) -> str:
    return (TEXTS / name).read_text().strip()


def stat(**fields: str) -> dict[str, str]:
    zeros = dict.fromkeys(("scur", "qcur", "stot", "hrsp_5xx", "eresp", "econ", "rtime"), "0")
    return {**zeros, "status": "UP", **fields}


class Socket:
    """Answers as HAProxy does, and remembers what it was told."""

    def __init__(self, *stats: str, state: str = "drained_state.txt") -> None:
        self.stats, self.state = list(stats), state
        self.told: list[str] = []

    def ask(self, _: str, command: str) -> str:
        if " nowhere " in f"{command} ":
            return "No such proxy."
        if command.startswith("show stat"):
            return self.stats.pop(0) if len(self.stats) > 1 else self.stats[0]
        if command.startswith("show servers state"):
            return text(self.state)
        self.told.append(command)
        return ""

    def balancer(self, server: str = "node-a", *backends: str) -> Any:
        return haproxy.Balancer("/socket", server, list(backends or ("auth",)), self.ask)


def test_drain_and_maintenance_are_told_from_up() -> None:
    servers = Socket(text("drained.csv")).balancer().backend("auth")
    assert {name: (server["out"], server["up"]) for name, server in servers.items()} == {
        "node-a": (True, False),
        "node-b": (True, False),
        "node-c": (False, True),
    }


def test_a_drained_server_that_is_down_counts_as_drained() -> None:
    """HAProxy calls it DOWN, which alone would hide that somebody has drained it."""
    server = haproxy.describe(stat(status="DOWN"), 8)
    assert (server["out"], server["up"]) == (True, False)


@pytest.mark.parametrize(
    ("status", "up"),
    [
        ("UP", True),
        ("UP 1/2", True),
        ("no check", True),
        ("DOWN", False),
        ("DOWN 1/2", False),
        ("NOLB", False),
    ],
)
def test_up_is_what_takes_requests(status: str, up: bool) -> None:
    assert haproxy.describe(stat(status=status), 0)["up"] is up


def test_counters_are_read() -> None:
    server = Socket(text("failing.csv")).balancer().backend("auth")["node-a"]
    assert (server["current"], server["requests"], server["errors"]) == (0, 886, 60)


def test_what_is_not_known_here_is_passed_over() -> None:
    socket = Socket(text("drained.csv"))
    assert list(socket.balancer("node-a", "nowhere", "auth").backends()) == ["auth"]
    assert socket.balancer("node-x").own() == {}


def test_the_last_server_of_a_backend_is_named() -> None:
    backends = Socket(text("drained.csv")).balancer().backends()
    assert haproxy.alone(backends, "node-c") == ["auth"]
    assert haproxy.alone(backends, "node-a") == []


@pytest.mark.parametrize(
    ("server", "state", "changing"),
    [
        ("node-c", "drain", ["auth"]),
        ("node-c", "ready", []),
        ("node-a", "drain", []),
        ("node-a", "ready", ["auth"]),
        ("node-b", "drain", []),
        ("node-b", "ready", ["auth"]),
        ("node-a", "query", []),
    ],
)
def test_only_what_differs_is_changed(server: str, state: str, changing: list[str]) -> None:
    assert haproxy.due(Socket(text("drained.csv")).balancer(server).own(), state) == changing


def test_a_refusal_is_an_error() -> None:
    balancer = haproxy.Balancer("/socket", "node-a", ["auth"], lambda *_: "No such server.")
    with pytest.raises(haproxy.UnknownError, match="auth/node-a: No such server"):
        balancer.set("auth", "drain")


def test_requests_at_work_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy.time, "sleep", lambda _: None)
    busy = text("drained.csv").replace("auth,node-a,0,0,0,", "auth,node-a,0,0,2,")
    socket = Socket(busy, busy, text("drained.csv"))
    socket.balancer().wait(30, haproxy.at_work)
    assert len(socket.stats) == 1
    with pytest.raises(haproxy.NotInTimeError, match="after 0 s: auth/node-a still has 2 requests"):
        Socket(busy).balancer().wait(0, haproxy.at_work)


def test_a_server_that_does_not_come_up_is_named() -> None:
    with pytest.raises(haproxy.NotInTimeError, match="auth/node-a is DRAIN"):
        Socket(text("drained.csv")).balancer().wait(0, haproxy.not_up)


def test_no_socket_is_no_load_balancer(tmp_path: Path) -> None:
    with pytest.raises(haproxy.UnreachedError, match="No such file"):
        haproxy.ask(str(tmp_path / "admin.sock"), "show info")
