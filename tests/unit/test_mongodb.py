"""When the MongoDB modules call a set whole, and whom they choose as its next primary."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.load import load_plugin

MEMBERS = ["a:1", "b:1", "c:1"]


mongodb = load_plugin("module_utils/alicerce_mongodb.py")


def status(**lags: int | None) -> dict[str, Any]:
    """An answer of replSetGetStatus: a is the primary, the others lag by so many seconds; None is down."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    members = [{"name": "a:1", "stateStr": "PRIMARY", "optimeDate": now}]
    for name, lag in lags.items():
        state = "(not reachable/healthy)" if lag is None else "SECONDARY"
        members.append(
            {"name": f"{name}:1", "stateStr": state, "optimeDate": now - timedelta(seconds=lag or 0)}
        )
    return {"members": members}


def config(**priorities: int) -> dict[str, Any]:
    return {
        "members": [
            {"host": f"{name}:1", "priority": priority, "arbiterOnly": False}
            for name, priority in priorities.items()
        ]
    }


@pytest.mark.parametrize(
    ("lags", "limit", "problems"),
    [
        ({"b": 0, "c": 60}, 60, []),
        ({"b": 0, "c": 61}, 60, ["c:1 lags by 61 s"]),
        ({"b": 0, "c": 61}, None, []),
        ({"b": 0, "c": None}, 60, ["c:1 is (not reachable/healthy)"]),
        ({"b": 0}, 60, ["c:1 is not a member"]),
        # The primary itself never lags.
        ({"b": 0, "c": 0}, -1, ["b:1 lags by 0 s", "c:1 lags by 0 s"]),
    ],
)
def test_what_a_whole_set_lacks(lags: dict[str, int | None], limit: int | None, problems: list[str]) -> None:
    answer = mongodb.describe(status(**lags), MEMBERS, limit)
    assert (answer["problems"], answer["whole"]) == (problems, not problems)


@pytest.mark.parametrize(
    ("to", "lags", "priorities", "chosen"),
    [
        ("b:1", {"b": 9, "c": 0}, {}, "b:1"),
        ("a:1", {"b": 0, "c": 0}, {}, "a:1"),
        ("", {"b": 0, "c": 0}, {}, "c:1"),
        ("", {"b": 0, "c": 3}, {}, "b:1"),
        ("", {"b": 3, "c": 0}, {"c": 0}, "b:1"),
    ],
)
def test_who_leads_next(to: str, lags: dict[str, int], priorities: dict[str, int], chosen: str) -> None:
    state = mongodb.describe(status(**lags), MEMBERS)
    assert mongodb.heir(state, config(**{"a": 1, "b": 1, "c": 1, **priorities}), MEMBERS, to) == chosen


@pytest.mark.parametrize(
    ("to", "refused"), [("c:1", "c:1 may not be the primary; these may: b:1"), ("x:1", "x:1 may not")]
)
def test_who_may_not_lead(to: str, refused: str) -> None:
    state = mongodb.describe(status(b=0, c=0), MEMBERS)
    with pytest.raises(mongodb.RefusedError, match=refused):
        mongodb.heir(state, config(a=1, b=1, c=0), MEMBERS, to)


def test_nobody_else_may_lead() -> None:
    state = mongodb.describe(status(b=0, c=0), MEMBERS)
    with pytest.raises(mongodb.RefusedError, match="no other member"):
        mongodb.heir(state, config(a=1, b=0, c=0), MEMBERS, "")
