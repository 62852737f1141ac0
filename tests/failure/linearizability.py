"""Whether a history of one register can be explained by some order of its calls.

Each call must seem to happen at one moment between its beginning and its end (Herlihy and Wing, 1990). The search is that of
Wing and Gong (1993) with Lowe's memory of what was tried (2017): a set of calls that have happened and the value that they left
is looked at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One call of a register. `ended` None: its outcome is unknown, it may happen at any later time or never."""

    kind: str
    """`get`, `set` or `compare_and_set`."""
    began: float
    ended: float | None
    old: int | None = None
    new: int | None = None
    result: int | bool | None = None
    """Of `get` the value, of `compare_and_set` whether it matched."""


def _step(operation: Operation, value: int | None) -> tuple[bool, int | None]:
    """Return whether the call can happen while the register has the value, and the value after it."""
    if operation.kind == "set":
        return True, operation.new
    if operation.kind == "get":
        return operation.result == value, value
    matches = value == operation.old
    if operation.ended is not None and operation.result is not matches:
        return False, value
    return True, operation.new if matches else value


def explain(history: list[Operation], value: int | None = None) -> bool:
    """Return whether an order of the calls explains the history of a register that begins with the value."""
    calls = sorted(history, key=lambda call: call.began)
    ends = [math.inf if call.ended is None else call.ended for call in calls]
    must = sum(1 << index for index, call in enumerate(calls) if call.ended is not None)
    tried: set[tuple[int, int | None]] = set()
    todo = [(0, value)]
    while todo:
        state = todo.pop()
        if state in tried:
            continue
        tried.add(state)
        happened, current = state
        if happened & must == must:
            return True
        # A call can be next when no call that has yet to happen ended before it began.
        soonest = min(end for index, end in enumerate(ends) if not happened >> index & 1)
        for index, call in enumerate(calls):
            if call.began > soonest:
                break
            if not happened >> index & 1:
                possible, after = _step(call, current)
                if possible:
                    todo.append((happened | 1 << index, after))
    return False
