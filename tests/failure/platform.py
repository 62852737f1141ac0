"""The lab as the failure tests see it: its hosts, who leads, and the clients on their host outside all zones."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import shlex
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
CLIENTS = "history_service"
"""The fixture that brings the clients, on a host of their own."""
CLIENT_HOST = "client-x"
SERVICE = "history"
STORES = ("postgresql", "mongodb", "rabbitmq", "redis")
TAGS = ",".join(("base", "certificates", "flask_service", "haproxy", *STORES))
"""The plays of site.yml that read the catalogue."""


class PlatformError(Exception):
    """The lab does not do what a test needs."""


def run(*argv: str, timeout: float = 900, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the control node in the repository, with a text as its input if there is one."""
    command = '. scripts/env && exec "$@"'
    return subprocess.run(
        ["bash", "-c", command, "-", *argv],
        cwd=ROOT,
        input=text,
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )


def must(*argv: str, timeout: float = 900) -> str:
    """Run a command that has to succeed, and return what it printed."""
    said = run(*argv, timeout=timeout)
    if said.returncode:
        raise PlatformError(
            f"{' '.join(argv[:6])} … failed ({said.returncode}):\n{said.stdout[-6000:]}{said.stderr[-6000:]}"
        )
    return said.stdout


def lab_name() -> str:
    """Return the name of the lab's network, with which its containers' names begin."""
    network = yaml.safe_load((ROOT / "inventories/lab/network.yml").read_text())
    return str(network["all"]["vars"]["lab_name"])


def container_of(host: str) -> str:
    """Return the name of the container that is a host: tests break the lab from outside, as a power cut would."""
    return f"{lab_name()}-{host}"


