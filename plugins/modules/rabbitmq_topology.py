"""Module: make accounts, exchange, queues and policies of a RabbitMQ cluster what the catalogue says."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from typing import Any

from ansible.module_utils.alicerce_rabbitmq import ALGORITHM, SALT_BYTES, Tool, password_hash
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: rabbitmq_topology
short_description: Make accounts, exchange, queues and policies of a RabbitMQ cluster what the catalogue says
description:
  - Compares the exported definitions with the wanted ones and imports these when they differ. With nothing to
    do, it costs three calls of C(rabbitmqctl). Run it on one running member as root.
  - Each queue is a durable quorum queue with the dead-letter queue C(<queue>.dead), to which its policy sends
    at least once what was refused or delivered too often. An account may write to the exchange if its service
    publishes, and read its own queues; it configures nothing.
  - Removes accounts, permissions, and the virtual host's policies and bindings that are not wanted. Keeps
    queues that are not wanted, with a warning.
options:
  nodes:
    description:
      - Names of all nodes. It waits until they all run in one cluster, since a new queue gets its replicas on
        the running ones.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for the nodes.
    type: int
    default: 60
  vhost:
    description: The virtual host. It exists.
    type: str
    required: true
  exchange:
    description: The topic exchange.
    type: str
    required: true
  services:
    description: What each service has under C(rabbitmq) in the catalogue, by the service's name.
    type: dict
    required: true
  passwords:
    description: The services' passwords, by the service's name.
    type: dict
    required: true
  delivery_limit:
    description: Deliveries of a message before it is dead-lettered.
    type: int
    required: true
  length_limit:
    description: Messages that a queue takes before it refuses more.
    type: int
    required: true
  feature_flags:
    description: Features to enable before anything else, where all nodes offer them. None can be disabled again.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: Tells what it would change.}
author: [Alicerce]
"""

RETURN = """
changes:
  description: What was made, changed or removed, in words.
  returned: always
  type: list
  elements: str
"""

NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")


def is_password(password: str, user: dict[str, Any]) -> bool:
    """Whether an exported account has that password."""
    salt = base64.b64decode(user.get("password_hash") or "")[:SALT_BYTES]
    return user.get("hashing_algorithm") == ALGORITHM and hmac.compare_digest(
        password_hash(password, salt), user["password_hash"]
    )


def any_of(names: list[str]) -> str:
    """A regular expression for exactly these names."""
    return "^(" + "|".join(re.escape(name) for name in sorted(names)) + ")$" if names else "^$"


