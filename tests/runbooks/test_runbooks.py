"""Each runbook, run from its own text on the lab, in the state that it is for."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.failure.platform import ROOT, Platform
from tests.runbooks.runbook import Command, Runbook, difference, files, read
from tests.runbooks.states import STATES, await_all_whole

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
}
"""The environment of somebody who types the commands: make, as part of another one, would tell which folder it enters."""
LONGEST = 1800
"""Seconds that one command may take."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    quick = metafunc.config.getoption("--quick")
    chosen = [path for path in files() if not quick or read(path).quick]
    metafunc.parametrize("path", chosen, ids=[path.stem for path in chosen])


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform()


def attempt(command: Command, variables: dict[str, str]) -> str:
    """Run a command as somebody would who reads it; return what is wrong with what comes of it."""
    said = subprocess.run(
        ["bash", "-c", f". scripts/env\n{command.text}"],
        cwd=ROOT,
        env=ENVIRONMENT | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if (said.returncode != 0) != command.fails:
        return f"it ended with {said.returncode}:\n{said.stdout[-4000:]}"
    return difference(command.expected, said.stdout, variables)


def follow(runbook: Runbook, variables: dict[str, str]) -> None:
    """Do what the runbook says, and compare."""
    for command in runbook.commands:
        deadline = time.monotonic() + command.patience
        while wrong := attempt(command, variables):
            assert time.monotonic() < deadline, (
                f"{runbook.path.name}:{command.line}: $ {command.text}\n{wrong}"
            )
            time.sleep(2)


def test_a_runbook_does_what_it_says(path: Path, platform: Platform) -> None:
    runbook = read(path)
    await_all_whole()
    with STATES[runbook.state](platform) as variables:
        follow(runbook, variables)
    await_all_whole()
