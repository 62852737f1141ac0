"""Module: have Sentinel make a certain replica of Redis the primary, losing no write."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: redis_failover
short_description: Have Sentinel make a certain replica of Redis the primary, losing no write
description:
  - Sentinel alone takes whichever replica it likes, and while it does so the old primary acknowledges writes that it
    then drops. So this gives the heir the best C(replica-priority) until it leads, lets the primary's writes wait, and
    asks for the failover when the heir has all that was acknowledged.
  - Redis' own C(FAILOVER TO) is no way here. Sentinel would go on naming the old primary until it holds that for down.
  - When it dies on its way, the writes go on after O(pause), at the old primary or at the one that Sentinel has made.
options:
  hosts: {type: list, elements: str, required: true, description: Names of all members; each runs Redis and Sentinel.}
  heir: {type: str, required: true, description: The one of O(hosts) that shall lead. Nothing is changed when it does.}
  primary_name: {type: str, required: true, description: Name of the primary in Sentinel.}
  port: {type: int, required: true, description: "Port of Redis, TLS."}
  sentinel_port: {type: int, required: true, description: "Port of Sentinel, TLS."}
  user: {type: str, required: true, description: Account on both that may do everything.}
  password: {type: str, required: true, description: Its password.}
  ca_file: {type: path, required: true, description: Certificate authority to verify the members with.}
  certificate_file: {type: path, required: true, description: Certificate to show.}
  key_file: {type: path, required: true, description: Its key.}
  priority: {type: int, default: 100, description: "C(replica-priority) of every member, before and after."}
  pause: {type: int, default: 20000, description: Milliseconds that writes may wait at most.}
  timeout: {type: int, default: 60, description: Seconds until every Sentinel must have read the priorities.}
attributes:
  check_mode: {support: full, description: Tells whether it would change something.}
author: [Alicerce]
"""

RETURN = """
primary: {description: Who led before., type: str, returned: always}
paused: {description: Seconds that writes waited., type: float, returned: when changed}
"""

EXAMPLES = """
- name: Make node-b the primary
  redis_failover:
    hosts: [node-a.example, node-b.example, node-c.example]
    heir: node-b.example
    primary_name: example
    port: 6379
    sentinel_port: 26379
    user: administrator
    password: "{{ lookup('secret', 'redis_administrator') }}"
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.crt
    key_file: /etc/ssl/host.key
"""

PREFERRED = 1
"""The best priority; 0 is for a replica that may never lead."""


class RedisError(Exception):
    """What a server refused, or what did not come to pass."""


class Server:
    """A session with Redis or Sentinel."""

    def __init__(self, host: str, port: int, settings: dict[str, Any], context: ssl.SSLContext) -> None:
        self.address = (host, port)
        self.login = ("AUTH", settings["user"], settings["password"])
        self.context = context
        self.connect()

    def connect(self) -> None:
        """Begin the session."""
        plain = socket.create_connection(self.address, 5)
        self.link = self.context.wrap_socket(plain, server_hostname=self.address[0])
        self.stream = self.link.makefile("rb")
        self.send(*self.login)

    def ask(self, *words: object) -> Any:
        """Send a command and return the answer. Raises RedisError when it is refused, OSError when none comes."""
        try:
            return self.send(*words)
        except ConnectionError:
            # Sentinel sends all clients away from a member whose role it changes.
            self.connect()
            return self.send(*words)

    def send(self, *words: object) -> Any:
        """Send a command in this session and return the answer."""
        parts = [str(word).encode() for word in words]
        self.link.sendall(
            b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        )
        return self.answer()

    def answer(self) -> Any:
        """Read one answer of protocol version 2."""
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError(f"{self.address[0]} hung up")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RedisError(f"{self.address[0]}: {rest}")
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        if kind == b"$":
            return self.stream.read(int(rest) + 2)[:-2].decode() if rest != "-1" else None
        return rest


def fields(flat: list[str]) -> dict[str, str]:
    """Return a flat list of names and values as a dictionary."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def wait(what: str, seconds: float, holds: Callable[[], bool]) -> None:
    """Return once something holds. Raises RedisError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RedisError(f"after {seconds:g} s it still did not hold that {what}")
        time.sleep(0.1)


