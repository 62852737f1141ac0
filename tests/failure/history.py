"""What the clients recorded, and the verdict on it.

A history is the list of records that `alicerce_history.client` prints (tests/fixtures/history_service). A call that
failed is one whose outcome is unknown: it may have been applied, then or later.
"""

from __future__ import annotations

import itertools
import statistics
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.failure.linearizability import Operation, explain

Record = dict[str, Any]
INTERRUPTION = 1.0
"""Seconds without an acknowledged write from which on a client was interrupted."""


@dataclass(frozen=True)
class Promise:
    """What a store promises its clients; a run that breaks it fails."""

    lost_within: float = 0.0
    """Seconds: acknowledged writes may be lost that are younger than this when the fault strikes (Redis)."""
    repeats: bool = False
    """A write may arrive more than once (RabbitMQ: at least once; its consumers tell by the event's id)."""
    stale_within: float = 0.0
    """Seconds: a read may miss what its client was told when that client waited longer than INTERRUPTION for a write so shortly before
    (MongoDB: a new primary may read as of before its election until it has committed its first entry)."""


@dataclass
class Verdict:
    """What one run showed."""

    acknowledged: int
    unknown: int
    """Writes that failed for the client, whether or not they were applied."""
    gap: float
    """The longest time, in seconds, in which one client had no write acknowledged."""
    lost: list[tuple[str, int]] = field(default_factory=list)
    """Acknowledged, and not there."""
    lost_span: float = 0.0
    """Seconds from the first acknowledgement that was lost to the last one before the gap."""
    twice: list[tuple[str, int]] = field(default_factory=list)
    """Asked for once, there more than once."""
    invented: list[tuple[str, int]] = field(default_factory=list)
    """There, and never asked for."""
    stale: int = 0
    """Reads that did not see what had been acknowledged to the same client before they began."""
    stale_unexcused: int = 0
    """Those of them that no interruption explains, as far as one may."""
    wrong_sums: int = 0
    """Looks at all accounts that found another sum than the first one."""
    wrong_registers: list[int] = field(default_factory=list)
    """Registers whose history no order of the calls explains."""
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the store kept its promise."""
        return not self.problems


def _numbers(records: list[Record], op: str, *, ok: bool | None = None) -> set[tuple[str, int]]:
    return {(r["who"], r["number"]) for r in records if r["op"] == op and (ok is None or r["ok"] is ok)}


def longest_gap(records: list[Record]) -> float:
    """Return the longest time in seconds in which one of the writing clients had no acknowledgement."""
    began = next(r["at"] for r in records if r["op"] == "began")
    stopped = next((r["at"] for r in records if r["op"] == "stopped"), None)
    times: defaultdict[str, list[float]] = defaultdict(list)
    for r in records:
        if r["op"] == "write":
            times[r["who"]] += [r["ended"]] if r["ok"] else []
    longest = 0.0
    for acknowledged in times.values():
        # A client that never was answered again must not look well.
        edges = [began, *sorted(acknowledged), *([stopped] if stopped is not None else [])]
        longest = max(longest, *(after - before for before, after in itertools.pairwise(edges)))
    return round(longest, 2)


def stale_reads(records: list[Record]) -> list[Record]:
    """Return the reads that missed a write which the same client had been told of before it asked."""
    newest: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    stale = []
    for r in records:
        if r["op"] == "write" and r["ok"]:
            newest[r["who"]].append((r["ended"], r["number"]))
        elif r["op"] == "read" and r["ok"]:
            known = max((n for ended, n in newest[r["who"]] if ended <= r["began"]), default=0)
            if r["newest"] < known:
                stale.append(r)
    return stale


def interrupted(records: list[Record], read: Record, within: float) -> bool:
    """Whether the client of a read waited for an acknowledgement at some time of the last seconds before the read's end."""
    acknowledged = [r["ended"] for r in records if r["op"] == "write" and r["ok"] and r["who"] == read["who"]]
    edges = [*acknowledged, max([read["ended"], *acknowledged])]
    return any(
        after - before > INTERRUPTION and before < read["ended"] and after > read["began"] - within
        for before, after in itertools.pairwise(sorted(edges))
    )


def wrong_sums(records: list[Record], holds: Record) -> int:
    """Count the looks at all accounts that found another sum than what they began with."""
    sums = [r["sum"] for r in records if r["op"] == "sum" and r["ok"]] + (
        [holds["sum"]] if "sum" in holds else []
    )
    return sum(found != sums[0] for found in sums[1:])


