"""The lookup `secret`: one value a name, encrypted at rest, made once by however many ask."""

from __future__ import annotations

import base64
import multiprocessing
import re
import stat
import subprocess
import sys
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from ansible.template import Templar, trust_as_template
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.unit.load import load_plugin

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins/lookup"


@pytest.fixture(scope="session", autouse=True)
def _loader() -> None:
    init_plugin_loader()
    lookup_loader.add_directory(str(PLUGINS))


def lookup(*names: str, variables: dict[str, Any], **options: object) -> list[str]:
    templar = Templar(loader=DataLoader(), variables=variables)
    plugin = lookup_loader.get("secret", loader=DataLoader(), templar=templar)
    found: list[str] = plugin.run(list(names), variables=variables, **options)
    return found


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    return {
        "secret_store_dir": trust_as_template("{{ inventory_dir }}/.secrets"),
        "inventory_dir": str(tmp_path),
    }


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / ".secrets"


def test_same_name_same_value(variables: dict[str, Any]) -> None:
    first, other = lookup("redis_users", "redis_auth", variables=variables)
    assert first != other
    assert lookup("redis_users", variables=variables) == [first]
    assert lookup("redis_users", variables=variables, kind="hex", length=8, create=False) == [first]


def test_password_is_safe_in_urls_and_shells(variables: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{32}", lookup("p", variables=variables)[0])
    assert re.fullmatch(r"[A-Za-z0-9]{9}", lookup("q", variables=variables, length=9)[0])


def test_kinds(variables: dict[str, Any]) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", lookup("h", variables=variables, kind="hex")[0])
    assert len(base64.b64decode(lookup("b", variables=variables, kind="base64", length=741)[0])) == 741
    pem = lookup("k", variables=variables, kind="ec_private_key")[0]
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert lookup("k", variables=variables) == [pem]


def test_nothing_is_readable_by_others_or_without_the_key(variables: dict[str, Any], store: Path) -> None:
    value = lookup("p", variables=variables)[0]
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in store.iterdir()} == {0o600}
    assert value not in (store / "secrets.yml").read_text()
    assert (store / "secrets.yml").read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")


def test_lost_key_is_named_and_no_new_one_made(variables: dict[str, Any], store: Path) -> None:
    lookup("p", variables=variables)
    key = store / "vault-password"
    key.rename(store / "elsewhere")
    with pytest.raises(AnsibleLookupError, match="vault-password was not found"):
        lookup("other", variables=variables)
    assert not key.exists()
    key.write_text("another key\n")
    with pytest.raises(AnsibleLookupError, match="secret_store_key_file"):
        lookup("p", variables=variables)


def test_key_elsewhere(variables: dict[str, Any], store: Path, tmp_path: Path) -> None:
    variables["secret_store_key_file"] = trust_as_template("{{ inventory_dir }}/keys/platform")
    lookup("p", variables=variables)
    assert (tmp_path / "keys/platform").is_file()
    assert not (store / "vault-password").exists()


def test_key_from_a_program(variables: dict[str, Any], store: Path, tmp_path: Path) -> None:
    program = tmp_path / "key"
    program.write_text("#!/bin/sh\necho from-a-program\n")
    program.chmod(0o700)
    variables["secret_store_key_file"] = str(program)
    [value] = lookup("p", variables=variables)
    assert load_plugin("lookup/secret.py").FileStore(store, program).get("p") == value


def test_create_false(variables: dict[str, Any], store: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="no secret 'p'"):
        lookup("p", variables=variables, create=False)
    assert not store.exists()


def test_check_mode_stores_nothing(variables: dict[str, Any], store: Path) -> None:
    variables["ansible_check_mode"] = True
    assert lookup("p", variables=variables)[0]
    assert not store.exists()


@pytest.mark.parametrize("name", ["", "Upper", "../up", "a b", "-a"])
def test_bad_names(variables: dict[str, Any], name: str) -> None:
    with pytest.raises(AnsibleLookupError, match="no name of a secret"):
        lookup(name, variables=variables)


def test_unknown_provider_and_kind(variables: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError, match="provider"):
        lookup("p", variables=variables | {"secret_provider": "vault9"})
    with pytest.raises(AnsibleError, match="kind"):
        lookup("p", variables=variables, kind="rsa")


def test_implicit_localhost_sees_what_the_first_host_sees(variables: dict[str, Any], store: Path) -> None:
    value = lookup("p", variables=variables)
    hostvars = {"node-a": {"inventory_dir": str(store.parent), "secret_store_dir": str(store)}}
    localhost = {"groups": {"platform": ["node-a"], "all": ["node-a"]}, "hostvars": hostvars}
    localhost["secret_store_dir"] = variables["secret_store_dir"]
    assert lookup("p", variables=localhost, create=False) == value


def test_change_by_another_process_is_seen(variables: dict[str, Any], store: Path) -> None:
    lookup("p", variables=variables)
    module = load_plugin("lookup/secret.py")
    cached = dict(module.FileStore._cache)
    module.FileStore(store)._write({"p": "edited"})
    module.FileStore._cache.update(cached)
    assert lookup("p", variables=variables) == ["edited"]


def _make_many(store: Path, barrier: Barrier, results: Queue[list[str]]) -> None:
    file_store = load_plugin("lookup/secret.py").FileStore(store)
    make = load_plugin("lookup/secret.py").MAKERS["password"]
    barrier.wait()
    results.put([file_store.get_or_create(f"name-{number}", lambda: make(32)) for number in range(5)])


def test_many_processes_make_each_secret_once(store: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(8), context.Queue()
    processes = [context.Process(target=_make_many, args=(store, barrier, results)) for _ in range(8)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=10)
        assert process.exitcode == 0
    assert answers.count(answers[0]) == 8
    assert load_plugin("lookup/secret.py").FileStore(store).names() == [
        f"name-{number}" for number in range(5)
    ]


def command(store: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts/secret", f"--store={store}", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_stores_what_is_made_elsewhere(variables: dict[str, Any], store: Path) -> None:
    assert command(store, "--put", "backup_s3_access_key", given="AKIA\n").returncode == 0
    assert lookup("backup_s3_access_key", variables=variables, create=False) == ["AKIA"]
    assert command(store, "backup_s3_access_key").stdout == "AKIA\n"

    assert command(store, "--put", "backup_s3_access_key", given="AKIA").returncode == 0
    refused = command(store, "--put", "backup_s3_access_key", given="OTHER")
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert "OTHER" not in refused.stderr + refused.stdout
    assert lookup("backup_s3_access_key", variables=variables) == ["AKIA"]
    assert command(store, "--put", "--replace", "backup_s3_access_key", given="OTHER").returncode == 0
    assert lookup("backup_s3_access_key", variables=variables) == ["OTHER"]


@pytest.mark.parametrize(
    ("arguments", "given", "status"),
    [
        (["--put", "name"], "\n", 2),
        (["--put"], "value", 2),
        (["--replace", "name"], "value", 2),
        (["--put", "Not a name"], "value", 1),
    ],
)
def test_the_command_stores_nothing_by_mistake(
    store: Path, arguments: list[str], given: str, status: int
) -> None:
    said = command(store, *arguments, given=given)
    assert (said.returncode, said.stdout) == (status, "")
    assert said.stderr.startswith(("usage:", "secret:"))
    assert command(store, "--list").stdout.strip() == ""