class Platform:
    """One lab with the clients' host beside it."""

    def __init__(self, *further: str) -> None:
        """Read what the lab is; it must be up. `further` names fixtures whose services it gets beside its own."""
        self.further = further or (CLIENTS,)
        file = Path(os.environ.get("ALICERCE_INFO", ROOT / ".lab" / "info.json"))
        if not file.exists():
            raise PlatformError("no lab is up: run `make up` first")
        self.info: dict[str, Any] = json.loads(file.read_text())
        self.hosts: dict[str, dict[str, Any]] = {host["name"]: host for host in self.info["hosts"]}
        network = self.info["hosts"][0]["address"].rpartition(".")[0]
        self.client_address = f"{network}.15"

    # Services that only tests have

    def ansible(self, playbook: str, *arguments: str, further: bool = True, timeout: float = 1200) -> str:
        """Run a playbook, with the further services in inventory and catalogue or without."""
        inventories = [f"--inventory={ROOT / 'inventories' / 'lab'}"]
        extra: list[str] = []
        if further:
            catalogue = yaml.safe_load((ROOT / "group_vars/all/services.yml").read_text())["services"]
            for fixture in self.further:
                inventories.append(f"--inventory={FIXTURES / fixture / 'inventory.yml'}")
                catalogue |= yaml.safe_load((FIXTURES / fixture / "entry.yml").read_text())
            extra = ["--extra-vars", json.dumps({"services": catalogue})]
        return must("ansible-playbook", *inventories, playbook, *arguments, *extra, timeout=timeout)

    def deploy_further(self) -> None:
        """Make the clients' host and deploy the further services, with accounts in every store and routes at the edge."""
        self.ansible("playbooks/lab_hosts.yml")
        self.ansible("site.yml", "--tags", TAGS)

    def remove_further(self) -> None:
        """Take the services and the clients' host away again."""
        # As `make down` removes hosts: podman may fail once at one that ends just then.
        kind = CLIENT_HOST.partition("-")[0]
        must("roles/lab_hosts/files/remove_hosts.sh", container_of(kind), lab_name())
        self.ansible("site.yml", "--tags", TAGS, further=False)
        for fixture in self.further:
            if fixture != CLIENTS:
                for service in yaml.safe_load((FIXTURES / fixture / "entry.yml").read_text()):
                    self.ansible(
                        "playbooks/remove_service.yml", "--extra-vars", f"service={service}", further=False
                    )

    # Hosts

    def address(self, host: str) -> str:
        """Return a host's address."""
        return self.client_address if host == CLIENT_HOST else str(self.hosts[host]["address"])

    def ssh(self, host: str, command: str) -> str:
        """Run a shell command on a host as root."""
        said = run(*self.ssh_argv(host), "sudo", "bash", "-c", shlex.quote(command), timeout=60)
        if said.returncode:
            raise PlatformError(f"{host}: {command}: {said.stderr or said.stdout}")
        return said.stdout

    def feed(self, host: str, program: str, text: str) -> str:
        """Run a program on a host as root with a text as its input."""
        said = run(*self.ssh_argv(host), "sudo", program, timeout=300, text=text)
        if said.returncode:
            raise PlatformError(f"{host}: {program}: {said.stderr or said.stdout}")
        return said.stdout

    def mongodb(self, statements: str, *, member: str = "") -> str:
        """Run Python with `client` logged in as MongoDB's administrator: to the set, or to that member alone."""
        hosts = [member] if member else self.members("mongodb")
        login = {
            "host": [f"{host}.alicerce.internal:27017" for host in hosts],
            "username": "admin",
            "password": must("scripts/secret", "mongodb_admin").strip(),
            "tls": True,
            "tlsCAFile": "/etc/alicerce/tls/ca.crt",
            "tlsCertificateKeyFile": "/etc/alicerce/tls/host.pem",
            **({"directConnection": True} if member else {"replicaSet": "alicerce"}),
        }
        return self.feed(
            hosts[0],
            "python3",
            f"from pymongo import MongoClient\nclient = MongoClient(**{login!r})\n{statements}\nclient.close()\n",
        )

    def postgresql_at(self, host: str, statement: str, database: str = "postgres") -> str:
        """Run SQL at one member as PostgreSQL's administrator, and return what it prints."""
        psql = f"runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database}"
        return self.ssh(host, f"{psql} -c {shlex.quote(statement)}").strip()

    def primary(self) -> str:
        """Return the host that is PostgreSQL's primary by its own word; one that does not answer is not."""
        for member in self.members("postgresql"):
            with contextlib.suppress(PlatformError):
                if self.postgresql_at(member, "SELECT pg_is_in_recovery()") == "f":
                    return member
        raise PlatformError("no member of PostgreSQL leads")

    def postgresql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL at the primary as PostgreSQL's administrator, and return what it prints."""
        return self.postgresql_at(self.primary(), statement, database)

    def signal_receiver(self, signal: str, host: str) -> None:
        """Send a signal to the process that takes PostgreSQL's log on a standby: STOP holds it back, CONT lets it go on."""
        # The brackets keep the pattern from finding the shell that carries it.
        self.ssh(host, f"pkill --signal {signal} --full 'postgres: .*[w]alreceiver'")

    def ssh_argv(self, host: str) -> list[str]:
        """Return the command that reaches a host."""
        keys = ROOT / ".lab" / "ssh"
        options = ("IdentitiesOnly=yes", f"UserKnownHostsFile={keys / 'known_hosts'}", "ConnectTimeout=10")
        arguments = [argument for option in options for argument in ("-o", option)]
        return ["ssh", "-i", str(keys / "id_ed25519"), *arguments, f"admin@{self.address(host)}"]

    def members(self, store: str) -> list[str]:
        """Return the hosts of a store."""
        return [name for name, host in self.hosts.items() if store in host["groups"]]

    def host_of(self, leader: str) -> str:
        """Return the host that a store names by its address or by its full name."""
        for name, host in self.hosts.items():
            if leader == host["address"] or leader.split(".", maxsplit=1)[0] == name:
                return name
        raise PlatformError(f"{leader} is none of the lab's hosts")

    # State

    def await_whole(self, store: str, timeout: float = 300) -> float:
        """Wait until every member calls the store whole; return the seconds that it took."""
        began = time.monotonic()
        while True:
            try:
                self.ansible("tests/failure/whole.yml", "--extra-vars", f"store={store}")
            except PlatformError as error:
                # What the members say, or that one cannot be reached yet; anything else is a mistake of ours.
                expected = "Assertion failed" in str(error) or "UNREACHABLE" in str(error)
                if not expected or time.monotonic() - began > timeout:
                    raise PlatformError(
                        f"{store} is not whole after {time.monotonic() - began:.0f} s: {error}"
                    ) from error
                time.sleep(2)
            else:
                return time.monotonic() - began