class Cluster:
    """Redis and Sentinel of all members."""

    def __init__(self, settings: dict[str, Any]) -> None:
        context = ssl.create_default_context(cafile=settings["ca_file"])
        context.load_cert_chain(settings["certificate_file"], settings["key_file"])
        self.settings = settings
        self.heir: str = settings["heir"]
        self.name: str = settings["primary_name"]
        hosts = settings["hosts"]
        self.redis = {host: Server(host, settings["port"], settings, context) for host in hosts}
        self.sentinels = {host: Server(host, settings["sentinel_port"], settings, context) for host in hosts}

    def primary(self) -> str:
        """Whom the Sentinels name; nobody when they do not agree."""
        asked = (sentinel.ask("SENTINEL", "MASTER", self.name) for sentinel in self.sentinels.values())
        named = {fields(answer)["ip"] for answer in asked}
        return named.pop() if len(named) == 1 else ""

    def would_take_heir(self, sentinel: Server) -> bool:
        """Tell whether a Sentinel is idle, can take the heir, and would take no other."""
        replicas = [fields(replica) for replica in sentinel.ask("SENTINEL", "REPLICAS", self.name)]
        heirs = [replica for replica in replicas if replica["ip"] == self.heir]
        return (
            fields(sentinel.ask("SENTINEL", "MASTER", self.name))["flags"] == "master"
            and len(heirs) == 1
            and heirs[0]["flags"] == "slave"
            and heirs[0]["master-link-status"] == "ok"
            and all((r["slave-priority"] == str(PREFERRED)) == (r in heirs) for r in replicas)
        )

    @contextlib.contextmanager
    def preference(self) -> Iterator[None]:
        """Let every Sentinel prefer the heir for a while."""
        usual = self.settings["priority"]
        try:
            # The others too: a run that was killed may have left its own preference.
            for host, redis in self.redis.items():
                redis.ask("CONFIG", "SET", "replica-priority", PREFERRED if host == self.heir else usual)
            wait(
                f"every Sentinel would take {self.heir}",
                self.settings["timeout"],
                lambda: all(self.would_take_heir(sentinel) for sentinel in self.sentinels.values()),
            )
            yield
        finally:
            self.redis[self.heir].ask("CONFIG", "SET", "replica-priority", usual)
            # Sentinel has it written to the file of whom it promotes.
            self.redis[self.heir].ask("CONFIG", "REWRITE")

    @contextlib.contextmanager
    def pause(self, primary: Server) -> Iterator[None]:
        """Let clients' writes wait, at most for a while."""
        try:
            primary.ask("CLIENT", "PAUSE", self.settings["pause"], "WRITE")
            yield
        finally:
            primary.ask("CLIENT", "UNPAUSE")

    def hand_over(self, old: str) -> float:
        """Make the heir the primary; return the seconds that writes waited. Raises RedisError or OSError."""
        primary, seconds = self.redis[old], self.settings["pause"] / 1000
        with self.preference():
            began = time.monotonic()
            with self.pause(primary):
                written = primary.ask("ROLE")[1]
                wait(
                    f"{self.heir} has all writes",
                    seconds / 4,
                    lambda: self.redis[self.heir].ask("ROLE")[4] >= written,
                )
                # Sentinel's own messages wait with the writes, so that after some seconds it does this by itself.
                if self.primary() == old:
                    self.sentinels[self.heir].ask("SENTINEL", "FAILOVER", self.name)
                wait(f"every Sentinel names {self.heir}", seconds, lambda: self.primary() == self.heir)
                # As Sentinel does it after a while. Clients that wait here are sent away, to ask Sentinel again.
                primary.ask("REPLICAOF", self.heir, self.settings["port"])
                primary.ask("CONFIG", "REWRITE")
                for kind in ("normal", "pubsub"):
                    primary.ask("CLIENT", "KILL", "TYPE", kind)
            return round(time.monotonic() - began, 1)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "heir": {"type": "str", "required": True},
            "primary_name": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "sentinel_port": {"type": "int", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "ca_file": {"type": "path", "required": True},
            "certificate_file": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "priority": {"type": "int", "default": 100},
            "pause": {"type": "int", "default": 20000},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        cluster = Cluster(module.params)
        wait("the Sentinels agree on the primary", 10, lambda: cluster.primary() != "")
        old = cluster.primary()
        if old == cluster.heir or module.check_mode:
            module.exit_json(changed=old != cluster.heir, primary=old)
        module.exit_json(changed=True, primary=old, paused=cluster.hand_over(old))
    except (RedisError, OSError) as error:
        module.fail_json(msg=f"The lead of Redis was not handed over: {error}")


if __name__ == "__main__":
    main()
