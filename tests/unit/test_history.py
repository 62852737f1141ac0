"""The judge of the failure tests finds what it is there to find."""

from typing import Any

import pytest

from tests.failure.history import Promise, Record, judge, longest_gap, row
from tests.failure.linearizability import Operation, explain

STRICT = Promise()


def write(number: int, began: float, ended: float, *, who: str = "w0", ok: bool = True) -> Record:
    return {"op": "write", "who": who, "number": number, "began": began, "ended": ended, "ok": ok}


def history(
    *records: Record, writes: dict[str, list[int]] | None = None, until: float = 10.0, **answer: Any
) -> list[Record]:
    return [
        {"op": "began", "at": 0.0},
        *records,
        {"op": "stopped", "at": until},
        {"op": "holds", "ok": True, "answer": {"writes": writes or {}, **answer}},
    ]


def test_a_history_without_a_flaw_is_good() -> None:
    verdict = judge(history(write(1, 1, 2), write(2, 2, 3), writes={"w0": [1, 2]}), STRICT)
    assert verdict.good
    assert (verdict.acknowledged, verdict.unknown) == (2, 0)


def test_an_acknowledged_write_that_is_not_there_is_lost() -> None:
    verdict = judge(history(write(1, 1, 2), write(2, 2, 3), writes={"w0": [2]}), STRICT)
    assert verdict.lost == [("w0", 1)]
    assert not verdict.good


@pytest.mark.parametrize("there", [[1], [1, 2]])
def test_a_write_that_failed_may_be_there_or_not(there: list[int]) -> None:
    verdict = judge(history(write(1, 1, 2), write(2, 2, 3, ok=False), writes={"w0": there}), STRICT)
    assert verdict.good
    assert (verdict.acknowledged, verdict.unknown) == (1, 1)


def test_a_write_that_is_there_twice_is_found() -> None:
    verdict = judge(history(write(1, 1, 2), writes={"w0": [1, 1]}), STRICT)
    assert verdict.twice == [("w0", 1)]
    assert not verdict.good
    assert judge(history(write(1, 1, 2), writes={"w0": [1, 1]}), Promise(repeats=True)).good


def test_a_write_that_nobody_asked_for_is_found() -> None:
    verdict = judge(history(write(1, 1, 2), writes={"w0": [1, 7]}), STRICT)
    assert verdict.invented == [("w0", 7)]
    assert not verdict.good


def test_a_transfer_that_was_acknowledged_must_be_there() -> None:
    transfer = {"op": "transfer", "who": "t0", "number": 1, "began": 1, "ended": 2, "ok": True}
    lost = judge(history(transfer, write(1, 1, 2), writes={"w0": [1]}, transfers={}, sum=10), STRICT)
    assert lost.lost == [("t0", 1)]
    assert judge(
        history(transfer, write(1, 1, 2), writes={"w0": [1]}, transfers={"t0": [1]}, sum=10), STRICT
    ).good


def test_a_short_loss_is_within_the_promise_of_a_cache_and_a_long_one_is_not() -> None:
    records = [write(n, n, n + 0.1) for n in range(1, 9)]
    promise = Promise(lost_within=3)
    assert judge(history(*records, writes={"w0": [1, 2, 3, 4, 8]}), promise).good
    assert not judge(history(*records, writes={"w0": [1, 8]}), promise).good


def test_a_read_of_the_past_is_found_and_a_concurrent_write_is_none() -> None:
    read = {"op": "read", "who": "w0", "began": 3, "ended": 4, "ok": True, "newest": 1}
    assert judge(history(write(1, 1, 2), write(2, 2, 2.5), read, writes={"w0": [1, 2]}), STRICT).stale == 1
    assert judge(history(write(1, 1, 2), write(2, 2, 3.5), read, writes={"w0": [1, 2]}), STRICT).stale == 0
    assert judge(history(write(1, 1, 2), write(2, 2, 2.5, who="w1"), read, writes={}), STRICT).stale == 0


def test_a_read_of_the_past_is_excused_shortly_after_an_interruption_only() -> None:
    promise = Promise(stale_within=5)

    def good(at: float, *writes: Record, to: Promise = promise) -> bool:
        read = {"op": "read", "who": "w0", "began": at, "ended": at + 0.1, "ok": True, "newest": 0}
        return judge(history(*writes, read, writes={"w0": [w["number"] for w in writes]}), to).good

    steady = [write(n, n / 2, n / 2 + 0.1) for n in range(1, 60)]
    interrupted = [write(1, 1, 1.1), write(2, 1.5, 9), write(3, 9.4, 9.5), write(4, 10, 10.1)]
    assert not good(25.2, *steady)
    assert good(5, *interrupted[:1])
    assert good(9.2, *interrupted[:2])
    assert good(10.2, *interrupted)
    assert not good(10.2, *interrupted, to=STRICT)
    assert not good(15.2, *interrupted, *(write(n, n / 2 + 8, n / 2 + 8.1) for n in range(5, 16)))


