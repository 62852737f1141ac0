"""Module: take a server out of HAProxy's backends and put it back, over the runtime socket."""

from __future__ import annotations

import csv
import socket
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: haproxy_server
short_description: Drain a server in backends of HAProxy, put it back, or tell how it does there
description:
  - C(community.general.haproxy) has no check mode, reports a change where there is none, needs C(nc), and takes any
    C(DRAIN) for drained, though requests are still at work.
  - An HAProxy that does not answer is no failure. It sends nobody anything, and says so in C(reached).
  - A backend or a server that this HAProxy does not know yet is passed over.
options:
  socket: {type: path, default: /run/haproxy/admin.sock, description: "The runtime socket, of level C(admin)."}
  server: {type: str, required: true, description: Name of the server.}
  backends: {type: list, elements: str, required: true, description: "Names of the backends, each with that server."}
  state:
    description:
      - C(drain) sends it no new request and waits until none is at work there. One in maintenance stays so.
      - C(ready) ends drain and maintenance, and waits until it is up in all of O(backends).
      - C(query) changes nothing.
    type: str
    choices: [drain, ready, query]
    default: query
  timeout: {type: int, default: 30, description: Seconds to wait at most. 0 does not wait.}
attributes:
  check_mode: {support: full, description: Tells whether it would change something.}
author: [Alicerce]
"""

RETURN = """
reached: {description: Whether HAProxy has answered., type: bool, returned: always}
reason: {description: Why it has not., type: str, returned: always}
out: {description: Backends in which it was drained or in maintenance before., type: list, elements: str, returned: always}
alone: {description: Backends in which it was the only server that is up., type: list, elements: str, returned: always}
backends:
  description:
    - Each known backend's servers by name, before a change. Counters begin anew when HAProxy starts or reloads.
    - "C(status): HAProxy's word; C(out): drained or in maintenance; C(up): takes requests; C(current): requests at work or
      in its queue; C(requests), C(errors): requests and those among them that were answered by 5xx or not at all;
      C(milliseconds): the average time of an answer over the last requests, as HAProxy keeps it."
  type: dict
  returned: always
changed_backends: {description: Backends in which its state was changed., type: list, elements: str, returned: always}
"""

EXAMPLES = """
- name: Drain
  haproxy_server: {server: node-a, backends: [auth, users], state: drain}
"""

OUT = 0x01 | 0x08
"""Bits of srv_admin_state: maintenance and drain, as set by command."""

Servers = dict[str, dict[str, Any]]


class UnreachedError(Exception):
    """HAProxy does not answer."""


class UnknownError(Exception):
    """HAProxy does not know this backend or server."""


class NotInTimeError(Exception):
    """What was waited for did not come."""


def ask(path: str, command: str) -> str:
    """Send one command and return the answer. Raises UnreachedError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(5)
            link.connect(path)
            link.sendall(f"{command}\n".encode())
            parts = list(iter(lambda: link.recv(65536), b""))
    except OSError as error:
        raise UnreachedError(f"{path}: {error.strerror or error}") from error
    return b"".join(parts).decode(errors="replace").strip()


def parse_stat(text: str) -> dict[str, dict[str, str]]:
    """Read the answer to C(show stat BACKEND 4 -1): fields of each server by its name. Raises UnknownError."""
    if not text.startswith("# pxname,"):
        raise UnknownError(text)
    return {row["svname"]: row for row in csv.DictReader(text.removeprefix("# ").splitlines())}


def parse_admin_states(text: str) -> dict[str, int]:
    """Read the answer to C(show servers state BACKEND): the state by command of each server, by its name."""
    rows = [line.split(" ") for line in text.splitlines()[1:]]
    names = rows[0][1:]
    return {
        fields["srv_name"]: int(fields["srv_admin_state"])
        for fields in (dict(zip(names, row, strict=False)) for row in rows[1:] if len(row) > 1)
    }


