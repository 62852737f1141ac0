"""What store_guard finds on a host, and which hops of version it refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.load import load_plugin

SOURCE = Path(__file__).resolve().parents[2] / "plugins" / "modules" / "store_guard.py"


guard = load_plugin("modules/store_guard.py")


def run(**arguments: Any) -> dict[str, Any]:
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {"store": "Store", "remedy": "Set it back.", **arguments}})
    # ansible-core 2.19 and newer want to know how the arguments are written.
    program = (
        "import sys, runpy\nimport ansible.module_utils.basic as basic\n"
        f"basic._ANSIBLE_ARGS = {given.encode()!r}\nbasic._ANSIBLE_PROFILE = 'legacy'\n"
        f"runpy.run_path({str(SOURCE)!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_wildcards_name_what_is_there(tmp_path: Path) -> None:
    for name in ("17/main", "16/old"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "PG_VERSION").touch()
    (tmp_path / "18" / "empty").mkdir(parents=True)
    assert guard.in_paths(f"{tmp_path}/*/*/PG_VERSION") == ["16/old", "17/main"]


def test_a_file_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("a: 1\n  replSetName: first\n")
    assert guard.in_file(tmp_path / "conf", r"^ *replSetName: (\S+)") == ["first"]
    assert guard.in_file(tmp_path / "none", r"(x)") == []


def test_only_an_installed_package_has_a_version(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(
        "Package: removed\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: there\nStatus: install ok installed\nVersion: 5:8.0.2-3\nDescription: x\n Version: 9\n"
    )
    assert guard.installed_version("there", status) == "8.0.2-3"
    assert guard.installed_version("removed", status) == ""
    assert guard.installed_version("unknown", status) == ""


@pytest.mark.parametrize(
    ("installed", "wanted", "refused"),
    [
        ("", "8.0.*", ""),
        ("6.0.5-1+x", "6.0.5-*", ""),
        ("6.0.5", "6.1.*", ""),
        ("6.0.5", "7.0.*", ""),
        ("6.0.5", "8.0.*", "more than one major"),
        ("7.0.2", "6.0.*", "older"),
        ("7.1.2", "7.0.*", "older"),
        ("7.1.2", "7", ""),
        ("7.1.2", "*", ""),
    ],
)
def test_hops(installed: str, wanted: str, refused: str) -> None:
    answer = guard.refusal_of_hop(installed, wanted)
    assert (refused in answer) if refused else answer == ""


def test_data_of_another_name_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "old" / "member").mkdir(parents=True)
    answer = run(asked="new", paths=f"{tmp_path}/*/member")
    assert answer["failed"]
    assert "has data of old, but new is asked for" in answer["msg"]
    assert "Set it back." in answer["msg"]


def test_no_data_and_the_data_asked_for_pass(tmp_path: Path) -> None:
    assert run(asked="new", paths=f"{tmp_path}/*/member")["data"] is False
    (tmp_path / "new" / "member").mkdir(parents=True)
    (tmp_path / "old" / "member").mkdir(parents=True)
    answer = run(asked="new", paths=f"{tmp_path}/*/member")
    assert (answer["changed"], answer["data"], answer["found"]) == (False, True, ["new", "old"])


def test_what_a_store_put_aside_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "new.failed" / "member").mkdir(parents=True)
    assert run(asked="new", paths=f"{tmp_path}/*/member")["data"] is False


def test_a_hop_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}

    class Module:
        def __init__(self, **_: Any) -> None:
            self.params = {
                "store": "Store",
                "asked": "a",
                "paths": None,
                "file": str(tmp_path / "none"),
                "pattern": "(x)",
                "package": "there",
                "version": "8.0.*",
                "remedy": "Go by 7.0.",
            }

        def fail_json(self, **answer: Any) -> None:
            said.update(answer)
            raise SystemExit

    monkeypatch.setattr(guard, "AnsibleModule", Module)
    monkeypatch.setattr(guard, "installed_version", lambda _: "6.0.5")
    with pytest.raises(SystemExit):
        guard.main()
    assert "6.0.5 is installed, and 8.0.* is more than one major version further" in said["msg"]
    assert "Go by 7.0." in said["msg"]
