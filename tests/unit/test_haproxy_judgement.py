"""When a server does worse than its peers: by what HAProxy said of servers that were made slow, and made to fail."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.load import load_plugin

haproxy = load_plugin("modules/haproxy_server.py")
plugin = load_plugin("filter/haproxy_judgement.py")
judge = plugin.haproxy_judgement
TEXTS = Path(__file__).with_name("haproxy")


def sample(name: str) -> dict[str, Any]:
    """Of a backend that took 900 requests of 10 ms (before), 60 with 300 ms at node-a (slow), 60 with 500 there (failing)."""
    stats = haproxy.parse_stat((TEXTS / f"{name}.csv").read_text().strip())
    return {server: haproxy.describe(stat, 0) for server, stat in stats.items()}


def counted(requests: int, errors: int = 0, milliseconds: int = 20) -> dict[str, int]:
    return {"requests": requests, "errors": errors, "milliseconds": milliseconds}


NOTHING = {"a": counted(0), "b": counted(0)}


def test_a_server_that_answers_500_has_failed() -> None:
    verdict = judge([sample("slow")], [sample("failing")], "node-a")
    assert verdict["failed"]
    assert verdict["detail"].startswith("50 requests, 100.0 % failed")


def test_its_peers_have_not() -> None:
    assert not judge([sample("slow")], [sample("failing")], "node-b", min_requests=5)["failed"]


def test_a_slow_server_is_told_from_its_own_past() -> None:
    """Its average was 13 ms over 780 requests before; the 50 since are to be seen alone."""
    verdict = judge([sample("before")], [sample("slow")], "node-a", latency_floor_milliseconds=250)
    assert verdict["failed"]
    own, _ = plugin.totals([sample("before")], [sample("slow")], "node-a")
    assert own.mean == pytest.approx(310, abs=30)


def test_fast_enough_is_never_slow() -> None:
    assert not judge([sample("before")], [sample("slow")], "node-a")["failed"]


def test_times_need_not_be_compared() -> None:
    assert not judge(
        [sample("before")], [sample("slow")], "node-a", latency_floor_milliseconds=0, latency_factor=0
    )["failed"]


def test_a_few_requests_are_no_ground() -> None:
    verdict = judge([NOTHING], [{"a": counted(19, 19), "b": counted(200)}], "a")
    assert (verdict["failed"], verdict["judged"]) == (False, False)


def test_load_balancers_are_summed_up() -> None:
    after = {"a": counted(10, 1), "b": counted(100)}
    assert not judge([NOTHING], [after], "a")["judged"]
    assert judge([NOTHING, NOTHING], [after, after], "a")["failed"]


def test_errors_of_all_alike_are_not_its_own() -> None:
    assert not judge([NOTHING], [{"a": counted(100, 30), "b": counted(100, 28)}], "a")["failed"]


def test_a_reload_begins_the_counts_anew() -> None:
    own, _ = plugin.totals([{"a": counted(900, 50)}], [{"a": counted(30, 1)}], "a")
    assert (own.requests, own.errors, own.mean) == (30, 1, 20)


def test_a_single_server_is_judged_by_its_errors_alone() -> None:
    slow, failing = {"a": counted(100, 0, 5000)}, {"a": counted(100, 50)}
    assert not judge([{"a": counted(0)}], [slow], "a")["failed"]
    assert judge([{"a": counted(0)}], [failing], "a")["failed"]


def test_a_server_that_a_load_balancer_learns_of_meanwhile_is_left_out() -> None:
    own, _ = plugin.totals([{}], [{"a": counted(30, 1)}], "a")
    assert own.requests == 0
