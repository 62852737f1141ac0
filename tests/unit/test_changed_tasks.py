"""The table at a run's end: what changed where, and never what a task returned."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.load import ROOT, load_plugin


@pytest.fixture(scope="module")
def callback() -> ModuleType:
    return load_plugin("callback/changed_tasks.py")


def test_nothing_is_one_line(callback: ModuleType) -> None:
    assert callback.table({}, 20) == ["Nothing changed."]
    assert callback.table({}, 20, check=True) == ["Nothing would change."]


def test_tasks_with_their_hosts_in_order(callback: ModuleType) -> None:
    assert callback.table({"b : Do": ["n1", "n2"], "a : Make": ["n2"]}, 20) == [
        "What changed, 3 in all:",
        "  n1 n2  b : Do",
        "  n2     a : Make",
    ]


def test_what_is_too_much_is_counted(callback: ModuleType) -> None:
    hosts = [f"n{number}" for number in range(6)]
    changes = {f"Task {number}": hosts for number in range(5)}
    assert callback.table(changes, 3)[1:] == [
        *(f"  n0 n1 n2 n3 +2  Task {number}" for number in range(3)),
        "  and 2 further tasks",
    ]
    assert callback.table(changes, 4)[-1] == "  and 1 further task"


def test_a_host_that_a_task_changed_twice_is_named_once(callback: ModuleType) -> None:
    assert callback.table({"Do": ["n1", "n1"]}, 20) == ["What changed, 2 in all:", "  n1  Do"]


PLAY = [
    {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [
            {"name": "Look", "ansible.builtin.command": {"argv": ["true"]}, "changed_when": False},
            {
                "name": "Change both",
                "ansible.builtin.command": {"argv": ["echo", "a-secret"]},
                "changed_when": "{{ change }}",
                "check_mode": False,
                "notify": "Follow",
            },
            {
                "name": "Change the first",
                "ansible.builtin.command": {"argv": ["echo", "{{ item }}"]},
                "loop": [1, 2],
                "changed_when": "{{ change }}",
                "check_mode": False,
                "run_once": True,
            },
        ],
        "handlers": [
            {
                "name": "Follow",
                "ansible.builtin.command": {"argv": ["true"]},
                "changed_when": True,
                "check_mode": False,
            }
        ],
    }
]


@pytest.mark.parametrize("strategy", ["linear", "mitogen"])
def test_a_run_ends_with_it(tmp_path: Path, strategy: str) -> None:
    (tmp_path / "play.json").write_text(json.dumps(PLAY))

    def end_of(*arguments: str) -> str:
        run = subprocess.run(
            [
                *("bash", "-c", f'. {ROOT}/scripts/env && exec ansible-playbook "$@"', "run"),
                *("--inventory", "n1,n2,", "play.json", *arguments),
            ],
            cwd=tmp_path,
            env=os.environ
            | {
                "ALICERCE_STRATEGY": strategy,
                "ALICERCE_CACHE": str(tmp_path),
                "ANSIBLE_STRATEGY": "linear",
                "ANSIBLE_NOCOLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout.rpartition("PLAY RECAP")[2].partition("\n\n")[2].partition("\nTASKS RECAP")[0]

    table = "  n1 n2  Change both\n  n1     Change the first\n  n1 n2  Follow\n"
    assert end_of("-e", '{"change": true}') == "What changed, 5 in all:\n" + table
    assert end_of("-e", '{"change": true}', "--check") == "What would change, 5 in all:\n" + table
    assert end_of("-e", '{"change": false}') == "Nothing changed.\n"
