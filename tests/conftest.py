"""What every test of the whole platform needs: the deployed lab, and commands of the control node."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command in the repository, with .venv first in PATH, and return what it printed."""

    def _run(*argv: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            argv, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=timeout, check=False
        )

    return _run


@pytest.fixture(scope="session")
def lab() -> dict[str, Any]:
    """Return what `make info` tells of the running lab."""
    file = Path(os.environ.get("ALICERCE_INFO", ROOT / ".lab" / "info.json"))
    if not file.exists():
        pytest.fail(f"no lab is up ({file} is missing): run `make up` first")
    return dict(json.loads(file.read_text()))
