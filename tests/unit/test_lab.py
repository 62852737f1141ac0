"""The lab's script: ranges that are free, the reading of a run's recap, and what is built beside a deployment."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.load import load_script


@pytest.fixture
def lab_script() -> ModuleType:
    return load_script("lab")


def machine(
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    addresses: Sequence[str] = (),
    routes: Sequence[str] = (),
    networks: Sequence[str] = (),
) -> None:
    """Let the script see a machine with these addresses, routes and podman networks."""

    def run(*argv: str, **_: object) -> subprocess.CompletedProcess[str]:
        out: list[dict[str, Any]]
        if "address" in argv:
            out = [
                {
                    "addr_info": [
                        {"local": a.split("/")[0], "prefixlen": int(a.split("/")[1])} for a in addresses
                    ]
                }
            ]
        elif "route" in argv:
            out = [{"dst": r} for r in routes]
        else:
            out = [{"subnets": [{"subnet": n}]} for n in networks]
        return subprocess.CompletedProcess(argv, 0, json.dumps(out), "")

    monkeypatch.setattr(module, "run", run)


def test_a_free_range_is_a_part_of_the_pool_and_stays_the_same(
    monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType
) -> None:
    machine(monkeypatch, lab_script)
    first = lab_script.Lab().free_range()
    assert ipaddress.ip_network(f"{first}.0/24").subnet_of(lab_script.POOL)
    assert lab_script.Lab().free_range() == first


@pytest.mark.parametrize("by", ["addresses", "routes", "networks"])
def test_a_range_in_use_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType, by: str
) -> None:
    machine(monkeypatch, lab_script)
    first = lab_script.Lab().free_range()
    taken = f"{first}.7/24" if by == "addresses" else f"{first}.0/24"
    machine(monkeypatch, lab_script, **{by: [taken]})
    assert lab_script.Lab().free_range() != first


def test_default_routes_and_ipv6_networks_take_nothing(
    monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType
) -> None:
    machine(monkeypatch, lab_script)
    first = lab_script.Lab().free_range()
    machine(monkeypatch, lab_script, routes=["default"], networks=["fd00::/64"])
    assert lab_script.Lab().free_range() == first


def test_a_machine_without_a_free_range_is_told(
    monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    machine(monkeypatch, lab_script, routes=[str(lab_script.POOL)])
    with pytest.raises(SystemExit):
        lab_script.Lab().free_range()
    assert "no free /24" in capsys.readouterr().err


def test_checkouts_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType) -> None:
    name = lab_script.Lab().name
    monkeypatch.setattr(lab_script, "ROOT", Path("/somewhere/else"))
    assert lab_script.Lab().name != name


def test_changes_are_read_from_the_last_recap(lab_script: ModuleType) -> None:
    output = """
changed: [node-a]
PLAY RECAP *********
node-a                     : ok=6    changed=2    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
localhost                  : ok=1    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0

What changed, 2 in all:
  node-a  base : Make it so: changed=7