def wanted_definitions(params: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The definitions that the catalogue asks for, accounts without their passwords."""
    vhost, exchange = params["vhost"], params["exchange"]
    wanted: dict[str, list[dict[str, Any]]] = {
        "users": [],
        "permissions": [],
        "exchanges": [
            {
                "name": exchange,
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "arguments": {},
            }
        ],
        "queues": [],
        "bindings": [],
        "policies": [
            {
                # What died once stays until someone has looked at it.
                "name": "dead-letters",
                "vhost": vhost,
                "pattern": r"\.dead$",
                "apply-to": "quorum_queues",
                "priority": 1,
                "definition": {"delivery-limit": -1},
            }
        ],
    }
    for service, uses in sorted(params["services"].items()):
        queues = uses.get("queues") or {}
        wanted["users"].append({"name": service, "tags": [], "limits": {}})
        wanted["permissions"].append(
            {
                "user": service,
                "vhost": vhost,
                "configure": "^$",
                "write": any_of([exchange] if uses.get("publishes") else []),
                "read": any_of(list(queues)),
            }
        )
        for queue, settings in queues.items():
            wanted["queues"].extend(
                {
                    "name": name,
                    "vhost": vhost,
                    "durable": True,
                    "auto_delete": False,
                    "arguments": {"x-queue-type": "quorum"},
                }
                for name in (queue, f"{queue}.dead")
            )
            wanted["bindings"].extend(
                {
                    "source": exchange,
                    "vhost": vhost,
                    "destination": queue,
                    "destination_type": "queue",
                    "routing_key": key,
                    "arguments": {},
                }
                for key in settings["binding_keys"]
            )
            wanted["policies"].append(
                {
                    "name": queue,
                    "vhost": vhost,
                    "pattern": any_of([queue]),
                    "apply-to": "quorum_queues",
                    "priority": 1,
                    "definition": {
                        "dead-letter-exchange": "",
                        "dead-letter-routing-key": f"{queue}.dead",
                        "dead-letter-strategy": "at-least-once",
                        "overflow": "reject-publish",
                        "delivery-limit": params["delivery_limit"],
                        "max-length": params["length_limit"],
                    },
                }
            )
    return wanted


# What identifies an object of each kind.
KEYS = {
    "users": ("name",),
    "permissions": ("user", "vhost"),
    "exchanges": ("vhost", "name"),
    "queues": ("vhost", "name"),
    "bindings": ("vhost", "source", "destination", "routing_key"),
    "policies": ("vhost", "name"),
}


def by_key(kind: str, objects: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    return {tuple(item[key] for key in KEYS[kind]): item for item in objects}


def differences(
    wanted: dict[str, list[dict[str, Any]]],
    actual: dict[str, list[dict[str, Any]]],
    passwords: dict[str, str],
    vhost: str,
) -> tuple[list[str], dict[str, list[tuple[str, ...]]]]:
    """What has to be imported, in words, and the keys of what has to go, by kind."""
    changes: list[str] = []
    surplus: dict[str, list[tuple[str, ...]]] = {}
    for kind in KEYS:
        want, have = by_key(kind, wanted[kind]), by_key(kind, actual.get(kind, []))
        for key, item in want.items():
            exported = have.get(key)
            if exported is None or any(exported.get(name) != value for name, value in item.items()):
                changes.append(f"{kind}: {' '.join(key)}")
            elif kind == "users" and not is_password(passwords[key[0]], exported):
                changes.append(f"users: {key[0]} (password)")
        surplus[kind] = [
            key
            for key, item in have.items()
            if key not in want and (kind in {"users", "permissions"} or item["vhost"] == vhost)
        ]
    # Permissions go with their account.
    gone = {key[0] for key in surplus["users"]}
    surplus["permissions"] = [key for key in surplus["permissions"] if key[0] not in gone]
    return changes, surplus


class Cluster(Tool):  # type: ignore[misc]
    """The cluster, by the command line tool on one of its nodes."""

    def running_nodes(self) -> set[str]:
        # Not cluster_status, which costs a call to each node.
        return set(re.findall(r"'?([\w.@-]+@[\w.-]+)'?", self.call("eval", "rabbit_nodes:list_running().")))

    def definitions(self) -> dict[str, list[dict[str, Any]]]:
        definitions: dict[str, list[dict[str, Any]]] = json.loads(self.call("export_definitions", "-"))
        return definitions

    def disabled_features(self) -> set[str]:
        flags = json.loads(self.call("list_feature_flags", "name", "state", "--formatter", "json"))
        return {flag["name"] for flag in flags if flag["state"] == "disabled"}

    def remove(self, kind: str, key: tuple[str, ...]) -> None:
        if kind == "users":
            self.call("delete_user", key[0])
        elif kind == "permissions":
            self.call("clear_permissions", "-p", key[1], key[0])
        elif kind == "policies":
            self.call("clear_policy", "-p", key[0], key[1])
        elif kind == "bindings":
            # There is no such command. Base64 keeps any name from being code.
            terms = ", ".join(f'"{base64.b64encode(part.encode()).decode()}"' for part in key)
            self.call(
                "eval",
                f"[V, S, D, K] = [base64:decode(T) || T <- [{terms}]], "
                '[ok = rabbit_binding:remove(B, <<"ansible">>) || B <- '
                "rabbit_binding:list_for_source_and_destination("
                "rabbit_misc:r(V, exchange, S), rabbit_misc:r(V, queue, D)), element(3, B) =:= K].",
            )


def check_names(module: AnsibleModule) -> None:
    """Fail on names that RabbitMQ or the conventions do not allow."""
    params = module.params
    queues = [name for uses in params["services"].values() for name in uses.get("queues") or {}]
    for name in [params["vhost"], params["exchange"], *params["services"], *queues]:
        if not NAME.fullmatch(name):
            module.fail_json(msg=f"{name!r} is no name for RabbitMQ here: it must match {NAME.pattern}")
    if len(set(queues)) < len(queues):
        module.fail_json(msg="A queue belongs to one service, but the catalogue gives one to two.")
    if reserved := [name for name in queues if name.endswith(".dead")]:
        module.fail_json(msg=f"Names that end in .dead are for dead-letter queues: {', '.join(reserved)}")


def await_nodes(module: AnsibleModule, cluster: Cluster) -> None:
    """Wait until the cluster is that of the inventory; fail when it does not become so."""
    nodes = set(module.params["nodes"])
    deadline = time.monotonic() + module.params["timeout"]
    while (running := cluster.running_nodes()) != nodes:
        if time.monotonic() > deadline:
            problems = ["The cluster is not the one of the inventory."]
            if missing := sorted(nodes - running):
                problems.append(f"Not running in it: {', '.join(missing)} (journalctl -u rabbitmq-server).")
            if strange := sorted(running - nodes):
                problems.append(
                    f"Not in the inventory: {', '.join(strange)} (rabbitmqctl forget_cluster_node)."
                )
            module.fail_json(msg=" ".join(problems))
        time.sleep(1)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
            "vhost": {"type": "str", "required": True},
            "exchange": {"type": "str", "required": True},
            "services": {"type": "dict", "required": True},
            "passwords": {"type": "dict", "required": True, "no_log": True},
            "delivery_limit": {"type": "int", "required": True},
            "length_limit": {"type": "int", "required": True},
            "feature_flags": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    check_names(module)
    cluster = Cluster(module)
    await_nodes(module, cluster)

    features = sorted(cluster.disabled_features() & set(params["feature_flags"]))
    if not module.check_mode:
        for feature in features:
            cluster.call("enable_feature_flag", "--opt-in", feature)

    wanted = wanted_definitions(params)
    actual = cluster.definitions()
    changes, surplus = differences(wanted, actual, params["passwords"], params["vhost"])
    for key in surplus.pop("queues") + surplus.pop("exchanges"):
        module.warn(f"The catalogue does not name {key[1]} in {key[0]}. Empty it, then delete it by hand.")
    existing = by_key("queues", actual.get("queues", []))
    for key in by_key("queues", wanted["queues"]):
        if key in existing and existing[key]["arguments"].get("x-queue-type") != "quorum":
            module.fail_json(msg=f"{key[1]} is no quorum queue. Empty it, delete it, and run again.")

    if not module.check_mode:
        if changes:
            for user in wanted["users"]:
                user["hashing_algorithm"] = ALGORITHM
                user["password_hash"] = password_hash(params["passwords"][user["name"]])
            cluster.load(wanted)
        for kind, keys in surplus.items():
            for key in keys:
                cluster.remove(kind, key)
    changes += [f"feature {feature} enabled" for feature in features]
    changes += [f"{kind}: {' '.join(key)} removed" for kind, keys in surplus.items() for key in keys]
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
