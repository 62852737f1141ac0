"""Module: tell whether the quorum queues of a virtual host are whole, and move their leaders."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: rabbitmq_quorum_queues
short_description: Tell whether the quorum queues of a virtual host are whole, and move their leaders
description:
  - A queue is whole when it has a leader, and each of O(nodes) has a replica that votes and is not too far behind.
  - Costs one call of C(rabbitmqctl) with nothing to do. Run it on one running member as root.
  - RabbitMQ has a command that spreads leaders, C(rabbitmq-queues rebalance), and none that moves them to one node,
    which its own maintenance mode does by the function that this calls.
options:
  vhost: {type: str, required: true, description: The virtual host.}
  nodes: {type: list, elements: str, required: true, description: Names of the nodes that must have replicas.}
  max_lag: {type: int, required: true, description: Entries of its log that a replica may be behind.}
  lead:
    description: Name of the node that shall lead all queues, or C(spread). Empty moves nothing.
    type: str
    default: ""
  replace:
    description:
      - Whether a node that runs gets its replica of a queue anew where that does not run, or waits for entries that do not come, as one does
        whose log was cut short by a full disk. Only where most replicas run without it, and when it did not run once within O(timeout).
    type: bool
    default: false
  timeout: {type: int, default: 0, description: Seconds to wait until the queues are whole and led as asked.}
attributes:
  check_mode: {support: full, description: Tells what it would move or replace.}
author: [Alicerce]
"""

RETURN = """
problems: {description: "Why the queues are not whole, in words.", type: list, elements: str, returned: always}
moves: {description: "What was or would be moved, in words.", type: list, elements: str, returned: always}
replaced: {description: "Replicas that were or would be given to their nodes anew, in words.", type: list, elements: str, returned: always}
leaders: {description: Each queue's leader., type: dict, returned: always}
"""

EXAMPLES = """
- name: Move all leaders
  rabbitmq_quorum_queues:
    vhost: example
    nodes: [rabbit@a.example, rabbit@b.example, rabbit@c.example]
    max_lag: 5000
    lead: rabbit@b.example
    timeout: 60
"""

SPREAD = "spread"
RUNNING = {"leader", "follower"}
"""States of a replica that takes part."""
STUCK = {"noproc", "await_condition"}
"""States of a replica on a node that runs, which it leaves soon if it can: it does not run, or waits for entries of its log."""
CALL_SECONDS = 30
"""Seconds that a call of RabbitMQ's tools may take."""

# What each replica says of itself; base64, since the tool prints Erlang's terms and breaks their lines.
ASK = """
base64:encode(rabbit_json:encode([begin
  {P, L} = amqqueue:get_pid(Q),
  #{name => element(4, amqqueue:get_name(Q)), leader => L, replicas =>
    [(try ra:key_metrics({P, N}, 2000) catch _:_ -> #{state => down} end)#{node => N} || N <- rabbit_quorum_queue:get_replicas(Q)]}
end || Q <- rabbit_amqqueue:list(%s), amqqueue:get_type(Q) =:= rabbit_quorum_queue])).
"""
MOVE = """
[begin
  {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(%s, queue, N)),
  rabbit_quorum_queue:transfer_leadership(Q, binary_to_existing_atom(%s))
end || N <- [%s]].
"""


class NoAnswerError(Exception):
    """RabbitMQ does not answer, or with something else."""


def term(text: str) -> str:
    """A binary for Erlang. Base64 keeps any name from being code."""
    return f'base64:decode("{base64.b64encode(text.encode()).decode()}")'


def leader(queue: dict[str, Any]) -> str:
    """The node that leads a queue, or nothing: the replica that says so, of the latest term."""
    leaders = [replica for replica in queue["replicas"] if replica["state"] == "leader"]
    return str(max(leaders, key=lambda replica: replica.get("term", 0))["node"]) if leaders else ""


def problems_of(queues: list[dict[str, Any]], nodes: list[str], max_lag: int) -> list[str]:
    """Why queues are not whole, a line for each node and reason."""
    found: dict[str, list[str]] = {}
    for queue in queues:
        replicas = {replica["node"]: replica for replica in queue["replicas"]}
        if not leader(queue):
            found.setdefault("no node leads", []).append(queue["name"])
        committed = max((replica.get("commit_index", 0) for replica in replicas.values()), default=0)
        for node in nodes:
            replica = replicas.get(node)
            if replica is None:
                why = "has no replica of"
            elif replica["state"] not in RUNNING or replica.get("membership") != "voter":
                why = "has no replica that votes of"
            elif committed - replica.get("last_applied", 0) > max_lag:
                why = f"is more than {max_lag} entries behind in"
            else:
                continue
            found.setdefault(f"{node} {why}", []).append(queue["name"])
    return [f"{why} {', '.join(sorted(names))}" for why, names in sorted(found.items())]


