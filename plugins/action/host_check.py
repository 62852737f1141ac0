"""Action plugin: judge whether a host fits the groups that it is in, from what was read there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

DOCUMENTATION = """
module: host_check
short_description: Judge whether a host fits the groups that it is in
description:
  - Asks the host for its time, and changes nothing.
options:
  asked:
    description:
      - What was read on the host. C(root) is the result of C(id -u) as root, C(facts) those of M(ansible.builtin.setup), C(ports) the C(tcp_listen) of
        M(community.general.listen_ports_facts), C(answers) the results of shell commands by name.
    type: dict
    required: true
  groups: {description: Groups of the host., type: list, elements: str, required: true}
  service_groups: {description: Groups of the catalogue's services., type: list, elements: str, required: true}
  minimums: {description: "The least of each group: C(cpus), C(memory_mb), C(disk_gb).", type: dict, required: true}
  debian_release: {description: Major version., type: int, required: true}
  architectures: {description: Those that will do., type: list, elements: str, required: true}
  data_dir: {description: Folder whose file system was measured., type: path, required: true}
  clock_seconds: {description: Difference from this machine's clock that will do., type: float, required: true}
  swap_allowed: {description: Whether swap will do in any case., type: bool, required: true}
  swappiness: {description: The one that will be set; below zero for none., type: int, required: true}
  flows: {description: The platform's network_flows., type: list, elements: dict, required: true}
  ssh_port: {description: Port on which sshd may listen., type: int, required: true}
  deployed: {description: Whether the host carries the platform already., type: bool, required: true}
  virtual_ip: {description: "The virtual IP, or nothing.", type: str, default: ""}
  public_name: {description: "Name that must have an address, where the answer C(public_name) is given.", type: str, default: ""}
  virtual_ip_taken: {description: Whether an edge host may have the virtual IP already., type: bool, default: false}
"""

EXAMPLES = """
- name: Judge the host
  host_check:
    asked: {root: "{{ root }}", facts: "{{ facts }}", ports: [], answers: "{{ answers }}"}
    groups: "{{ group_names }}"
    service_groups: [auth]
    minimums: {platform: {cpus: 1, memory_mb: 512, disk_gb: 8}}
    debian_release: 13
    architectures: [x86_64]
    data_dir: /var
    clock_seconds: 2
    swap_allowed: false
    swappiness: -1
    flows: []
    ssh_port: 22
    deployed: false
"""

RETURN = """
findings: {description: "What is wrong, each with its remedy.", type: list, elements: str, returned: always}
"""

CALM = 10
"""The vm.swappiness up to which the kernel leaves programs in memory while there is any."""
SHARE = 0.9
"""So much of a machine's nominal memory is left by its firmware and kernel at least."""


def needs(
    groups: Iterable[str], service_groups: Iterable[str], minimums: Mapping[str, Mapping[str, int]]
) -> dict[str, int]:
    """Add up memory and disk of the groups, and take the largest number of processors."""
    services = set(service_groups)
    names = [
        name if name in minimums else "service" for name in groups if name in minimums or name in services
    ]
    wanted = [minimums[name] for name in names if name in minimums]
    return {
        "cpus": max((one["cpus"] for one in wanted), default=0),
        "memory_mb": sum(one["memory_mb"] for one in wanted),
        "disk_gb": sum(one["disk_gb"] for one in wanted),
    }


def wrong_system(facts: Mapping[str, Any], release: int, architectures: list[str]) -> Iterator[str]:
    """Tell what another system than the one that is needed it is."""
    system = f"{facts.get('distribution', '?')} {facts.get('distribution_version', '?')}"
    if facts.get("distribution") != "Debian" or str(facts.get("distribution_major_version")) != str(release):
        yield f"it runs {system}: install Debian {release}"
    if (architecture := facts.get("architecture")) not in architectures:
        yield f"its architecture is {architecture}: take a machine of {' or '.join(architectures)}"


def too_small(
    facts: Mapping[str, Any], disk_mb: int | None, data_dir: str, wanted: Mapping[str, int]
) -> Iterator[str]:
    """Tell of what it has too little for its groups."""
    if (cpus := int(facts["processor_vcpus"])) < wanted["cpus"]:
        yield f"it has {cpus} processors of {wanted['cpus']}: give it more, or take groups away from it"
    if (memory := int(facts["memtotal_mb"])) < wanted["memory_mb"] * SHARE:
        yield f"it has {memory} MiB of memory of {wanted['memory_mb']}: give it more, or take groups away from it"
    if disk_mb is None:
        yield f"the size of the file system of {data_dir} cannot be read: make that folder"
    elif disk_mb < wanted["disk_gb"] * 1024:
        yield (
            f"the file system of {data_dir} has {disk_mb // 1024} GiB of {wanted['disk_gb']}: enlarge it, or take groups away "
            "from the host"
        )


def swapping(swap_mb: int, swappiness: int) -> Iterator[str]:
    """Tell whether a store's memory may go to the disk."""
    if swap_mb and swappiness > CALM:
        yield (
            f"it has {swap_mb} MiB of swap, which the kernel uses readily (vm.swappiness {swappiness}): swapoff --all and take it out of /etc/fstab, or set "
            f"base_sysctl_extra: {{vm.swappiness: {CALM}}}"
        )


def taken_ports(
    flows: Iterable[Mapping[str, Any]],
    groups: Iterable[str],
    listening: Iterable[Mapping[str, Any]],
    ssh_port: int,
) -> Iterator[str]:
    """Name the ports of the host's groups on which somebody else listens."""
    mine = set(groups)
    wanted: dict[int, str] = {}
    for flow in flows:
        if mine.isdisjoint(flow["to"]):
            continue
        for port in flow.get("ports", []):
            first, _, last = str(port).partition("-")
            wanted |= dict.fromkeys(range(int(first), int(last or first) + 1), flow["name"])
    wanted.pop(ssh_port, None)
    others = {int(one["port"]): str(one.get("name") or "a program") for one in listening}
    for port in sorted(wanted.keys() & others.keys()):
        yield f"{others[port]} listens on port {port}, which is for {wanted[port]}: stop and remove it"


def clock_off(difference: float, allowed: float) -> Iterator[str]:
    """Tell whether the host lives in another time."""
    if abs(difference) > allowed:
        yield (
            f"its clock is {abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} the control node's: apt-get install systemd-timesyncd, and "
            "let it reach a time server (UDP 123, base_ntp_servers); see that the control node's own clock is right"
        )


def wrong_name(name: str, answer: Mapping[str, Any], address: str) -> Iterator[str]:
    """Tell whether the public name leads elsewhere."""
    found = sorted({line.split()[0] for line in str(answer.get("stdout", "")).splitlines() if line.strip()})
    if not found:
        yield (
            f"it finds no address of {name}: make the name's DNS record{f', {address}' if address else ''}, see that the host's resolver (/etc/resolv.conf) "
            "answers, or empty host_check_public_name"
        )
    elif address and address not in found:
        yield f"it finds {', '.join(found)} for {name}, not the virtual IP {address}: correct the DNS record, or virtual_ip_address"


def read_number(answer: Mapping[str, Any]) -> int | None:
    """Return the number that a command printed, if it did."""
    found = re.match(r"\s*(\d+)", str(answer.get("stdout", "")))
    return int(found[1]) if found else None


def judge(options: Mapping[str, Any], difference: float) -> Iterator[str]:
    """Tell all that is wrong with a host."""
    asked, groups = options["asked"], options["groups"]
    facts = {name.removeprefix("ansible_"): value for name, value in asked["facts"].items()}
    answers = asked["answers"]
    if str(asked["root"].get("stdout", "")).strip() != "0":
        said = str(asked["root"].get("msg") or asked["root"].get("stderr") or "")
        why = f" ({' '.join(said.split())})" if said.strip() else ""
        yield (
            f"its account cannot become root{why}: as root, write `<account> ALL=(ALL) NOPASSWD: ALL` to /etc/sudoers.d/<account>, mode 0440, or give the "
            "password by --ask-become-pass"
        )
    yield from wrong_system(facts, options["debian_release"], options["architectures"])
    wanted = needs(groups, options["service_groups"], options["minimums"])
    yield from too_small(facts, read_number(answers["disk"]), options["data_dir"], wanted)
    if not options["swap_allowed"]:
        own = read_number(answers["swappiness"])
        planned = options["swappiness"]
        yield from swapping(
            int(facts["swaptotal_mb"]), planned if planned >= 0 else 60 if own is None else own
        )
    yield from clock_off(difference, options["clock_seconds"])
    for line in str(answers["mirrors"].get("stdout", "")).splitlines():
        yield (
            f"no packages: {line.strip()}: mend /etc/apt/sources.list.d, the name server in /etc/resolv.conf or the way there, or name a mirror or proxy "
            "(docs/production.md)"
        )
    if not options["deployed"]:
        yield from taken_ports(options["flows"], groups, asked["ports"], options["ssh_port"])
    address = options["virtual_ip"]
    if options["public_name"] and "public_name" in answers:
        yield from wrong_name(options["public_name"], answers["public_name"], address)
    said = str(answers.get("virtual_ip", {}).get("stdout", ""))
    if address and not options["virtual_ip_taken"] and ("answers" in said or "refused" in said):
        yield f"the virtual IP {address} is in use by somebody else: free it, or choose another virtual_ip_address"


class ActionModule(ActionBase):  # type: ignore[misc]
    """The action; see DOCUMENTATION."""

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "asked": {"type": "dict", "required": True},
                "groups": {"type": "list", "elements": "str", "required": True},
                "service_groups": {"type": "list", "elements": "str", "required": True},
                "minimums": {"type": "dict", "required": True},
                "debian_release": {"type": "int", "required": True},
                "architectures": {"type": "list", "elements": "str", "required": True},
                "data_dir": {"type": "path", "required": True},
                "clock_seconds": {"type": "float", "required": True},
                "swap_allowed": {"type": "bool", "required": True},
                "swappiness": {"type": "int", "required": True},
                "flows": {"type": "list", "elements": "dict", "required": True},
                "ssh_port": {"type": "int", "required": True},
                "deployed": {"type": "bool", "required": True},
                "virtual_ip": {"type": "str", "default": ""},
                "public_name": {"type": "str", "default": ""},
                "virtual_ip_taken": {"type": "bool", "default": False},
            }
        )
        return {"changed": False, "findings": list(judge(options, self._difference()))}

    def _difference(self) -> float:
        """Return how far the host's clock is ahead of this machine's, in seconds; 0 within the time that asking took."""
        before = time.time()
        said = self._low_level_execute_command("date +%s.%N", sudoable=False)
        after = time.time()
        there = float(said["stdout"].strip().splitlines()[-1])
        return max(there - after, 0.0) + min(there - before, 0.0)