def describe(stat: dict[str, str], admin: int) -> dict[str, Any]:
    """Tell what matters of one server."""
    status, out = stat["status"], bool(admin & OUT)

    def count(*names: str) -> int:
        return sum(int(stat[name] or 0) for name in names)

    return {
        "status": status,
        "out": out,
        # "UP 1/2" has failed its last check, and takes requests until it has failed another one.
        "up": not out and status.startswith(("UP", "no check")),
        "current": count("scur", "qcur"),
        "requests": count("stot"),
        "errors": count("hrsp_5xx", "eresp", "econ"),
        "milliseconds": count("rtime"),
    }


class Balancer:
    """One HAProxy, and what it says of a server in some backends."""

    def __init__(
        self, path: str, server: str, backends: list[str], ask: Callable[[str, str], str] = ask
    ) -> None:
        self.path, self.server, self.names, self.ask = path, server, backends, ask

    def backend(self, name: str) -> Servers:
        """Tell of all servers of a backend. Raises UnknownError and UnreachedError."""
        stats = parse_stat(self.ask(self.path, f"show stat {name} 4 -1"))
        admin = parse_admin_states(self.ask(self.path, f"show servers state {name}"))
        return {server: describe(stat, admin.get(server, 0)) for server, stat in stats.items()}

    def backends(self) -> dict[str, Servers]:
        """Tell of those of the backends that are known here."""
        known = {}
        for name in self.names:
            try:
                known[name] = self.backend(name)
            except UnknownError:
                continue
        return known

    def own(self) -> dict[str, dict[str, Any]]:
        """Tell of the server in each backend that has it."""
        return {
            name: servers[self.server] for name, servers in self.backends().items() if self.server in servers
        }

    def set(self, name: str, state: str) -> None:
        """Change the server's state in a backend. Raises UnknownError when it is refused."""
        if answer := self.ask(self.path, f"set server {name}/{self.server} state {state}"):
            raise UnknownError(f"{name}/{self.server}: {answer}")

    def wait(self, seconds: float, fault: Callable[[dict[str, Any]], str]) -> None:
        """Return once no backend has a fault. Raises NotInTimeError with the faults."""
        deadline = time.monotonic() + seconds
        while faults := [
            f"{name}/{self.server} {text}" for name, server in self.own().items() if (text := fault(server))
        ]:
            if time.monotonic() > deadline:
                raise NotInTimeError(f"after {seconds:g} s: {', '.join(faults)}")
            time.sleep(0.1)


def at_work(server: dict[str, Any]) -> str:
    """Return how many requests a drained server still has, or nothing."""
    return f"still has {server['current']} requests" if server["current"] else ""


def not_up(server: dict[str, Any]) -> str:
    """Return what a server is when it is not up, or nothing."""
    return "" if server["up"] else f"is {server['status']}"


def alone(backends: dict[str, Servers], server: str) -> list[str]:
    """Return the backends that would have no server left that takes requests."""
    return [
        name for name, servers in backends.items() if [s for s in servers if servers[s]["up"]] == [server]
    ]


def due(own: dict[str, dict[str, Any]], state: str) -> list[str]:
    """Return the backends in which the server's state is to be changed."""
    return [name for name, server in own.items() if state != "query" and server["out"] != (state == "drain")]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "server": {"type": "str", "required": True},
            "backends": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["drain", "ready", "query"], "default": "query"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    server, state = wanted["server"], wanted["state"]
    balancer = Balancer(wanted["socket"], server, wanted["backends"])
    result: dict[str, Any] = {"reached": False, "reason": "", "out": [], "alone": [], "backends": {}}
    changing: list[str] = []
    try:
        backends = balancer.backends()
        own = {name: servers[server] for name, servers in backends.items() if server in servers}
        changing = due(own, state)
        result |= {
            "reached": True,
            "out": [name for name in own if own[name]["out"]],
            "alone": alone(backends, server),
            "backends": backends,
        }
        if not module.check_mode:
            for name in changing:
                balancer.set(name, state)
            if state != "query" and wanted["timeout"]:
                balancer.wait(wanted["timeout"], at_work if state == "drain" else not_up)
    except UnreachedError as error:
        result |= {"reached": False, "reason": str(error)}
    except (UnknownError, NotInTimeError) as error:
        module.fail_json(msg=str(error), changed=bool(changing), changed_backends=changing, **result)
    module.exit_json(changed=bool(changing), changed_backends=changing, **result)


if __name__ == "__main__":
    main()