TASKS RECAP ****
base : Do ------- 0.08s
"""
    assert lab_script.changes(output) == {"node-a": 2, "localhost": 0}


@pytest.mark.parametrize(
    ("missing", "hosts_options", "site_options"),
    [
        (
            "jaeger\n",
            ['--extra-vars={"local_apt_repository_packages": ["elasticsearch", "mongodb-org-server"]}'],
            ["--skip-tags=jaeger"],
        ),
        ("", [], []),
    ],
)
def test_what_takes_long_to_build_is_left_out_until_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
    lab_script: ModuleType,
    missing: str,
    hosts_options: list[str],
    site_options: list[str],
) -> None:
    monkeypatch.setattr(lab_script, "run", lambda *argv: subprocess.CompletedProcess(argv, 0, missing, ""))
    late = lab_script.LatePackages(object())
    assert late.without() == hosts_options
    assert late.skipped() == site_options


@pytest.mark.parametrize("ending", ["done", "failed", "interrupted"])
def test_a_build_beside_a_deployment_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType, tmp_path: Path, ending: str
) -> None:
    program = tmp_path / "build"
    program.write_text(
        "#!/bin/sh\n"
        + {"done": "true", "failed": "echo why; false", "interrupted": "sleep 60 & wait"}[ending]
    )
    program.chmod(0o755)
    monkeypatch.setattr(lab_script, "run", lambda *argv: subprocess.CompletedProcess(argv, 0, "jaeger\n", ""))
    monkeypatch.setattr(lab_script, "ROOT", tmp_path)
    late = lab_script.LatePackages(SimpleNamespace(say=print, environment={}))
    late.program, late.log = str(program), tmp_path / "log"
    with contextlib.suppress(KeyboardInterrupt, SystemExit), late:
        if ending == "interrupted":
            raise KeyboardInterrupt
        late.wait()
    assert late.process.returncode == {"done": 0, "failed": 1, "interrupted": -signal.SIGTERM}[ending]


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, lab_script: ModuleType, tmp_path: Path) -> ModuleType:
    """The script in a checkout of its own, with two labs' inventories and a site's."""
    for name in "lab", "lab-wide", "production":
        folder = tmp_path / "inventories" / name
        folder.mkdir(parents=True)
        address = "192.0.2.11" if name == "production" else '"{{ lab_subnet }}.11"'
        (folder / "hosts.yml").write_text(f"all: {{hosts: {{n1: {{ansible_host: {address}}}}}}}\n")
    for name, value in {
        "ROOT": tmp_path,
        "STATE": tmp_path / ".lab",
        "OTHERS": tmp_path / ".lab" / "inventories",
        "LAB_INVENTORY": tmp_path / "inventories" / "lab",
    }.items():
        monkeypatch.setattr(lab_script, name, value)
    return lab_script


def labs(script: ModuleType) -> tuple[Any, Any]:
    return script.Lab(script.LAB_INVENTORY), script.Lab(script.ROOT / "inventories" / "lab-wide")


def test_the_default_lab_is_where_it_was(checkout: ModuleType) -> None:
    default, _ = labs(checkout)
    assert default.info_file == checkout.ROOT / ".lab" / "info.json"
    assert default.network_file == checkout.ROOT / "inventories/lab/network.yml"
    assert default.words == ""


def test_labs_of_two_inventories_share_nothing(checkout: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    default, wide = labs(checkout)
    assert not wide.name.startswith(default.name)
    assert not default.name.startswith(wide.name)
    assert wide.state.is_relative_to(checkout.OTHERS)
    assert wide.network_file == checkout.ROOT / "inventories/lab-wide/network.yml"
    assert wide.words == " INVENTORY=inventories/lab-wide"
    machine(monkeypatch, checkout)

    def run(*argv: str, **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 1 if "inspect" in argv else 0, "[]", "")

    monkeypatch.setattr(checkout, "run", run)
    for lab in default, wide:
        lab.choose_network()
    said = {lab: lab.network_file.read_text() for lab in (default, wide)}
    assert default.subnet() != wide.subnet()
    assert f"lab_hosts_state_dir: {json.dumps(str(wide.state))}" in said[wide]
    assert "lab_hosts_state_dir" not in said[default]


@pytest.mark.parametrize("first", [0, 1])
def test_removing_a_lab_leaves_the_other(checkout: ModuleType, first: int) -> None:
    for lab in labs(checkout):
        (lab.state / "ssh").mkdir(parents=True)
        lab.info_file.write_text("{}")
        (lab.inventory / ".secrets").mkdir()
        lab.network_file.write_text("---\n")
    gone, there = labs(checkout)[first], labs(checkout)[1 - first]
    checkout.remove_files(gone)
    assert not gone.info_file.exists()
    assert not (gone.inventory / ".secrets").exists()
    assert not gone.network_file.exists()
    assert there.info_file.exists()
    assert (there.state / "ssh").exists()
    assert (there.inventory / ".secrets").exists()
    assert there.network_file.exists()
    checkout.remove_files(there)
    if first == 1:
        assert not checkout.STATE.exists()
    assert not checkout.OTHERS.exists()


def test_only_a_lab_is_made(
    checkout: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout.ROOT)
    assert checkout.lab_inventory("inventories/lab-wide/") == checkout.ROOT / "inventories/lab-wide"
    for wrong, why in {
        "inventories/production": "is no lab's",
        "inventories/nowhere": "there is no",
    }.items():
        monkeypatch.setattr("sys.argv", ["lab", "--inventory", wrong, "up"])
        with pytest.raises(SystemExit):
            checkout.main()
        assert why in capsys.readouterr().err


def test_what_to_try_next_names_the_inventory(checkout: ModuleType) -> None:
    default, wide = labs(checkout)
    assert "make test " in checkout.try_next(default, "node-a")
    said = checkout.try_next(wide, "edge-a")
    assert "make ssh HOST=edge-a INVENTORY=inventories/lab-wide " in said
    assert "make test" not in said
