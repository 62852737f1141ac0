"""Callback plugin: what a run has changed, and where, as a short table after the recap."""

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: changed_tasks
type: aggregate
short_description: Tells at a run's end what was changed where
description:
  - After the recap, one line for each task that changed something, with its hosts, in the order of the run; one line in all where nothing
    was changed. In check mode it is what would change.
  - Prints names of tasks and hosts only, nothing of what a task returned.
  - C(ansible.posix.profile_tasks) tells the slowest tasks beside it.
requirements: [enable it in C(callbacks_enabled)]
options:
  limit:
    description: Lines at most; further tasks are counted.
    type: int
    default: 20
    env: [{name: ALICERCE_CHANGED_TASKS_LIMIT}]
    ini: [{section: callback_changed_tasks, key: limit}]
"""

HOSTS = 4
"""So many hosts a line are named, further ones are counted."""


def table(changes: dict[str, list[str]], limit: int, *, check: bool = False) -> list[str]:
    """Return the lines that tell which tasks have changed which hosts."""
    said = "would change" if check else "changed"
    if not changes:
        return [f"Nothing {said}."]
    count = sum(len(hosts) for hosts in changes.values())
    shown = {task: _few(hosts) for task, hosts in list(changes.items())[:limit]}
    width = max(map(len, shown.values()), default=0)
    lines = [f"What {said}, {count} in all:"]
    lines += [f"  {hosts:<{width}}  {task}" for task, hosts in shown.items()]
    if rest := len(changes) - len(shown):
        lines.append(f"  and {rest} further task{'s' * (rest > 1)}")
    return lines


def _few(hosts: list[str]) -> str:
    names = sorted(set(hosts))
    return " ".join(names[:HOSTS]) + (f" +{len(names) - HOSTS}" if len(names) > HOSTS else "")


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """The callback; see DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "changed_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.changes: dict[str, list[str]] = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Remember a task that changed its host."""
        if result.is_changed():
            self.changes.setdefault(result.task.get_name().strip(), []).append(result.host.get_name())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Count what the recap counts: a failure that is ignored may have changed something."""
        if ignore_errors:
            self.v2_runner_on_ok(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002
        """Print the table."""
        for line in table(self.changes, self.get_option("limit"), check=bool(context.CLIARGS.get("check"))):
            self._display.display(line)
