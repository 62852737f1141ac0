"""What can happen to a store: each fault strikes its leader, lasts a while and ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.failure.platform import Platform, container_of, must


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
    table = f"table inet fault {{ {' '.join(rules[chain] for chain in chains)} }}"
    scene.platform.ssh(scene.leader, f"nft {shlex.quote(table)}")
    scene.undo.append(lambda: scene.platform.ssh(scene.leader, "nft delete table inet fault"))


def cut_off(scene: Scene) -> None:
    """No packet passes between the leader's host and the other hosts; clients still reach it."""
    _cut(scene, "in", "out")


def cut_one_way(scene: Scene) -> None:
    """The leader's host hears nothing from the other hosts, while they hear it."""
    _cut(scene, "in")


def switch_over(scene: Scene) -> None:
    """Hand the lead over as an operator does."""
    scene.platform.ansible("playbooks/switchover.yml", "--extra-vars", f"component={scene.store}")


@dataclass(frozen=True)
class Fault:
    """One way to fail."""

    strike: Callable[[Scene], None]
    lasts: float
    """Seconds, at least; longer when writes do not flow again before it ends."""
    heals_itself: bool = True
    """Whether writes flow again while it lasts."""

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
    "switchover": Fault(switch_over, 0),
}
