"""Action plugin: packages that are installed cost a look at dpkg's database; see the module of the same name."""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Iterable
from typing import Any

from ansible.plugins.action import ActionBase

INSTALLED = (
    "dpkg-query --show --showformat '${Package}\\t${db:Status-Status}\\t${Version}\\n' -- %s 2>/dev/null"
)
AUTOMATIC = 'awk \'$1 == "Package:" {name = $2} $1 == "Auto-Installed:" && $2 == 1 {print name}\' /var/lib/apt/extended_states'
BETWEEN = "--"


def needs_apt(names: Iterable[str], said: str) -> list[str]:
    """Return those of `names` (PACKAGE or PACKAGE=VERSION, which may have wildcards) that are not installed as asked for.

    `said` is dpkg-query's lines, a line `--`, and the packages that are installed only because another one needs them: apt has to learn
    that they are wanted for themselves (apt-mark(8)).
    """
    lines = said.splitlines()
    between = lines.index(BETWEEN)
    versions = {
        name: version
        for name, status, version in (line.split("\t") for line in lines[:between])
        if status == "installed"
    }
    automatic = set(lines[between + 1 :])
    missing = []
    for wanted in names:
        name, _, version = wanted.partition("=")
        if (
            name not in versions
            or name in automatic
            or not fnmatch.fnmatchcase(versions[name], version or "*")
        ):
            missing.append(wanted)
    return missing


class ActionModule(ActionBase):  # type: ignore[misc]
    """Ask ansible.builtin.apt only where something is missing."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, and pass the task on as it is where apt has something to do."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        names = [arguments["name"]] if isinstance(arguments["name"], str) else list(arguments["name"])
        if not arguments.get("update_cache"):
            packages = " ".join(shlex.quote(name.partition("=")[0]) for name in names)
            said = self._low_level_execute_command(f"{INSTALLED % packages}; echo {BETWEEN}; {AUTOMATIC}")
            if said["rc"] == 0 and not needs_apt(names, said["stdout"]):
                return result | {"changed": False}
        by_apt: dict[str, Any] = self._execute_module("ansible.builtin.apt", arguments, task_vars=task_vars)
        return result | by_apt
