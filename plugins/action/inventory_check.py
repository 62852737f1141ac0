"""Action plugin: name every mistake of an inventory at once, without facts and without a connection."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.action import ActionBase
from ansible.vars.plugins import get_vars_from_inventory_sources

ROOT = Path(__file__).resolve().parents[2]
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MAGIC = {"inventory_file", "inventory_dir"}

DOCUMENTATION = """
module: inventory_check
short_description: Name every mistake of an inventory at once
options:
  required_groups: {description: Groups that need a host., type: list, elements: str, required: true}
  quorum_groups:
    description: Groups that need an odd number of members, three or more, and no zone with a majority of them.
    type: list
    elements: str
    required: true
  redundant_groups:
    description: Groups that need two members or more, in more than one zone.
    type: list
    elements: str
    default: []
  reachability:
    description: Whether a host that did not answer C(inventory_check_ping) is a mistake.
    type: bool
    default: true
  known_variables:
    description: Variables that an inventory may set beside those of group_vars/all and of the roles.
    type: list
    elements: str
    default: []
  own_prefixes:
    description: Beginnings of the names of variables that a site makes up for itself.
    type: list
    elements: str
    default: []
"""

EXAMPLES = """
- name: Name the inventory's mistakes
  inventory_check:
    required_groups: [platform, etcd]
    quorum_groups: [etcd]
"""

RETURN = """
mistakes: {description: The mistakes., type: list, elements: str, returned: always}
"""


def missing_groups(groups: Mapping[str, list[str]], required: Iterable[str]) -> Iterator[str]:
    """Name the required groups without hosts."""
    for group in required:
        if not groups.get(group):
            yield f"group {group}: it has no host"


def lacking_quorum(
    groups: Mapping[str, list[str]], zones: Mapping[str, str | None], quorum_groups: Iterable[str]
) -> Iterator[str]:
    """Name the groups that lose their quorum with one host or one zone."""
    for group in quorum_groups:
        members = groups.get(group, [])
        count = len(members)
        if not count:
            continue
        if count < 3:
            yield f"group {group}: {count} of at least 3 members; it would not survive the loss of one"
        elif count % 2 == 0:
            yield (
                f"group {group}: {count} members are an even number, which survives no more losses than "
                f"{count - 1}; take one away or add one"
            )
        for zone, held in Counter(zones.get(host) for host in members).items():
            if zone is not None and count > 1 and held > count // 2:
                yield f"group {group}: zone {zone} holds a majority, {held} of {count}; spread it over three zones"


def lacking_redundancy(
    groups: Mapping[str, list[str]], zones: Mapping[str, str | None], redundant_groups: Iterable[str]
) -> Iterator[str]:
    """Name the groups that one host or one zone holds alone."""
    for group in redundant_groups:
        members = groups.get(group, [])
        if len(members) == 1:
            yield f"group {group}: 1 of at least 2 members; it would not survive the loss of one"
        elif members and len({zones.get(host) for host in members}) == 1:
            yield f"group {group}: all {len(members)} members stand in zone {zones.get(members[0])}"


def bad_hosts(
    groups: Mapping[str, list[str]], hosts: Mapping[str, Mapping[str, str | None]]
) -> Iterator[str]:
    """Name hosts without zone or address, with the address of another, or outside the group platform."""
    addresses: dict[str, list[str]] = defaultdict(list)
    for name, host in hosts.items():
        if not DNS_LABEL.fullmatch(name):
            yield f"host {name}: its name must be a DNS label of lower-case letters, digits and hyphens"
        if name not in groups.get("platform", []):
            yield f"host {name}: it is not in the group platform"
        if not host.get("availability_zone"):
            yield f"host {name}: it has no availability_zone"
        if host.get("ansible_host"):
            addresses[str(host["ansible_host"])].append(name)
        else:
            yield f"host {name}: it has no ansible_host"
    for address, names in addresses.items():
        if len(names) > 1:
            yield f"hosts {', '.join(sorted(names))}: they have the same ansible_host, {address}"


def unreachable_hosts(pings: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Name the hosts whose answer to a ping says that they could not be reached."""
    for name, ping in pings.items():
        if ping.get("unreachable"):
            yield f"host {name}: it cannot be reached: {' '.join(str(ping.get('msg', '')).split())}"


def bad_services(
    services: Mapping[str, Mapping[str, Any]], groups: Mapping[str, list[str]], taken_ports: Mapping[str, int]
) -> Iterator[str]:
    """Name services without hosts, and ports and routes that two of them want."""
    ports: dict[int, list[str]] = defaultdict(list)
    routes: dict[str, list[str]] = defaultdict(list)
    for name, port in taken_ports.items():
        ports[port].append(name)
    for name, service in services.items():
        if absent := [key for key in ("group", "port", "processes") if key not in service]:
            yield f"service {name}: the catalogue lacks its {', '.join(absent)}"
        if "group" in service and not groups.get(service["group"]):
            yield f"service {name}: its group {service['group']} has no host"
        if "port" in service:
            ports[int(service["port"])].append(f"service {name}")
        for process, settings in (service.get("processes") or {}).items():
            if "metrics_port" in (settings or {}):
                ports[int(settings["metrics_port"])].append(f"service {name} ({process})")
        for route in service.get("routes") or []:
            routes[route.get("path") or route.get("path_prefix")].append(name)
    for port, users in sorted(ports.items()):
        if len(users) > 1 and any(user.startswith("service ") for user in users):
            yield f"port {port}: it is given to {' and to '.join(users)}"
    for path, names in routes.items():
        if len(names) > 1:
            yield f"route {path}: it is given to the services {' and '.join(names)}"


