"""What can happen to a store: each fault strikes its leader, lasts a while and ends."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tests.failure.platform import Platform, container_of, must

POISON = """
import ssl, pika
from pathlib import Path

tls = "/etc/alicerce/tls/"
host = Path("/etc/hostname").read_text().strip().partition(".")[0] + ".alicerce.internal"
context = ssl.create_default_context(cafile=tls + "ca.crt")
context.load_cert_chain(tls + "users.crt", tls + "users.key")
password = Path("/etc/alicerce/users/credentials/rabbitmq_password").read_text().strip()
connection = pika.BlockingConnection(pika.ConnectionParameters(
    host, 5671, "alicerce", pika.PlainCredentials("users", password), ssl_options=pika.SSLOptions(context, host)))
channel = connection.channel()
channel.confirm_delivery()
for _ in range(3):
    channel.basic_publish("events", "user.updated", b"no event", mandatory=True)
connection.close()
"""
"""What sends three messages that are no events, with the account of users on a host of RabbitMQ."""


@dataclass
class Scene:
    """Where a fault strikes."""

    platform: Platform
    store: str
    leader: str
    """The host that takes writes when the fault begins."""
    undo: list[Callable[[], object]] = field(default_factory=list)

    def podman(self, verb: str, *hosts: str) -> None:
        """Do something to the containers that are these hosts, all in one go, as a zone's power does."""
        must("podman", verb, *(container_of(host) for host in hosts))

    def end(self) -> None:
        """Undo what the fault did."""
        while self.undo:
            self.undo.pop()()


KILLED = {
    # The postmaster alone, as the kernel's out-of-memory killer does: Patroni stays.
    "postgresql": "kill -9 $(pgrep --oldest --exact --euid postgres postgres)",
    "mongodb": "systemctl kill --kill-whom=main --signal=KILL mongod",
    "rabbitmq": "systemctl kill --signal=KILL rabbitmq-server",
    "redis": "systemctl kill --kill-whom=main --signal=KILL redis-server",
}


def kill_process(scene: Scene) -> None:
    """Kill -9 the leader's server process; the init system or Patroni starts it again."""
    scene.platform.ssh(scene.leader, KILLED[scene.store])


def kill_host(scene: Scene) -> None:
    """Cut the leader's host from power."""
    scene.podman("kill", scene.leader)
    scene.undo.append(lambda: scene.podman("start", scene.leader))


def freeze_host(scene: Scene) -> None:
    """Stop the leader's host in its tracks: no packet is refused, and when it thaws it believes that it still leads."""
    scene.podman("pause", scene.leader)
    scene.undo.append(lambda: scene.podman("unpause", scene.leader))


def kill_zone(scene: Scene) -> None:
    """Cut every host of the leader's zone from power at once."""
    hosts = scene.platform.hosts
    zone = [name for name, host in hosts.items() if host["zone"] == hosts[scene.leader]["zone"]]
    scene.podman("kill", *zone)
    scene.undo.append(lambda: scene.podman("start", *zone))


def kill_all(scene: Scene) -> None:
    """Cut every host from power at once."""
    hosts = list(scene.platform.hosts)
    scene.podman("kill", *hosts)
    scene.undo.append(lambda: scene.podman("start", *hosts))


def _cut(scene: Scene, *chains: str) -> None:
    peers = ", ".join(
        str(host["address"]) for name, host in scene.platform.hosts.items() if name != scene.leader
    )
    rules = {
        "in": f"chain in {{ type filter hook input priority -300; ip saddr {{ {peers} }} drop; }}",
        "out": f"chain out {{ type filter hook output priority -300; ip daddr {{ {peers} }} drop; }}",
    }
    lines = "\n".join(rules[chain] for chain in chains)
    table = f"table inet fault {{\n{lines}\n}}"
    scene.platform.ssh(scene.leader, f"nft {shlex.quote(table)}")
    scene.undo.append(lambda: scene.platform.ssh(scene.leader, "nft delete table inet fault"))


def cut_off(scene: Scene) -> None:
    """No packet passes between the leader's host and the other hosts; clients still reach it."""
    _cut(scene, "in", "out")


def cut_one_way(scene: Scene) -> None:
    """The leader's host hears nothing from the other hosts, while they hear it."""
    _cut(scene, "in")


def lead_to(platform: Platform, store: str, heir: str) -> None:
    """Hand a store's lead over as an operator does; an empty heir leaves it to the store."""
    platform.ansible("playbooks/switchover.yml", "--extra-vars", f"component={store} to={heir}")