class Clients:
    """The clients of one store, at work: what they record arrives here line by line."""

    def __init__(self, platform: Platform, store: str) -> None:
        self.platform = platform
        self.store = store
        self.records: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        self._since: dict[str, float] = {}
        self._last: dict[str, float] = {}
        argv = [
            *platform.ssh_argv(CLIENT_HOST),
            "sudo",
            *_as_service(),
            "alicerce_history.client",
            store,
            uuid.uuid4().hex[:12],
        ]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        # What the program logs must not fill the pipe, or it would wait for a reader for ever.
        self._said: collections.deque[str] = collections.deque(maxlen=40)
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._said.extend(self._process.stderr)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            record = json.loads(line)
            now = time.monotonic()
            with self._arrived:
                self.records.append(record)
                if record["op"] == "write" and record["ok"]:
                    if now - self._last.get(record["who"], 0) > 1.5:
                        self._since[record["who"]] = now
                    self._last[record["who"]] = now
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()

    def tell(self, command: str) -> None:
        """Give the clients a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def await_record(self, op: str, timeout: float, *, after: int = 0) -> dict[str, Any]:
        """Wait for a record of a kind, beyond the first `after` records."""
        deadline = time.monotonic() + timeout
        seen = after
        with self._arrived:
            while True:
                while seen < len(self.records):
                    if self.records[seen]["op"] == op:
                        return self.records[seen]
                    seen += 1
                left = deadline - time.monotonic()
                if left <= 0 or self._process.poll() is not None:
                    ended = self._process.poll() is not None
                    why = "the program ended" if ended else "no answer in time"
                    raise PlatformError(
                        f"the clients of {self.store} say no {op!r}: {why}\n{''.join(self._said)}"
                    )
                self._arrived.wait(min(left, 1))

    def leader(self) -> str:
        """Return the host that takes writes, as the clients see it."""
        after = len(self.records)
        self.tell("leader")
        record = self.await_record("leader", 200, after=after)
        if not record["ok"]:
            raise PlatformError(f"nobody leads {self.store}: {record['error']}")
        return self.platform.host_of(record["answer"])

    def flowing(self, seconds: float, *, since: float = 0.0) -> bool:
        """Whether every client has had its writes acknowledged for that long, counted from `since` at the earliest."""
        now = time.monotonic()
        with self._arrived:
            return bool(self._last) and all(
                now - self._last[who] < 1.5 and now - max(self._since[who], since) >= seconds
                for who in self._last
            )

    def await_flow(self, seconds: float, timeout: float) -> bool:
        """Wait until writes flow for that long from now on; return whether they did before the time was up."""
        began = time.monotonic()
        while not self.flowing(seconds, since=began):
            if time.monotonic() - began > timeout:
                return False
            time.sleep(0.2)
        return True

    def finish(self) -> list[dict[str, Any]]:
        """End the writing, have the store read, and return the history."""
        self.tell("stop")
        self.await_record("stopped", 120)
        self.tell("holds")
        self.await_record("holds", 240)
        self.close()
        return self.records

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.tell("quit")
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _as_service() -> list[str]:
    etc = f"/etc/alicerce/{SERVICE}"
    home = f"/opt/alicerce/{SERVICE}/current"
    secrets = ("database_password", "mongodb_password", "rabbitmq_password", "redis_password")
    return [
        "systemd-run",
        "--quiet",
        "--pipe",
        "--wait",
        "--collect",
        "--service-type=exec",
        f"--uid=alicerce-{SERVICE}",
        f"--gid=alicerce-{SERVICE}",
        f"--property=EnvironmentFile={etc}/environment",
        f"--property=EnvironmentFile={home}/environment",
        *(f"--property=LoadCredential={name}:{etc}/credentials/{name}" for name in secrets),
        "--setenv=METRICS_PORT=0",
        "--setenv=CONSUMER_THREADS=4",
        "--setenv=PYTHONUNBUFFERED=1",
        f"{home}/venv/bin/python",
        "-m",
    ]


@contextlib.contextmanager
def clients(platform: Platform, store: str) -> Iterator[Clients]:
    """Have clients of a store at work, whatever happens."""
    at_work = Clients(platform, store)
    try:
        at_work.await_record("began", 240)
        yield at_work
    finally:
        at_work.close()
