"""A new authority takes the former one's place in three steps, each of which may be interrupted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509

from tests.unit.load import load_script

HOST = {"common_name": "node-a.test", "dns": ["node-a.test"], "ip": []}


@pytest.fixture
def script() -> ModuleType:
    return load_script("certificate_authority")


@pytest.fixture
def store(script: ModuleType, tmp_path: Path) -> Any:
    """A site whose authority has been made."""
    store = script.SECRET.FileStore(tmp_path)
    key = store.get_or_create(script.KEY, lambda: script.SECRET.MAKERS["ec_private_key"](0))
    script.CERTIFICATES.Authority.open(
        tmp_path / "ca.crt", key, "Test CA", days=3650, leaf_days=365, store=True
    )
    return store


@pytest.fixture
def step(
    script: ModuleType, store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Run the script with a step; returns the next one, and whether something was changed."""

    def run(name: str) -> tuple[str, bool]:
        monkeypatch.setattr(sys, "argv", ["certificate_authority", name, f"--store={store.directory}"])
        assert script.main() == 0
        told = json.loads(capsys.readouterr().out)
        return told["step"], told["changed"]

    return run


def trusted(store: Any) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((store.directory / "ca.crt").read_bytes())


def test_hosts_trust_both_until_the_former_one_signs_no_more(
    script: ModuleType, store: Any, step: Any
) -> None:
    [former] = trusted(store)
    assert step("status") == ("begin", False)
    assert step("begin") == ("switch", True)
    assert trusted(store)[0] == former
    _, coming = trusted(store)
    assert coming.subject != former.subject

    assert step("switch") == ("finish", True)
    assert trusted(store) == [coming, former]
    key = store.get(script.KEY)
    authority = script.CERTIFICATES.Authority.open(
        store.directory / "ca.crt", key, "Test CA", days=3650, leaf_days=365, store=True
    )
    assert authority.certificate == coming
    assert store.get(script.NEXT_KEY) is None

    assert step("finish") == ("begin", True)
    assert trusted(store) == [coming]


@pytest.mark.parametrize("done", [["begin"], ["begin", "switch"]])
def test_a_step_that_was_done_changes_nothing(step: Any, store: Any, done: list[str]) -> None:
    for name in done:
        step(name)
    before = trusted(store)
    for name in done:
        assert not step(name)[1]
    assert trusted(store) == before


def test_steps_without_a_beginning_change_nothing(step: Any, store: Any) -> None:
    before = trusted(store)
    assert step("switch") == ("begin", False)
    assert step("finish") == ("begin", False)
    assert trusted(store) == before


def test_a_beginning_that_was_interrupted_keeps_its_key(script: ModuleType, store: Any, step: Any) -> None:
    key = store.get_or_create(script.NEXT_KEY, lambda: script.SECRET.MAKERS["ec_private_key"](0))
    assert step("status") == ("begin", False)
    assert step("begin") == ("switch", True)
    assert store.get(script.NEXT_KEY) == key


def test_a_switch_that_was_interrupted_puts_the_one_that_signs_first(
    script: ModuleType, store: Any, step: Any
) -> None:
    step("begin")
    former, coming = trusted(store)
    store.rename(script.NEXT_KEY, script.KEY)
    assert trusted(store) == [former, coming]
    assert step("switch") == ("finish", True)
    assert trusted(store) == [coming, former]


def test_an_authority_that_is_renewed_keeps_its_name(script: ModuleType, store: Any, step: Any) -> None:
    for name in ("begin", "switch", "finish"):
        step(name)
    [before] = trusted(store)
    key = store.get(script.KEY)
    renewed = script.CERTIFICATES.Authority.open(
        store.directory / "ca.crt", key, "Test CA", days=3650, leaf_days=3660, store=True
    )
    assert renewed.certificate != before
    assert renewed.certificate.subject == before.subject


def test_a_site_without_an_authority_is_told(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["certificate_authority", "begin", f"--store={tmp_path}"])
    assert script.main() == 1
    assert "site.yml makes it" in capsys.readouterr().err
