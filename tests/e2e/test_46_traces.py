"""A sign-up is one trace, from the request to the document in MongoDB, and so is a change; it says nothing of the person."""

from __future__ import annotations

import itertools
import json
import secrets
import time
from typing import Any

import pytest

from tests.e2e.conftest import kept
from tests.failure.platform import run

PATIENCE = 90.0
"""Seconds in which all parts of a trace must have arrived."""
ENRICHED = [("enrichment", "process enrichment.user-events"), ("enrichment", "enrich")]
CHANGE = [("users", "PATCH /api/v1/users/me"), ("users", "publish user.updated"), *ENRICHED]
SIGN_UP = [
    ("auth", "POST /api/v1/auth/signup"),
    ("auth", "publish account.created"),
    ("users", "process users.account-events"),
    ("users", "publish user.created"),
    *ENRICHED,
]
"""Each span is the child of the one before it."""


def trace_of(request_id: str) -> dict[str, Any] | None:
    """Ask as an operator does; None while Jaeger does not know the trace."""
    said = run("scripts/trace", "--format", "json", request_id)
    if said.returncode == 3:
        return None
    assert said.returncode == 0, said.stderr
    return dict(json.loads(said.stdout))


@pytest.fixture(scope="module")
def changed(edge: Any, account: dict[str, Any]) -> tuple[str, int]:
    """Change a profile until the edge gives an id that is kept; returns it and the revision."""
    token = account["access_token"]
    for number in range(200):
        answer = edge.call(
            "PATCH", "/api/v1/users/me", token=token, json={"name": f"Teresa Cristina {number}"}
        )
        assert answer.status_code == 200, answer.text
        if kept(answer.headers["X-Request-ID"]):
            edge.enriched(token, answer.json()["revision"])
            return answer.headers["X-Request-ID"], answer.json()["revision"]
    pytest.fail("none of 200 requests has an id that is kept: the edge's ids are not random")


@pytest.fixture(scope="module")
def joined(edge: Any) -> str:
    """Sign people up until the edge gives an id that is kept; returns it."""
    for number in range(200):
        answer = edge.sign_up(
            {
                "email": f"trace.{secrets.token_hex(6)}@example.com",
                "password": secrets.token_urlsafe(18),
                "name": f"Teresa Cristina {number}",
            }
        )
        assert answer.status_code == 201, answer.text
        if kept(answer.headers["X-Request-ID"]):
            return str(answer.headers["X-Request-ID"])
    pytest.fail("none of 200 requests has an id that is kept: the edge's ids are not random")


def chained(
    request_id: str, chain: list[tuple[str, str]], writers: set[str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Wait until a trace has a chain, each of `writers` with its commit in PostgreSQL, and MongoDB; returns its spans."""
    deadline = time.monotonic() + PATIENCE
    while True:
        trace = trace_of(request_id)
        spans = {(span["service"], span["name"]): span for span in (trace or {}).get("spans", [])}
        stores = {(service, str(span["tags"].get("db.system"))) for (service, _), span in spans.items()}
        wanted = {(writer, name) for writer in writers for name in ("INSERT outbox", "COMMIT")} | set(chain)
        if spans.keys() >= wanted and ("enrichment", "mongodb") in stores:
            break
        assert time.monotonic() < deadline, f"in the trace of {request_id} is only {sorted(spans)}"
        time.sleep(3)
    for above, below in itertools.pairwise(chain):
        assert spans[below]["parent"] == spans[above]["id"], f"{below} does not continue {above}"
        assert spans[below]["start_us"] >= spans[above]["start_us"] - 50_000  # clocks of two hosts
    return spans


def test_one_trace_covers_a_change_and_what_came_of_it(changed: tuple[str, int]) -> None:
    spans = chained(changed[0], CHANGE, {"users"})
    assert not [span for span in spans.values() if span["error"]]


def test_one_trace_covers_a_sign_up_and_what_came_of_it(joined: str) -> None:
    spans = chained(joined, SIGN_UP, {"auth", "users"})
    assert not [span for span in spans.values() if span["error"]]


def test_the_trace_says_nothing_of_the_person(changed: tuple[str, int], account: dict[str, Any]) -> None:
    text = json.dumps(trace_of(changed[0]))
    for value in (account["email"], "Teresa", account["id"], account["access_token"]):
        assert value not in text


def test_it_is_drawn_and_an_unknown_one_is_named(changed: tuple[str, int]) -> None:
    drawn = run("scripts/trace", "--width", "100", changed[0])
    assert drawn.returncode == 0, drawn.stderr
    assert "PATCH /api/v1/users/me" in drawn.stdout
    assert all(len(line) <= 100 for line in drawn.stdout.splitlines())
    unknown = run("scripts/trace", "0" * 31 + "1")
    assert unknown.returncode == 3
    assert "does not know" in unknown.stderr
