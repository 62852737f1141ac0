"""Every role keeps its contract, and the check that says so sees each way to break one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.load import load_script

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "role_readmes"


contracts = load_script("role_readmes")

GOOD: dict[str, Any] = {
    "defaults": {"cache_size": 5, "cache_peers": "{{ groups['cache'] }}"},
    "options": {
        "cache_size": {"type": "int", "default": 5, "description": "Entries."},
        "cache_peers": {
            "type": "list",
            "elements": "str",
            "default": "{{ groups['cache'] }}",
            "description": "Hosts.",
        },
        "cache_name": {"type": "str", "required": True, "description": "Name."},
        "cache_limit": {"type": "str", "description": "Limit; none by default."},
    },
    "tasks": "- debug: msg={{ cache_size }}{{ cache_peers }}{{ cache_name }}{{ cache_limit | default() }}",
}


def _role(
    folder: Path,
    *,
    defaults: dict[str, Any],
    options: dict[str, Any],
    tasks: str,
    entries: Sequence[str] = ("main",),
) -> Any:
    role = folder / "cache"
    for name, content in {
        "defaults/main.yml": yaml.safe_dump(defaults),
        "meta/argument_specs.yml": yaml.safe_dump(
            {
                "argument_specs": {
                    entry: {"short_description": "Keep things", "options": options} for entry in entries
                }
            }
        ),
        "tasks/main.yml": tasks,
    }.items():
        (role / name).parent.mkdir(parents=True, exist_ok=True)
        (role / name).write_text(content)
    return contracts.Role(role)


@pytest.mark.parametrize("folder", sorted((ROOT / "roles").iterdir()), ids=lambda path: path.name)
def test_role_keeps_its_contract_and_its_readme_is_fresh(folder: Path) -> None:
    role = contracts.Role(folder)
    assert list(contracts.faults(role)) == []
    assert (folder / "README.md").read_text() == contracts.render(role)


def test_a_good_role_has_no_faults(tmp_path: Path) -> None:
    assert list(contracts.faults(_role(tmp_path, **GOOD))) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"defaults": {**GOOD["defaults"], "cache_size": 6}}, "cache_size is 6 in defaults"),
        ({"defaults": {**GOOD["defaults"], "cache_more": 1}}, "cache_more has a default, but is not in meta"),
        ({"defaults": {"cache_size": 5}}, "cache_peers has a default in meta/argument_specs.yml, but not in"),
        (
            {"defaults": {**GOOD["defaults"], "cache_limit": "1"}},
            "cache_limit has a default in defaults/main",
        ),
        (
            {"defaults": {**GOOD["defaults"], "cache_name": "x"}},
            "cache_name is required, and yet has a default",
        ),
        ({"tasks": GOOD["tasks"].replace("cache_size", "cache_sizes")}, "cache_size is not used"),
        ({"entries": ("main", "status")}, "there is no tasks/status.yml"),
        ({"entries": ("status",)}, "describes no entry point main"),
        (
            {"options": {**GOOD["options"], "cache_limit": {"type": "str"}}},
            "cache_limit has no description",
        ),
        (
            {"options": {**GOOD["options"], "cache_limit": {"description": "Limit."}}},
            "cache_limit has no type",
        ),
        (
            {
                "options": {**GOOD["options"], "limit": {"type": "str", "description": "Limit."}},
                "tasks": GOOD["tasks"] + "{{ limit }}",
            },
            "limit does not begin with cache_",
        ),
        (
            {
                "options": {
                    **GOOD["options"],
                    "cache_size": {**GOOD["options"]["cache_size"], "default": "5"},
                },
                "defaults": {**GOOD["defaults"], "cache_size": "5"},
            },
            "cache_size is '5', which is no int",
        ),
    ],
)
def test_each_breach_is_named(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    found = list(contracts.faults(_role(tmp_path, **{**GOOD, **change})))
    assert any(fault in line for line in found), found


def test_check_fails_on_a_stale_readme_and_writing_mends_it(tmp_path: Path) -> None:
    role = _role(tmp_path, **GOOD)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), "--roles-dir", str(tmp_path), *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    stale = run("--check")
    assert (stale.returncode, stale.stderr) == (1, "cache: README.md is stale: run scripts/role_readmes\n")
    assert run().returncode == 0
    assert "| `cache_size` | int | `5` | Entries. |" in (role.folder / "README.md").read_text()
    assert run("--check").returncode == 0