def switch_over(scene: Scene) -> None:
    """Hand the lead over as an operator does."""
    heir = ""
    if scene.store == "rabbitmq":
        # Which has a leader a queue: without a host they are spread, so that this one may stay where it is.
        heir = next(member for member in scene.platform.members(scene.store) if member != scene.leader)
    lead_to(scene.platform, scene.store, heir)


DATA = {
    "postgresql": ("patroni", "/var/lib/postgresql"),
    "mongodb": ("mongod", "/var/lib/mongodb"),
    "rabbitmq": ("rabbitmq-server", "/var/lib/rabbitmq"),
    "redis": ("redis-server redis-sentinel", "/var/lib/redis"),
}
"""The units of each store's server, and the directory that they write to."""
ROOM = "1500M"
"""What a small disk has beyond the data that is there: more than RabbitMQ's alarm asks for."""
IMAGE = "/var/small-disk.img"


@contextlib.contextmanager
def on_small_disk(platform: Platform, store: str) -> Iterator[str]:
    """Give one member's data a file system of its own while it lasts: hosts of the lab share the machine's, which must not be filled."""
    host = platform.members(store)[-1]
    unit, directory = DATA[store]
    pid = must("podman", "inspect", "--format", "{{.State.Pid}}", container_of(host)).strip()
    # A container has no device files for block devices, and its own root may not use them.
    inside = ("nsenter", "--target", pid, "--mount", "--", "bash", "-euc")
    nodes = "mknod /dev/loop-control c 10 237; for n in {0..31}; do mknod /dev/loop$n b 7 $n; done"
    size = f"$(( $(du --summarize --block-size=1 {directory} | cut -f1) + $(numfmt --from=iec {ROOM}) ))"
    platform.ssh(host, f"systemctl stop {unit}; rm -f {IMAGE}; truncate --size={size} {IMAGE}")
    must("mkfs.ext4", "-q", "-m", "0", str(Path(f"/proc/{pid}/root{IMAGE}")))
    owner = f"chown --reference={directory} /mnt; chmod --reference={directory} /mnt"
    copy = f"mount -o loop {IMAGE} /mnt; {owner}; cp -a {directory}/. /mnt/; umount /mnt"
    must(*inside, f"[ -e /dev/loop-control ] || {{ {nodes}; }}; {copy}; mount -o loop {IMAGE} {directory}")
    try:
        platform.ssh(host, f"systemctl start {unit}")
        platform.await_whole(store)
        yield host
    finally:
        platform.ssh(host, f"systemctl stop {unit}")
        back = f"find {directory} -mindepth 1 -delete; cp -a /mnt/. {directory}/"
        must(*inside, f"mount --bind {directory} /mnt; umount {directory}; {back}; umount /mnt; rm {IMAGE}")
        platform.ssh(host, f"systemctl start {unit}")
        platform.await_whole(store)


def fill_disk(scene: Scene) -> None:
    """Leave no byte free on the disk that holds the leader's data."""
    _, directory = DATA[scene.store]
    filler = f"{directory}/filler"
    if scene.store == "rabbitmq":
        # As an operator does: replicas whose log was cut short do not start until they are made anew.
        scene.undo.append(lambda: scene.platform.ansible("site.yml", "--tags", scene.store))
    scene.undo.append(lambda: scene.platform.ssh(scene.leader, f"rm -f {filler}"))
    rest = f"$(df --output=avail --block-size=1 {directory} | tail -1)"
    scene.platform.ssh(
        scene.leader, f"fallocate --length {rest} {filler} || true; cat /dev/zero >> {filler} || true"
    )


@dataclass(frozen=True)
class Fault:
    """One way to fail."""

    strike: Callable[[Scene], None]
    lasts: float
    """Seconds, at least; longer when writes do not flow again before it ends."""
    heals_itself: bool = True
    """Whether writes flow again while it lasts."""
    stage: Callable[[Platform, str], AbstractContextManager[str | None]] = lambda _platform, _store: (
        contextlib.nullcontext()
    )
    """What has to be so while it strikes, some times or once, and is undone after; yields the host that must lead, if it must be a certain one."""

    @property
    def meaning(self) -> str:
        """What it is, in a sentence."""
        return (self.strike.__doc__ or "").strip()


FAULTS = {
    "process": Fault(kill_process, 5),
    "host": Fault(kill_host, 10),
    "freeze": Fault(freeze_host, 30),
    "cut-off": Fault(cut_off, 30),
    "cut-one-way": Fault(cut_one_way, 30),
    "zone": Fault(kill_zone, 10),
    "power": Fault(kill_all, 5, heals_itself=False),
    "disk-full": Fault(fill_disk, 30, heals_itself=False, stage=on_small_disk),
    "switchover": Fault(switch_over, 0),
}
