"""What is collected to be looked at, and perhaps given away, holds what is needed and no secret."""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.failure.platform import run
from tests.unit.load import ROOT, load_plugin

SHORTEST = 12
"""Characters of a secret's line that is looked for: less would be found anywhere."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diagnostics")
    said = run(
        "ansible-playbook", "playbooks/collect_diagnostics.yml", "-e", f"folder={folder}", "-e", "since=3h"
    )
    assert said.returncode == 0, said.stdout + said.stderr
    (made,) = folder.iterdir()
    assert str(made) in said.stdout
    return made


def contents(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all files, those of the hosts' archives too."""
    with tarfile.open(archive) as whole:
        for member in whole:
            stream = whole.extractfile(member)
            if stream is None:
                continue
            content = stream.read()
            if not member.name.endswith(".tar.gz"):
                yield member.name, content
                continue
            with tarfile.open(fileobj=io.BytesIO(content)) as host:
                for inner in host:
                    if (file := host.extractfile(inner)) is not None:
                        yield inner.name, file.read()


def test_it_is_for_its_owner_and_has_every_host(archive: Path, lab: dict[str, Any]) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    files = {name for name, _ in contents(archive)}
    for host in lab["hosts"]:
        name = host["name"]
        assert {f"{name}/system/memory", f"{name}/system/sockets", f"{name}/journal/kernel"} <= files
    assert any(name.endswith("/status.json") for name in files)
    assert "node-a/configuration/etc/haproxy/conf.d/10-edge.cfg" in files
    assert "node-a/journal/alicerce-users-web.service" in files


def test_it_holds_none_of_the_secrets(archive: Path) -> None:
    store = load_plugin("lookup/secret.py").FileStore(ROOT / "inventories/lab/.secrets")
    lines = {
        line.encode(): name
        for name in store.names()
        for line in (store.get(name) or "").splitlines()
        if len(line) >= SHORTEST and not line.startswith("-----")
    }
    assert len(lines) > 20
    found = [
        (name, secret)
        for name, content in contents(archive)
        for line, secret in lines.items()
        if line in content
    ]
    assert found == []