def register_histories(records: list[Record]) -> dict[int, list[Operation]]:
    """Return the calls on each register."""
    found: defaultdict[int, list[Operation]] = defaultdict(list)
    for r in records:
        if r["op"] == "get" and r["ok"]:
            found[r["register"]].append(Operation("get", r["began"], r["ended"], result=r["value"]))
        elif r["op"] == "set":
            found[r["register"]].append(
                Operation("set", r["began"], r["ended"] if r["ok"] else None, new=r["value"])
            )
        elif r["op"] == "compare_and_set":
            found[r["register"]].append(
                Operation(
                    "compare_and_set",
                    r["began"],
                    r["ended"] if r["ok"] else None,
                    old=r["old"],
                    new=r["value"],
                    result=r.get("matched"),
                )
            )
    return dict(found)


def judge(records: list[Record], promise: Promise) -> Verdict:
    """Compare what was acknowledged with what the store holds."""
    said = next((r for r in records if r["op"] == "holds"), None)
    verdict = Verdict(
        acknowledged=len(_numbers(records, "write", ok=True)) + len(_numbers(records, "transfer", ok=True)),
        unknown=len(_numbers(records, "write", ok=False)) + len(_numbers(records, "transfer", ok=False)),
        gap=longest_gap(records),
    )
    if said is None or not said["ok"]:
        verdict.problems.append(
            f"the store could not be read: {said['error'] if said else 'the client ended'}"
        )
        return verdict
    holds = said["answer"]
    for op, name in (("write", "writes"), ("transfer", "transfers")):
        there = Counter((who, number) for who, numbers in holds.get(name, {}).items() for number in numbers)
        verdict.lost += sorted(_numbers(records, op, ok=True) - set(there))
        verdict.twice += sorted(key for key, count in there.items() if count > 1)
        verdict.invented += sorted(set(there) - _numbers(records, op))
    stale = stale_reads(records)
    verdict.stale = len(stale)
    verdict.stale_unexcused = sum(
        not (promise.stale_within and interrupted(records, read, promise.stale_within)) for read in stale
    )
    verdict.wrong_sums = wrong_sums(records, holds)
    verdict.wrong_registers = sorted(
        register for register, history in register_histories(records).items() if not explain(history)
    )
    verdict.lost_span = _lost_span(records, set(verdict.lost))
    verdict.problems += _problems(verdict, promise)
    return verdict


def _lost_span(records: list[Record], lost: set[tuple[str, int]]) -> float:
    times = [
        r["ended"] for r in records if r["op"] == "write" and r["ok"] and (r["who"], r["number"]) in lost
    ]
    return round(max(times) - min(times), 2) if times else 0.0


def _problems(verdict: Verdict, promise: Promise) -> list[str]:
    found = []
    if not verdict.acknowledged:
        found.append("no write was acknowledged at all")
    if verdict.lost and (not promise.lost_within or verdict.lost_span > promise.lost_within):
        found.append(f"{len(verdict.lost)} acknowledged writes lost, over {verdict.lost_span} s")
    if verdict.twice and not promise.repeats:
        found.append(f"{len(verdict.twice)} writes applied twice")
    if verdict.invented:
        found.append(f"{len(verdict.invented)} writes there that nobody asked for")
    if verdict.stale_unexcused:
        found.append(f"{verdict.stale_unexcused} reads of the past")
    if verdict.wrong_sums:
        found.append(f"{verdict.wrong_sums} sums of all accounts are wrong")
    if verdict.wrong_registers:
        found.append(f"registers {verdict.wrong_registers} are not linearizable")
    return found


def row(store: str, fault: str, verdicts: list[Verdict]) -> dict[str, Any]:
    """Return the row of a table for all runs of one fault; times in seconds."""
    gaps = [verdict.gap for verdict in verdicts]
    return {
        "store": store,
        "fault": fault,
        "runs": len(verdicts),
        "gap": {"min": min(gaps), "median": round(statistics.median(gaps), 2), "max": max(gaps)},
        "acknowledged": sum(verdict.acknowledged for verdict in verdicts),
        "unknown": sum(verdict.unknown for verdict in verdicts),
        "lost": sum(len(verdict.lost) for verdict in verdicts),
        "twice": sum(len(verdict.twice) for verdict in verdicts),
        "stale": sum(verdict.stale for verdict in verdicts),
        "verdict": "kept" if all(verdict.good for verdict in verdicts) else "BROKEN",
        "problems": [problem for verdict in verdicts for problem in verdict.problems],
        "each": [asdict(verdict) for verdict in verdicts],
    }


def line(table: dict[str, Any]) -> str:
    """Return a row as one line of text."""
    gap = table["gap"]
    return (
        f"{table['store']:<11} {table['fault']:<12} runs {table['runs']}  gap {gap['min']} / {gap['median']} / {gap['max']} s"
        f"  acknowledged {table['acknowledged']}  lost {table['lost']}  twice {table['twice']}  stale {table['stale']}"
        f"  {table['verdict']}"
    )