def test_a_wrong_sum_is_found_while_it_goes_on_and_at_the_end() -> None:
    looks = [
        {"op": "sum", "who": "t0", "began": n, "ended": n, "ok": True, "sum": s} for n, s in ((1, 10), (2, 9))
    ]
    assert judge(history(*looks, write(1, 1, 2), writes={"w0": [1]}, sum=10), STRICT).wrong_sums == 1
    assert judge(history(looks[0], write(1, 1, 2), writes={"w0": [1]}, sum=9), STRICT).wrong_sums == 1


def test_a_store_that_cannot_be_read_breaks_its_promise() -> None:
    unread = [*history(write(1, 1, 2))[:-1], {"op": "holds", "ok": False, "error": "Timeout"}]
    assert not judge(unread, STRICT).good
    assert not judge(unread[:-1], STRICT).good


def test_a_run_without_one_acknowledged_write_proves_nothing() -> None:
    assert not judge(history(write(1, 1, 2, ok=False)), STRICT).good


def test_the_gap_is_that_of_the_worst_client_from_the_first_moment_to_the_last() -> None:
    assert longest_gap(history(write(1, 1, 2), write(2, 2, 6), until=7.0)) == 4
    assert longest_gap(history(write(1, 1, 2), write(1, 1, 5, who="w1"), write(2, 2, 6), until=7.0)) == 5
    assert longest_gap(history(write(1, 1, 2), until=30.0)) == 28
    assert longest_gap(history(write(1, 1, 9, ok=False), until=30.0)) == 30


def test_a_register_that_forgot_a_write_breaks_the_promise() -> None:
    calls = [
        {"op": "set", "who": "r0", "register": 3, "value": 5, "began": 1, "ended": 2, "ok": True},
        {"op": "get", "who": "r1", "register": 3, "value": None, "began": 3, "ended": 4, "ok": True},
    ]
    assert judge(history(*calls, write(1, 1, 2), writes={"w0": [1]}), STRICT).wrong_registers == [3]


def test_a_row_tells_the_worst_of_its_runs() -> None:
    good = judge(history(write(1, 1, 2), until=3.0, writes={"w0": [1]}), STRICT)
    bad = judge(history(write(1, 1, 2), until=12.0), STRICT)
    table = row("postgresql", "host", [good, bad, good])
    assert table["gap"] == {"min": 2, "median": 2, "max": 10}
    assert (table["runs"], table["lost"], table["verdict"]) == (3, 1, "BROKEN")


def put(began: float, ended: float | None, new: int) -> Operation:
    return Operation("set", began, ended, new=new)


def get(began: float, ended: float, value: int | None) -> Operation:
    return Operation("get", began, ended, result=value)


def cas(began: float, ended: float | None, old: int, new: int, matched: bool | None = None) -> Operation:
    return Operation("compare_and_set", began, ended, old=old, new=new, result=matched)


@pytest.mark.parametrize(
    ("calls", "explained"),
    [
        ([], True),
        ([get(0, 1, None), put(1, 2, 1), get(3, 4, 1)], True),
        # A read that began after a write had ended must see it.
        ([put(0, 1, 1), get(2, 3, None)], False),
        # Side by side, either order will do, but not back and forth.
        ([put(0, 10, 1), get(1, 2, None), get(3, 4, 1)], True),
        ([put(0, 10, 1), get(1, 2, 1), get(3, 4, None)], False),
        # A call without an answer happens late, or never.
        ([put(0, 1, 1), put(2, None, 2), get(5, 6, 1), get(7, 8, 2)], True),
        ([put(0, 1, 1), put(2, None, 2), get(5, 6, 1), get(7, 8, 1)], True),
        ([put(0, 1, 1), put(2, None, 2), get(5, 6, 2), get(7, 8, 1)], False),
        # Of two who compare with the same value only one may match.
        ([put(0, 1, 1), cas(2, 5, 1, 2, True), cas(3, 6, 1, 3, True)], False),
        ([put(0, 1, 1), cas(2, 5, 1, 2, True), cas(3, 6, 1, 3, False), get(7, 8, 2)], True),
        ([put(0, 1, 1), cas(2, None, 1, 2), get(3, 4, 2)], True),
        ([put(0, 1, 1), cas(2, 3, 1, 2, False)], False),
    ],
)
def test_an_order_of_calls_is_found_exactly_when_there_is_one(
    calls: list[Operation], explained: bool
) -> None:
    assert explain(calls) is explained


def test_many_calls_side_by_side_are_explained_in_time() -> None:
    calls = [put(n / 10, n / 10 + 0.35, n) for n in range(60)] + [put(n, None, 1000 + n) for n in range(6)]
    calls += [get(n / 10 + 0.36, n / 10 + 0.4, n) for n in range(0, 60, 7)]
    assert explain(calls)
    assert not explain([*calls, get(9, 10, 7)])
