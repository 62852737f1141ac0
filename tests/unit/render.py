"""Roles' files as they become, without a host: a playbook renders them on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.load import ROOT


def render(playbook: str, variables: dict[str, str], *inventories: str) -> None:
    """Run a playbook of the repository, by plain Ansible; it must succeed."""
    said = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *(f"--inventory={ROOT / name}" for name in inventories),
            str(ROOT / playbook),
            f"--extra-vars={json.dumps(variables | {'ansible_python_interpreter': sys.executable})}",
        ],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_STRATEGY": "linear"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
