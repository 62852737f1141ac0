"""When quorum queues are whole, what has to move, and what is asked of RabbitMQ for it."""

import base64
import json
import re
from typing import Any

import pytest

from tests.unit.load import load_plugin

NODES = ["rabbit@a", "rabbit@b", "rabbit@c"]


queues = load_plugin("modules/rabbitmq_quorum_queues.py")


def queue(name: str, leader: str, **changes: dict[str, Any]) -> dict[str, Any]:
    """A whole queue, but for what some nodes, by their last letter, say else."""
    replicas = [
        {
            "node": node,
            "state": "leader" if node == leader else "follower",
            "membership": "voter",
            "term": 2,
            "commit_index": 100,
            "last_applied": 100,
            **changes.get(node[-1], {}),
        }
        for node in NODES
    ]
    return {"name": name, "leader": leader, "replicas": replicas}


def test_a_whole_queue_has_no_problem() -> None:
    assert queues.problems_of([queue("q", "rabbit@a")], NODES, 0) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"c": {"last_applied": 49}}, "rabbit@c is more than 50 entries behind in q"),
        ({"c": {"state": "down"}}, "rabbit@c has no replica that votes of q"),
        ({"c": {"membership": "promotable"}}, "rabbit@c has no replica that votes of q"),
        ({"a": {"state": "candidate"}}, "no node leads q"),
    ],
)
def test_what_a_queue_lacks_is_named(change: dict[str, Any], problem: str) -> None:
    assert problem in queues.problems_of([queue("q", "rabbit@a", **change)], NODES, 50)


def test_lag_up_to_the_limit_is_none_and_nodes_that_do_not_count_are_left_out() -> None:
    behind = queue("q", "rabbit@a", c={"last_applied": 50})
    assert queues.problems_of([behind], NODES, 50) == []
    assert queues.problems_of([behind], NODES[:2], 0) == []


def test_a_node_without_a_replica_is_named_with_all_its_queues() -> None:
    two = [queue("q", "rabbit@a"), queue("p", "rabbit@b")]
    for each in two:
        each["replicas"].pop()
    assert queues.problems_of(two, NODES, 50) == ["rabbit@c has no replica of p, q"]


def test_of_two_that_say_they_lead_the_later_term_counts() -> None:
    split = queue("q", "rabbit@a", b={"state": "leader", "term": 3})
    assert queues.leader(split) == "rabbit@b"


def test_only_queues_that_are_led_elsewhere_move() -> None:
    two = [queue("q", "rabbit@a"), queue("p", "rabbit@b")]
    assert queues.moves_of(two, NODES, "rabbit@b") == ["q from rabbit@a to rabbit@b"]
    assert queues.moves_of(two, NODES, "") == []


@pytest.mark.parametrize(
    ("leaders", "moves"),
    [
        ("aabb", []),
        ("aabc", []),
        ("aaab", ["1 of 3 queues away from rabbit@a"]),
        ("cccc", ["2 of 4 queues away from rabbit@c"]),
        ("", []),
    ],
)
def test_leaders_are_spread_when_none_has_more_than_its_share(leaders: str, moves: list[str]) -> None:
    found = [queue(str(n), f"rabbit@{letter}") for n, letter in enumerate(leaders)]
    assert queues.moves_of(found, NODES, "spread") == moves


@pytest.mark.parametrize("state", ["noproc", "await_condition"])
def test_a_replica_that_is_stuck_is_lost_where_most_run_without_it(state: str) -> None:
    assert queues.lost_replicas([queue("q", "rabbit@a", c={"state": state})]) == {("q", "rabbit@c")}


def test_no_other_replica_is_lost() -> None:
    # Its node does not answer, or one more is away, or nobody leads.
    for changes in (
        {"c": {"state": "down"}},
        {"c": {"state": "noproc"}, "b": {"state": "down"}},
        {"c": {"state": "noproc"}, "a": {"state": "candidate"}},
        {"c": {"state": "noproc"}, "a": {"state": "follower"}},
        {},
    ):
        assert queues.lost_replicas([queue("q", "rabbit@a", **changes)]) == set()


def test_a_replica_is_dropped_before_it_is_made_anew() -> None:
    module = Module((0, "", ""), (0, "", ""))
    queues.Broker(module, "v").replace("q", "rabbit@c")
    assert [command[4:] for command in module.commands] == [
        [verb, "--vhost", "v", "q", "rabbit@c"] for verb in ("delete_member", "add_member")
    ]


class Module:
    """What Broker needs of AnsibleModule."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        self.answers = list(answers)
        self.commands: list[list[str]] = []

    def get_bin_path(self, name: str, required: bool) -> str:
        assert required
        return f"/usr/sbin/{name}"

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command)
        return self.answers.pop(0)


def test_the_answer_is_read_from_erlangs_lines() -> None:
    code = base64.b64encode(json.dumps([queue("q", "rabbit@a")]).encode()).decode()
    broker = queues.Broker(Module((0, f'<<"{code[:60]}"\n  "{code[60:]}">>\n', "")), "v")
    assert broker.queues() == [queue("q", "rabbit@a")]


@pytest.mark.parametrize("answer", [(69, "", "Error: unable to connect"), (0, "{error, x}", "")])
def test_another_answer_is_told(answer: tuple[int, str, str]) -> None:
    with pytest.raises(queues.NoAnswerError, match=r"unable to connect|\{error, x\}"):
        queues.Broker(Module(answer), "v").queues()


def test_names_are_never_code() -> None:
    module = Module((0, "", ""))
    queues.Broker(module, 'v">>').move([queue('q"]).', "rabbit@a"), queue("p", "rabbit@b")], "rabbit@b")
    (command,) = module.commands
    names = [base64.b64decode(name).decode() for name in re.findall(r'decode\("([^"]*)"\)', command[-1])]
    assert names == ['v">>', "rabbit@b", 'q"]).']
    assert command[-1].count('"') == 2 * len(names)


def test_spreading_is_rabbitmqs_own_command() -> None:
    module = Module((0, "", ""))
    queues.Broker(module, "v.1").move([], "spread")
    assert module.commands[0][-4:] == ["rebalance", "quorum", "--vhost-pattern", r"^v\.1$"]
