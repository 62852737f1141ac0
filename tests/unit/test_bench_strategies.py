"""The comparison of strategies: both in turns, and only runs that had nothing to do."""

from __future__ import annotations

import pytest

from tests.bench import strategies

RECAP = """
PLAY RECAP ****
node-a    : ok=6    changed={changed}    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0
obs-a     : ok=6    changed=0    unreachable={unreachable}    failed=0    skipped=1    rescued=0    ignored=0

Nothing changed.
"""


def test_both_run_in_turns_after_one_that_is_not_counted() -> None:
    asked: list[str] = []

    def one(strategy: str) -> float:
        asked.append(strategy)
        return float(len(asked))

    runs = strategies.measure(3, one)
    assert asked == ["mitogen", "mitogen", "linear", "linear", "mitogen", "mitogen", "linear"]
    assert runs == {"mitogen": [2.0, 5.0, 6.0], "linear": [3.0, 4.0, 7.0]}


def test_the_table() -> None:
    figures = strategies.summary({"mitogen": [60.0, 70.04, 65.0], "linear": [200.0, 260.0, 130.0]})
    assert figures["mitogen"] == {"runs": 3, "median": 65.0, "min": 60.0, "max": 70.0}
    assert strategies.table(figures) == [
        "strategy  runs  median, s  min, s  max, s",
        "mitogen      3       65.0    60.0    70.0",
        "linear       3      200.0   130.0   260.0",
        "linear / mitogen, medians: 3.1",
    ]


@pytest.mark.parametrize(
    ("changed", "unreachable", "hosts"), [(0, 0, []), (2, 0, ["node-a"]), (0, 1, ["obs-a"])]
)
def test_a_run_that_did_something_does_not_count(changed: int, unreachable: int, hosts: list[str]) -> None:
    assert strategies.not_idle(RECAP.format(changed=changed, unreachable=unreachable)) == hosts


def test_a_run_without_a_recap_does_not_count() -> None:
    with pytest.raises(strategies.BenchError, match="no recap"):
        strategies.not_idle("ERROR!")
