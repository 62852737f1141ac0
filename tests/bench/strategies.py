"""What the mitogen strategy saves: `site.yml` with nothing to do on the running lab, with it and with plain Ansible.

    python -m tests.bench.strategies [--rounds 3] [--inventory DIR] [--json]

In turns, so that a noisy machine treats both alike. A run before them is not counted: it makes the connections and the caches, and refuses
where something is still to do. The platform stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.site import read_recap

ROOT = Path(__file__).resolve().parents[2]
STRATEGIES = ("mitogen", "linear")


class BenchError(Exception):
    """A run that is not what is measured here."""


def not_idle(output: str) -> list[str]:
    """Return the hosts of a run's recap that changed, failed or did not answer."""
    recap = read_recap(output)
    if not recap:
        raise BenchError("the run has printed no recap")
    return [host for host, (_, *counts) in recap.items() if any(counts)]


def run_site(strategy: str, inventory: Path) -> float:
    """Run site.yml and return the seconds that it took. Raises BenchError when it changed something or failed."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_STRATEGY")
    }
    began = time.monotonic()
    said = subprocess.run(
        [
            *("bash", "-c", '. scripts/env && exec ansible-playbook "$@"', "bench"),
            *("--inventory", str(inventory), "site.yml"),
        ],
        cwd=ROOT,
        env=environment | {"ALICERCE_STRATEGY": strategy},
        text=True,
        capture_output=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if said.returncode:
        raise BenchError(f"site.yml failed ({strategy}):\n{said.stdout[-3000:]}{said.stderr[-3000:]}")
    if hosts := not_idle(said.stdout):
        raise BenchError(f"site.yml had something to do on {', '.join(hosts)}: run it, then measure again")
    return seconds


def measure(rounds: int, one: Callable[[str], float]) -> dict[str, list[float]]:
    """Run both in turns; the one that comes first changes, so that what warms up is shared fairly."""
    one(STRATEGIES[0])
    runs: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    for number in range(rounds):
        for name in reversed(STRATEGIES) if number % 2 else STRATEGIES:
            runs[name].append(one(name))
            print(f"{name:>8}: {runs[name][-1]:6.1f} s", file=sys.stderr)
    return runs


def summary(runs: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return runs, median, least and most of each strategy."""
    return {
        name: {
            "runs": len(seconds),
            "median": round(statistics.median(seconds), 1),
            "min": round(min(seconds), 1),
            "max": round(max(seconds), 1),
        }
        for name, seconds in runs.items()
    }


def table(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return the figures as lines to read."""
    lines = ["strategy  runs  median, s  min, s  max, s"]
    lines += [
        f"{name:<8}  {one['runs']:>4}  {one['median']:>9.1f}  {one['min']:>6.1f}  {one['max']:>6.1f}"
        for name, one in figures.items()
    ]
    with_it, without = (figures[name]["median"] for name in STRATEGIES)
    return [*lines, f"linear / mitogen, medians: {without / with_it:.1f}"]


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.strategies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each strategy (default: 3)")
    parser.add_argument(
        "--inventory", type=Path, default=ROOT / "inventories/lab", help="directory of the lab's inventory"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds is 1 or more")
    inventory = arguments.inventory.absolute()
    if not (inventory / "network.yml").exists():
        print(f"tests.bench.strategies: no lab of {inventory} is up: run `make up` first", file=sys.stderr)
        return 2
    try:
        figures = summary(measure(arguments.rounds, lambda strategy: run_site(strategy, inventory)))
    except BenchError as error:
        print(f"tests.bench.strategies: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures) if arguments.json else "\n".join(table(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
