"""The inventory check names every mistake at once; the example inventory has none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.unit.load import load_plugin

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def check() -> ModuleType:
    return load_plugin("action/inventory_check.py")


ZONES = {"n1": "a", "n2": "b", "n3": "c", "n4": "a", "n5": "b"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["n1", "n2", "n3"], []),
        (["n1", "n2", "n3", "n4", "n5"], []),
        (["n1"], ["at least 3"]),
        (["n1", "n2"], ["at least 3"]),
        (["n1", "n2", "n3", "n4"], ["even number"]),
        (["n1", "n4", "n2"], ["zone a holds a majority, 2 of 3"]),
        ([], []),
    ],
)
def test_quorum(check: ModuleType, members: list[str], expected: list[str]) -> None:
    mistakes = list(check.lacking_quorum({"etcd": members}, ZONES, ["etcd"]))
    assert len(mistakes) == len(expected)
    assert all(text in mistake for text, mistake in zip(expected, mistakes, strict=True))


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["n1", "n2"], None),
        ([], None),
        (["n1"], "at least 2"),
        (["n1", "n4"], "all 2 members stand in zone a"),
    ],
)
def test_redundancy(check: ModuleType, members: list[str], expected: str | None) -> None:
    mistakes = list(check.lacking_redundancy({"postgresql": members}, ZONES, ["postgresql"]))
    assert (expected in mistakes[0]) if expected else mistakes == []


def test_hosts(check: ModuleType) -> None:
    good = {"availability_zone": "a", "ansible_host": "192.0.2.1"}
    hosts = {"n1": good, "n2": good, "N_3": {"ansible_host": "192.0.2.3"}, "n4": {"availability_zone": "a"}}
    mistakes = list(check.bad_hosts({"platform": ["n1", "n2", "N_3"]}, hosts))
    assert mistakes == [
        "host N_3: its name must be a DNS label of lower-case letters, digits and hyphens",
        "host N_3: it has no availability_zone",
        "host n4: it is not in the group platform",
        "host n4: it has no ansible_host",
        "hosts n1, n2: they have the same ansible_host, 192.0.2.1",
    ]


def test_catalogue(check: ModuleType) -> None:
    services = {
        "auth": {"group": "auth", "port": 8101, "processes": {"web": {}, "relay": {"metrics_port": 8151}}},
        "users": {"group": "nobody", "port": 8101, "processes": {"relay": {"metrics_port": 8151}}},
        "mail": {"port": 5432, "routes": [{"path": "/m"}]},
        "post": {"group": "auth", "port": 8104, "processes": {}, "routes": [{"path_prefix": "/m"}]},
    }
    mistakes = list(check.bad_services(services, {"auth": ["n1"]}, {"postgresql": 5432, "dcs": 1, "dcs2": 1}))
    assert mistakes == [
        "service users: its group nobody has no host",
        "service mail: the catalogue lacks its group, processes",
        "port 5432: it is given to postgresql and to service mail",
        "port 8101: it is given to service auth and to service users",
        "port 8151: it is given to service auth (relay) and to service users (relay)",
        "route /m: it is given to the services mail and post",
    ]


@pytest.mark.parametrize(
    ("members", "settings", "expected"),
    [
        ([], {}, []),
        (["n1"], {"jaeger_release_checksum": "sha256:00"}, []),
        (["n1"], {"jaeger_apt_repository": {"uris": "http://mirror"}}, []),
        (["n1"], {"jaeger_apt_repository": {}, "jaeger_release_checksum": ""}, ["set jaeger_release_checksum"]),
        (["n1", "n2"], {}, ["2 hosts; leave one", "set jaeger_release_checksum"]),
    ],
)  # fmt: skip
def test_jaeger(
    check: ModuleType, members: list[str], settings: dict[str, object], expected: list[str]
) -> None:
    mistakes = list(check.lacking_jaeger(members, settings))
    assert len(mistakes) == len(expected)
    assert all(text in mistake for text, mistake in zip(expected, mistakes, strict=True))


def test_unknown_variables(check: ModuleType) -> None:
    defined = {
        "ansible_user": "host n1",
        "site_dns": "group all",
        "redis_porrt": "group platform",
        "zzz": "host n1",
    }
    assert list(check.unknown_variables(defined, {"redis_port"}, ["site_"])) == [
        "variable redis_porrt (group platform): nothing knows it; did you mean redis_port?",
        "variable zzz (host n1): nothing knows it",
    ]


def run(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *("-i", str(inventory), "playbooks/inventory_check.yml", *arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STRATEGY": "linear", "ANSIBLE_FORKS": "30", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("name", ["production", "lab", "lab-wide"])
def test_inventories_that_ship_have_no_mistake(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What only the machine or the site knows.
    own = "lab_subnet=192.0.2" if name != "production" else "jaeger_release_checksum=sha256:00"
    # The repository of the lab's packages is made later.
    monkeypatch.setenv("ALICERCE_CACHE", str(tmp_path))
    result = run(ROOT / "inventories" / name, "-e", "inventory_check_reachability=false", "-e", own)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_mistake_of_a_broken_copy_is_named_at_once(tmp_path: Path) -> None:
    inventory = tmp_path / "broken"
    shutil.copytree(ROOT / "inventories/production", inventory, ignore=shutil.ignore_patterns(".secrets"))
    file = inventory / "hosts.yml"
    # Loopback addresses, on whose port 1 nobody answers.
    text = file.read_text().replace("192.0.2.", "127.0.0.")
    groups = yaml.safe_load(text)["all"]["children"]
    hosts = groups["platform"]["hosts"]
    del groups["etcd"]["hosts"]["etcd-c"]
    groups["rabbitmq"]["hosts"]["redis-a"] = None
    hosts["mongodb-b"]["availability_zone"] = "a"
    del groups["frontend"]["hosts"]
    del groups["users"]["hosts"]
    groups["postgresql"]["hosts"] = {"postgresql-b": None}
    del hosts["workers-a"]["availability_zone"]
    del hosts["workers-b"]["ansible_host"]
    hosts["edge-a"]["redis_max_memori"] = "1gb"
    hosts["edge-b"]["ansible_host"] = hosts["edge-c"]["ansible_host"]
    groups["edge"]["hosts"]["stray"] = {"ansible_host": "127.0.0.250", "availability_zone": "a"}
    file.write_text(yaml.safe_dump({"all": {"children": groups}}))
    site = inventory / "group_vars/platform/site.yml"
    site.write_text(f"{site.read_text()}\nansible_port: 1\nplatform_publik_name: x\n")
    services = yaml.safe_load((ROOT / "group_vars/all/services.yml").read_text())["services"]
    services["users"]["port"] = services["auth"]["port"]
    (inventory / "group_vars/platform/catalogue.yml").write_text(yaml.safe_dump({"services": services}))

    result = run(inventory)
    assert result.returncode != 0
    for mistake in [
        "group etcd: 2 of at least 3 members",
        "group rabbitmq: 4 members are an even number",
        "group mongodb: zone a holds a majority, 2 of 3",
        "group postgresql: 1 of at least 2 members",
        "group frontend: it has no host",
        "service users: its group users has no host",
        "host workers-a: it has no availability_zone",
        "host workers-b: it has no ansible_host",
        "host stray: it is not in the group platform",
        "hosts edge-b, edge-c: they have the same ansible_host, 127.0.0.139",
        "variable redis_max_memori (host edge-a): nothing knows it",
        "variable platform_publik_name (group platform): nothing knows it; did you mean platform_public_name?",
        f"port {services['auth']['port']}: it is given to service auth and to service users",
        "host redis-c: it cannot be reached",
        "group jaeger: nothing says what to install",
    ]:
        assert f"- {mistake}" in result.stdout, f"{mistake}\n{result.stdout}"