def lacking_jaeger(members: list[str], settings: Mapping[str, Any]) -> Iterator[str]:
    """Tell what the role jaeger would stop at, in the middle of a deployment."""
    if len(members) > 1:
        yield f"group jaeger: {len(members)} hosts; leave one in it, since the traces are in one place"
    if members and not settings.get("jaeger_apt_repository") and not settings.get("jaeger_release_checksum"):
        yield (
            "group jaeger: nothing says what to install; set jaeger_release_checksum to sha256:… of the vendor's release, which stands beside it "
            "(roles/jaeger/README.md), or jaeger_apt_repository, or leave the group empty: then no traces are kept"
        )


def unknown_variables(
    defined: Mapping[str, str], known: set[str], own_prefixes: Iterable[str]
) -> Iterator[str]:
    """Name variables that nothing reads, with where they stand and what may have been meant."""
    prefixes = ("ansible_", *own_prefixes)
    for name, place in sorted(defined.items()):
        if name in known or name in MAGIC or name.startswith(prefixes):
            continue
        similar = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        hint = f"; did you mean {similar[0]}?" if similar else ""
        yield f"variable {name} ({place}): nothing knows it{hint}"


def documented_variables(root: Path) -> set[str]:
    """Return the variables of group_vars/all and the options of all roles."""
    known: set[str] = set()
    for file in root.glob("group_vars/all/*.yml"):
        known |= set(yaml.safe_load(file.read_text()) or {})
    for file in root.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(file.read_text())["argument_specs"].values():
            known |= set(entry.get("options") or {})
    return known


class ActionModule(ActionBase):  # type: ignore[misc]
    """The action; see DOCUMENTATION."""

    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "required_groups": {"type": "list", "elements": "str", "required": True},
                "quorum_groups": {"type": "list", "elements": "str", "required": True},
                "redundant_groups": {"type": "list", "elements": "str", "default": []},
                "reachability": {"type": "bool", "default": True},
                "known_variables": {"type": "list", "elements": "str", "default": []},
                "own_prefixes": {"type": "list", "elements": "str", "default": []},
            }
        )
        groups = {name: list(members) for name, members in task_vars["groups"].items()}
        hosts: dict[str, dict[str, str | None]] = {}
        mistakes: list[str] = []
        for name in groups["all"]:
            hosts[name] = {}
            for variable in ("availability_zone", "ansible_host"):
                try:
                    hosts[name][variable] = task_vars["hostvars"][name].get(variable)
                    str(hosts[name][variable])
                except AnsibleError as error:
                    hosts[name][variable] = "?"
                    mistakes.append(f"host {name}: {variable} cannot be resolved: {error}")
        zones = {name: host["availability_zone"] for name, host in hosts.items()}
        pings = {name: task_vars["hostvars"][name].get("inventory_check_ping") or {} for name in hosts}
        services, taken_ports = self._catalogue(groups, task_vars)
        jaeger = groups.get("jaeger", [])
        sources = {
            name: self._is_set(task_vars["hostvars"][jaeger[0]], name)
            for name in ("jaeger_apt_repository", "jaeger_release_checksum")
            if jaeger
        }
        mistakes += [
            *missing_groups(groups, arguments["required_groups"]),
            *lacking_quorum(groups, zones, arguments["quorum_groups"]),
            *lacking_redundancy(groups, zones, arguments["redundant_groups"]),
            *bad_hosts(groups, hosts),
            *(unreachable_hosts(pings) if arguments["reachability"] else ()),
            *bad_services(services, groups, taken_ports),
            *lacking_jaeger(jaeger, sources),
            *unknown_variables(
                self._defined_variables(task_vars.get("ansible_inventory_sources") or []),
                documented_variables(ROOT) | set(arguments["known_variables"]),
                arguments["own_prefixes"],
            ),
        ]
        return {"changed": False, "mistakes": mistakes}

    @staticmethod
    def _is_set(variables: Any, name: str) -> bool:
        """Tell whether a host's variable has a value, be it one that this machine cannot make yet."""
        try:
            return bool(variables.get(name))
        except AnsibleError:
            return True

    def _catalogue(
        self, groups: Mapping[str, list[str]], task_vars: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """Return services and the platform's own ports as the hosts see them."""
        seen = (
            task_vars["hostvars"][host]
            if (host := next(iter(groups.get("platform", [])), None))
            else task_vars
        )
        services = self._templar.template(seen.get("services") or {})
        ports = self._templar.template(seen.get("network_ports") or {})
        return dict(services), {name: int(port) for name, port in ports.items()}

    def _defined_variables(self, sources: list[str]) -> dict[str, str]:
        """Return the names that the inventory itself defines, and in which group or host."""
        inventory = InventoryManager(loader=self._loader, sources=sources, cache=False)
        defined: dict[str, str] = {}
        for kind, entities in (("group", inventory.groups), ("host", inventory.hosts)):
            for name, entity in entities.items():
                variables = entity.vars | get_vars_from_inventory_sources(
                    self._loader, sources, [entity], "all"
                )
                for variable in variables:
                    defined.setdefault(variable, f"{kind} {name}")
        return defined