def moves_of(queues: list[dict[str, Any]], nodes: list[str], lead: str) -> list[str]:
    """What has to move, in words: nothing when all is led as asked."""
    if lead == SPREAD:
        # As many as RabbitMQ's command leaves on a node.
        share = -(-len(queues) // len(nodes))
        counts = Counter(leader(queue) for queue in queues)
        return [
            f"{count - share} of {count} queues away from {node}"
            for node, count in sorted(counts.items())
            if count > share
        ]
    return [
        f"{queue['name']} from {leader(queue)} to {lead}"
        for queue in sorted(queues, key=lambda queue: str(queue["name"]))
        if lead and leader(queue) != lead
    ]


def lost_replicas(queues: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Queue and node of each replica that is stuck on a node that runs, where most of the others run and one of them leads."""
    found: set[tuple[str, str]] = set()
    for queue in queues:
        running = sum(replica["state"] in RUNNING for replica in queue["replicas"])
        if leader(queue) and 2 * running > len(queue["replicas"]):
            found |= {
                (queue["name"], replica["node"]) for replica in queue["replicas"] if replica["state"] in STUCK
            }
    return found


class Broker:
    """RabbitMQ, by its tools on one of the nodes."""

    def __init__(self, module: AnsibleModule, vhost: str) -> None:
        self.module = module
        self.vhost = vhost

    def call(self, tool: str, *arguments: str) -> str:
        program = self.module.get_bin_path(tool, required=True)
        code, output, error = self.module.run_command(
            [program, "--quiet", "--timeout", str(CALL_SECONDS), *arguments]
        )
        if code:
            raise NoAnswerError(f"{tool} {arguments[0]}: {(error or output).strip()[:500]}")
        return str(output)

    def queues(self) -> list[dict[str, Any]]:
        output = self.call("rabbitmqctl", "eval", ASK % term(self.vhost))
        try:
            queues: list[dict[str, Any]] = json.loads(
                base64.b64decode("".join(re.findall(r'"([^"]*)"', output)))
            )
        except ValueError as error:
            raise NoAnswerError(f"rabbitmqctl eval answers {output.strip()[:500]}") from error
        return queues

    def move(self, queues: list[dict[str, Any]], lead: str) -> None:
        if lead == SPREAD:
            self.call(
                "rabbitmq-queues", "rebalance", "quorum", "--vhost-pattern", f"^{re.escape(self.vhost)}$"
            )
            return
        names = [term(queue["name"]) for queue in queues if leader(queue) != lead]
        self.call("rabbitmqctl", "eval", MOVE % (term(self.vhost), term(lead), ", ".join(names)))

    def replace(self, queue: str, node: str) -> None:
        """Drop a replica with its log, and have it copied from the leader."""
        for verb in ("delete_member", "add_member"):
            self.call("rabbitmq-queues", verb, "--vhost", self.vhost, queue, node)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "vhost": {"type": "str", "required": True},
            "nodes": {"type": "list", "elements": "str", "required": True},
            "max_lag": {"type": "int", "required": True},
            "lead": {"type": "str", "default": ""},
            "replace": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    nodes, lead = module.params["nodes"], module.params["lead"]
    broker = Broker(module, module.params["vhost"])
    deadline = time.monotonic() + module.params["timeout"]
    moved: list[str] = []
    replaced: list[str] = []
    queues: list[dict[str, Any]] = []
    lost: set[tuple[str, str]] | None = None
    while True:
        try:
            queues = broker.queues()
            problems = problems_of(queues, nodes, module.params["max_lag"])
            if not problems:
                moves = moves_of(queues, nodes, lead)
                moved = moved or moves
                # The cluster's records, by which clients are told, follow the election.
                settled = not lead or all(queue["leader"] == leader(queue) for queue in queues)
                if module.check_mode or (settled and not moves):
                    break
                if moves:
                    problems = [f"still to move: {', '.join(moves)}"]
                    broker.move(queues, lead)
                else:
                    problems = ["the cluster does not know its new leaders yet"]
            stuck = lost_replicas(queues)
            lost = stuck if lost is None else lost & stuck
            if module.params["replace"] and not replaced and time.monotonic() >= deadline:
                replaced = [f"{queue} on {node}" for queue, node in sorted(lost)]
                if lost and not module.check_mode:
                    for queue, node in sorted(lost):
                        broker.replace(queue, node)
                    deadline = time.monotonic() + module.params["timeout"]
        except NoAnswerError as error:
            problems = [str(error)]
        if time.monotonic() >= deadline:
            break
        time.sleep(1)
    answer = {
        "problems": problems,
        "moves": moved,
        "replaced": replaced,
        "leaders": {q["name"]: leader(q) for q in queues},
    }
    if lead and problems:
        module.fail_json(msg=f"Queues are not led as asked: {'; '.join(problems)}", **answer)
    module.exit_json(changed=bool(moved or replaced), **answer)


if __name__ == "__main__":
    main()
