"""Module: show what a dead-letter queue holds, and move it back."""

from __future__ import annotations

import json
import secrets
import ssl
from typing import Any

from ansible.module_utils.alicerce_rabbitmq import ALGORITHM, Tool, password_hash
from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import pika
    from pika.exceptions import AMQPError
except ImportError:
    pika = None  # type: ignore[assignment]
    AMQPError = Exception  # type: ignore[assignment,misc]

DOCUMENTATION = """
module: rabbitmq_dead_letters
short_description: Show what a dead-letter queue holds, and move it back
description:
  - Run it on one running member as root. It makes an account for as long as it works, which may read C(<queue>.dead) and nothing else, and write to O(queue).
  - C(replay) moves what is there when it begins: each message is published to O(queue) and confirmed by a majority before it leaves the dead-letter queue. Where it breaks off in between,
    a message is in both, so a consumer must know what it has handled, as it must anyhow.
  - C(show) takes and gives back; the dead-letter queue has no limit of deliveries.
options:
  vhost: {type: str, required: true, description: The virtual host.}
  queue: {type: str, required: true, description: "The queue, not its dead-letter queue."}
  action:
    type: str
    choices: [show, replay]
    default: show
    description: What to do.
  bodies: {type: bool, default: false, description: "Whether to show what the messages hold, which may be people's data."}
  limit: {type: int, default: 100, description: How many messages to show or move at most.}
  host: {type: str, required: true, description: "Name of this node, as its certificate has it."}
  port: {type: int, required: true, description: Its port for TLS.}
  ca_file: {type: path, required: true, description: Certificate authority to verify it with.}
  certificate_file: {type: path, required: true, description: Certificate to show.}
  key_file: {type: path, required: true, description: Its key.}
attributes:
  check_mode: {support: full, description: Shows what it would move.}
requirements: [pika]
author: [Alicerce]
"""

RETURN = """
total: {description: How many there were., type: int, returned: always}
messages: {description: What was shown or moved., type: list, elements: dict, returned: always}
"""

EXAMPLES = """
- name: Move back what could not be handled
  rabbitmq_dead_letters:
    vhost: example
    queue: users.account-events
    action: replay
    host: a.example
    port: 5671
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.crt
    key_file: /etc/ssl/host.key
"""

OWN_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-")
"""Beginnings of the headers that RabbitMQ itself has put in."""


def without_own(headers: dict[str, Any] | None) -> dict[str, Any]:
    """Return a message's headers as its publisher has set them."""
    return {name: value for name, value in (headers or {}).items() if not name.startswith(OWN_HEADERS)}


def told(properties: Any, body: bytes, *, bodies: bool) -> dict[str, Any]:
    """Return what is told of a message."""
    headers = properties.headers or {}
    deaths = headers.get("x-death") or [{}]
    try:
        event = json.loads(body)
        occurred = event.get("occurred_at", "") if isinstance(event, dict) else ""
    except ValueError:
        occurred = ""
    return {
        "id": properties.message_id or "",
        "type": properties.type or "",
        "occurred_at": occurred,
        "reason": str(deaths[0].get("reason", headers.get("x-first-death-reason", ""))),
        "died_at": str(deaths[0].get("time", "")),
        "bytes": len(body),
        **({"body": body.decode(errors="replace")} if bodies else {}),
    }


def definitions(vhost: str, queue: str, account: str, password: str) -> dict[str, Any]:
    """Return the account with its rights, as RabbitMQ imports them."""

    def exactly(name: str) -> str:
        return "^" + name.replace(".", r"\.") + "$"

    return {
        "users": [
            {
                "name": account,
                "password_hash": password_hash(password),
                "hashing_algorithm": ALGORITHM,
                "tags": [],
                "limits": {},
            }
        ],
        "permissions": [
            {
                "user": account,
                "vhost": vhost,
                "configure": "^$",
                # The exchange that gives a queue what has its name.
                "write": exactly("amq.default"),
                "read": exactly(f"{queue}.dead"),
            }
        ],
    }


def connect(params: dict[str, Any], account: str, password: str) -> Any:
    """Return a connection to the node."""
    context = ssl.create_default_context(cafile=params["ca_file"])
    context.load_cert_chain(params["certificate_file"], params["key_file"])
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            params["host"],
            params["port"],
            params["vhost"],
            pika.PlainCredentials(account, password),
            ssl_options=pika.SSLOptions(context, params["host"]),
            blocked_connection_timeout=30,
        )
    )


def work(channel: Any, params: dict[str, Any], *, move: bool) -> tuple[int, list[dict[str, Any]]]:
    """Show or move the messages; return how many there were, and what was shown or moved.

    What is taken and neither acknowledged nor given back returns when the channel closes.
    """
    queue, dead = params["queue"], f"{params['queue']}.dead"
    channel.confirm_delivery()
    total = 0
    messages: list[dict[str, Any]] = []
    while len(messages) < params["limit"]:
        method, properties, body = channel.basic_get(dead)
        if method is None:
            break
        total = total or method.message_count + 1
        messages.append(told(properties, body, bodies=params["bodies"]))
        if move:
            properties.headers = without_own(properties.headers)
            # Raises where no queue takes it, or it is refused.
            channel.basic_publish("", queue, body, properties, mandatory=True)
            channel.basic_ack(method.delivery_tag)
        # One that died once more meanwhile is not taken twice.
        if len(messages) == total:
            break
    return total, messages


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "vhost": {"type": "str", "required": True},
            "queue": {"type": "str", "required": True},
            "action": {"type": "str", "choices": ["show", "replay"], "default": "show"},
            "bodies": {"type": "bool", "default": False},
            "limit": {"type": "int", "default": 100},
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "ca_file": {"type": "path", "required": True},
            "certificate_file": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    if pika is None:
        module.fail_json(msg=missing_required_lib("pika"))
    move = params["action"] == "replay" and not module.check_mode
    account, password = f"dead-letters-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    node = Tool(module)
    node.load(definitions(params["vhost"], params["queue"], account, password))
    try:
        connection = connect(params, account, password)
        try:
            total, messages = work(connection.channel(), params, move=move)
        finally:
            if connection.is_open:
                connection.close()
    except (AMQPError, OSError) as error:
        why = f"{type(error).__name__}: {error}"
        module.fail_json(
            msg=f"{params['queue']}.dead cannot be read, or {params['queue']} does not take it: {why}"
        )
    finally:
        node.call("delete_user", account)
    module.exit_json(changed=params["action"] == "replay" and bool(messages), total=total, messages=messages)


if __name__ == "__main__":
    main()
