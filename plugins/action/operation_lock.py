"""Action plugin: says on whose behalf the lock is taken, and takes over what a process of this control node has left; see the module of the same name."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

PROC = Path("/proc")
MACHINE_ID = Path("/etc/machine-id")


def started(pid: int) -> str:
    """Return when a process began, in ticks since the boot; "" when there is none."""
    try:
        # The name, in brackets, may hold anything.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def boot() -> str:
    """Return what tells this boot of the control node from others."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def machine() -> str:
    """Return what tells this control node from others."""
    known = MACHINE_ID.read_text().strip() if MACHINE_ID.exists() else ""
    return f"{socket.gethostname()} {known}".strip()


def holder() -> dict[str, str]:
    """Return the run that this is part of: who, on which control node, which process."""
    parent = multiprocessing.parent_process()
    # Tasks run in children of the run's own process.
    pid = os.getpid() if parent is None or parent.pid is None else parent.pid
    person = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    return {
        "who": f"{person}@{socket.gethostname()}",
        "machine": machine(),
        "boot": boot(),
        "pid": str(pid),
        "started": started(pid),
    }


def left_over(found: dict[str, Any]) -> bool:
    """Whether the lock is one of a process of this control node that is gone."""
    if not found or found.get("machine") != machine():
        return False
    return found.get("boot") != boot() or started(int(found["pid"])) != found.get("started")


class ActionModule(ActionBase):  # type: ignore[misc]
    """Ask for the lock, and once more where what stands in the way is a leftover."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args | {"holder": holder()}
        answer: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        mine = answer.get("mine", True)
        if arguments.get("state", "taken") == "taken" and not mine and left_over(answer.get("holder", {})):
            arguments["instead_of"] = answer["revision"]
            answer = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result | answer
