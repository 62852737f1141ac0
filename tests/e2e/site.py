"""Run the whole platform's playbook on the lab and read what it changed."""

from __future__ import annotations

import re
from typing import Any

RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[", re.MULTILINE)


def read_recap(output: str) -> dict[str, tuple[int, ...]]:
    """Return each host's counts of a run: ok, changed, unreachable, failed."""
    return {
        match[1]: tuple(int(count) for count in match.groups()[1:])
        for match in RECAP.finditer(output.rpartition("PLAY RECAP")[2])
    }


def assert_site_changes_nothing(run: Any, lab: dict[str, Any], *arguments: str) -> None:
    """Run site.yml; it must reach every host of the lab, fail nowhere and change nothing."""
    said = run("ansible-playbook", "site.yml", "--diff", *arguments, timeout=1200)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]
    recap = read_recap(said.stdout)
    assert {host["name"] for host in lab["hosts"]} <= set(recap)
    changes = {host: counts[1] for host, counts in recap.items() if counts[1]}
    tasks = [task for task in TASK.split(said.stdout) if re.search("^changed: ", task, re.MULTILINE)]
    assert changes == {}, "\n".join(tasks)
    assert all(counts[2] == counts[3] == 0 for counts in recap.values())
