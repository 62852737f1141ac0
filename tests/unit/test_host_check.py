"""Whether a host fits: each finding with its remedy, and none on a host that does."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.unit.load import ROOT, load_plugin

FITS: dict[str, Any] = {
    "asked": {
        "root": {"stdout": "0"},
        "facts": {
            "ansible_distribution": "Debian",
            "ansible_distribution_version": "13.1",
            "ansible_distribution_major_version": "13",
            "ansible_architecture": "x86_64",
            "ansible_processor_vcpus": 2,
            "ansible_memtotal_mb": 1950,
            "ansible_swaptotal_mb": 0,
        },
        "ports": [{"port": 22, "name": "sshd"}],
        "answers": {
            "disk": {"stdout": " 40960M"},
            "swappiness": {"stdout": "60"},
            "mirrors": {"stdout": ""},
            "virtual_ip": {"stdout": "", "rc": 124},
            "public_name": {"stdout": "192.0.2.10      STREAM p.example\n192.0.2.10      DGRAM\n"},
        },
    },
    "groups": ["edge", "platform"],
    "service_groups": ["auth"],
    "minimums": {
        "platform": {"cpus": 1, "memory_mb": 512, "disk_gb": 8},
        "service": {"cpus": 1, "memory_mb": 512, "disk_gb": 2},
        "edge": {"cpus": 2, "memory_mb": 1536, "disk_gb": 2},
    },
    "debian_release": 13,
    "architectures": ["x86_64"],
    "data_dir": "/var",
    "clock_seconds": 2,
    "swap_allowed": False,
    "swappiness": -1,
    "flows": [
        {"name": "ssh", "to": ["platform"], "ports": ["22"]},
        {"name": "vrrp", "to": ["edge"], "protocol": "vrrp"},
        {"name": "edge", "to": ["edge"], "ports": ["443", 80]},
        {"name": "nodes", "to": ["rabbitmq"], "ports": ["35672-35682"]},
    ],
    "ssh_port": 22,
    "deployed": False,
    "virtual_ip": "192.0.2.10",
    "virtual_ip_taken": False,
    "public_name": "p.example",
}


@pytest.fixture(scope="module")
def check() -> ModuleType:
    return load_plugin("action/host_check.py")


def judged(check: ModuleType, difference: float = 0, **changes: Any) -> list[str]:
    """Judge the host that fits, but for some changes: of options, facts, answers or ports."""
    options = copy.deepcopy(FITS)
    for name, value in changes.items():
        if name in options["asked"]["facts"]:
            options["asked"]["facts"][name] = value
        elif name in options["asked"]["answers"]:
            options["asked"]["answers"][name] = {"stdout": value}
        elif name in options["asked"]:
            options["asked"][name] = value
        else:
            options[name] = value
    return list(check.judge(options, difference))


def test_a_host_that_fits(check: ModuleType) -> None:
    assert judged(check) == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"root": {"msg": "sudo: a password\nis required"}}, "root (sudo: a password is required): as root, write"),
        ({"ansible_distribution_major_version": "12", "ansible_distribution_version": "12.4"}, "runs Debian 12.4"),
        ({"ansible_distribution": "Ubuntu"}, "install Debian 13"),
        ({"ansible_architecture": "aarch64"}, "take a machine of x86_64"),
        ({"ansible_processor_vcpus": 1}, "1 processors of 2"),
        ({"ansible_memtotal_mb": 1800}, "1800 MiB of memory of 2048"),
        ({"disk": "9000M"}, "has 8 GiB of 10"),
        ({"disk": ""}, "cannot be read"),
        ({"ansible_swaptotal_mb": 512}, "512 MiB of swap, which the kernel uses readily (vm.swappiness 60)"),
        ({"ansible_swaptotal_mb": 512, "swappiness": 30}, "vm.swappiness 30"),
        ({"mirrors": "http://a/InRelease: E: no\n"}, "no packages: http://a/InRelease: E: no"),
        ({"ports": [{"port": 80, "name": "apache2"}]}, "apache2 listens on port 80, which is for edge"),
        ({"ports": [{"port": 443, "name": ""}]}, "a program listens on port 443"),
        ({"virtual_ip": "answers\n"}, "192.0.2.10 is in use"),
        ({"virtual_ip": "bash: connect: Connection refused\n"}, "192.0.2.10 is in use"),
    ],
)  # fmt: skip
def test_one_finding(check: ModuleType, changes: dict[str, Any], finding: str) -> None:
    found = judged(check, **changes)
    assert len(found) == 1
    assert finding in found[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"ansible_swaptotal_mb": 512, "swap_allowed": True},
        {"ansible_swaptotal_mb": 512, "swappiness": 10},
        {"ports": [{"port": 80, "name": "haproxy"}], "deployed": True},
        {"ports": [{"port": 35673, "name": "beam"}]},
        {"virtual_ip": "answers\n", "virtual_ip_taken": True},
        {"virtual_ip": "bash: connect: No route to host\n"},
    ],
)
def test_no_finding(check: ModuleType, changes: dict[str, Any]) -> None:
    if "swappiness" in changes:
        # Of both names: what the kernel has, and what will be set.
        options = copy.deepcopy(FITS) | {"swappiness": changes["swappiness"]}
        options["asked"]["facts"]["ansible_swaptotal_mb"] = 512
        assert list(check.judge(options, 0)) == []
        return
    assert judged(check, **changes) == []


@pytest.mark.parametrize(
    ("answer", "address", "said"),
    [
        ("192.0.2.10  STREAM p\n192.0.2.10  DGRAM\n", "192.0.2.10", None),
        ("192.0.2.99  STREAM p\n", "", None),
        ("192.0.2.99  STREAM p\n", "192.0.2.10", "it finds 192.0.2.99 for p.example, not the virtual IP 192.0.2.10"),
        ("", "", "it finds no address of p.example: make the name's DNS record, see"),
        ("", "192.0.2.10", "make the name's DNS record, 192.0.2.10, see"),
    ],
)  # fmt: skip
def test_public_name(check: ModuleType, answer: str, address: str, said: str | None) -> None:
    found = list(check.wrong_name("p.example", {"stdout": answer}, address))
    assert (said in found[0]) if said else found == []


@pytest.mark.parametrize(
    ("difference", "said"), [(1.9, None), (-1.9, None), (60, "60 s ahead of"), (-60, "60 s behind")]
)
def test_clock(check: ModuleType, difference: float, said: str | None) -> None:
    found = judged(check, difference)
    assert (said in found[0]) if said else found == []


def test_needs_add_up_and_a_service_without_a_line_counts_as_one(check: ModuleType) -> None:
    wanted = check.needs(["platform", "auth", "edge", "zone_hosts"], ["auth"], FITS["minimums"])
    assert wanted == {"cpus": 2, "memory_mb": 2560, "disk_gb": 12}
    assert check.needs(["auth"], ["auth"], {}) == {"cpus": 0, "memory_mb": 0, "disk_gb": 0}


def test_the_sizes_in_the_documentation_are_those_of_the_example(check: ModuleType) -> None:
    groups = yaml.safe_load((ROOT / "inventories/production/hosts.yml").read_text())["all"]["children"]
    minimums = yaml.safe_load((ROOT / "roles/host_check/defaults/main.yml").read_text())[
        "host_check_minimums"
    ]
    wanted = {}
    for host in groups["platform"]["hosts"]:
        own = [name for name, group in groups.items() if group and host in (group.get("hosts") or {})]
        needs = check.needs(own, ["auth", "users", "enrichment"], minimums)
        wanted[host.rpartition("-")[0]] = [str(needs[key]) for key in ("cpus", "memory_mb", "disk_gb")]
    table = (ROOT / "docs/production.md").read_text().partition("| hosts | groups |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    assert {row[0]: row[3:] for row in rows} == wanted


def test_all_hosts_findings_come_in_one_list(tmp_path: Path) -> None:
    """This machine for a host, which lacks something, and an address where nobody answers."""
    inventory = tmp_path / "site"
    shutil.copytree(ROOT / "inventories/production", inventory, ignore=shutil.ignore_patterns(".secrets"))
    groups = yaml.safe_load((inventory / "hosts.yml").read_text())["all"]["children"]
    one = {"ansible_host": "127.0.0.1", "ansible_connection": "local", "availability_zone": "a"}
    two = {"ansible_host": "127.0.0.2", "ansible_port": 1, "availability_zone": "b"}
    hosts: dict[str, Any] = {name: {"hosts": {}} for name in groups} | {
        "platform": {"hosts": {"one": one, "two": two}}
    }
    (inventory / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"children": hosts | {"edge": {"hosts": {"one": None}}}}})
    )
    said = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), "playbooks/host_check.yml"),
            *("-e", "ansible_user=nobody", "-e", "virtual_ip_address=", "-e", "host_check_public_name=", "-e", "host_check_debian_release=99"),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STRATEGY": "linear", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert said.returncode != 0
    found = said.stdout.rpartition("What does not fit: ")[2]
    assert "- host one: it runs " in found, said.stdout
    assert "- host two: it cannot be asked over SSH (" in found, said.stdout
    assert "changed=0" in said.stdout
    assert "Nothing changed." in said.stdout
