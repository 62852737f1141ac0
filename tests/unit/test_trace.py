"""The drawing of a trace, on answers that Jaeger 2.13 gave: of a change that was enriched, and of one that its worker refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.load import load_script

ANSWERS = Path(__file__).parent / "traces"
TRACE = "0af7651916cd43dd84ffffffffffffff"


@pytest.fixture
def script() -> ModuleType:
    return load_script("trace")


def answer(name: str) -> dict[str, Any]:
    return dict(json.loads((ANSWERS / f"{name}.json").read_text()))


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the script with an answer of Jaeger's; returns its exit status and what it printed."""

    def call(*arguments: str, status: int = 200, body: dict[str, Any] | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr(script, "fetch", lambda *_: {"status": status, "body": body or {}})
        code = script.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_waterfall_shows_each_span_below_its_parent(run: Run) -> None:
    code, out, _ = run("--width", "110", TRACE, body=answer("whole"))
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith(f"trace {TRACE}: 8 spans of 2 services in ")
    assert "failed" not in lines[0]
    expected = [
        ("users", "PATCH /api/v1/users/me"),
        ("users", "SELECT outbox"),
        ("users", "INSERT outbox"),
        ("users", "COMMIT"),
        ("users", "publish user.updated"),
        ("enrichment", "process enrichment.user-events"),
        ("enrichment", "enrich"),
        ("enrichment", "enrichment.update"),
    ]
    assert len(lines) == 1 + len(expected)
    for line, (service, name) in zip(lines[1:], expected, strict=True):
        assert line.startswith(service)
        assert f" {name} " in line
    # Each is drawn where it was: what begins later, further to the right.
    begins = [line.index("█") for line in lines[1:]]
    assert begins == sorted(begins)
    indents = [len(line) - len(line[11:].lstrip()) - 11 for line in lines[1:]]
    assert indents[0] < indents[1] == indents[4] < indents[5] < indents[6]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(run: Run, width: int) -> None:
    for name in ("whole", "failed"):
        _, out, _ = run("--width", str(width), TRACE, body=answer(name))
        assert max(len(line) for line in out.splitlines()) <= width
        assert out.count("█") >= 8


def test_what_failed_is_marked_and_named(run: Run) -> None:
    code, out, _ = run("--width", "100", TRACE, body=answer("failed"))
    lines = out.splitlines()
    assert code == 0
    assert lines[0].endswith(", 1 failed")
    (marked,) = (line for line in lines if line.endswith("│!"))
    assert "process enrichment" in marked
    assert lines[-1] == "! enrichment: process enrichment.user-events: dead"
    assert "\x1b" not in out


def test_a_terminal_gets_failures_in_red_and_one_without_unicode_plain_signs(script: ModuleType) -> None:
    spans = script.read(answer("failed"))
    text = script.draw(spans, TRACE, width=80, color=True, ascii_only=True)
    assert text.isascii()
    assert text.count("\x1b[31m") == text.count("\x1b[0m") == 1


def test_json(run: Run) -> None:
    code, out, _ = run("--format", "json", TRACE, body=answer("whole"))
    told = json.loads(out)
    assert code == 0
    assert told["trace"] == TRACE
    assert told["services"] == ["enrichment", "users"]
    assert len(told["spans"]) == 8
    by_name = {span["name"]: span for span in told["spans"]}
    relay, worker = by_name["publish user.updated"], by_name["process enrichment.user-events"]
    assert worker["parent"] == relay["id"]
    assert relay["parent"] == by_name["PATCH /api/v1/users/me"]["id"]
    assert by_name["INSERT outbox"]["tags"]["db.system"] == "postgresql"
    assert told["duration_us"] == max(span["start_us"] + span["duration_us"] for span in told["spans"])


def test_spans_whose_parents_are_missing_are_drawn_all_the_same(script: ModuleType) -> None:
    body = answer("whole")
    spans = body["data"][0]["spans"]
    body["data"][0]["spans"] = [span for span in spans if not span["operationName"].startswith("PATCH")]
    drawn = script.read(body)
    assert len(drawn) == 7
    assert [span.depth for span in drawn if span.name == "COMMIT"] == [0]


@pytest.mark.parametrize("text", ["0AF76519-16cd-43dd-84ff-ffffffffffff", f" {TRACE} "])
def test_an_id_may_be_written_as_the_header_has_it(script: ModuleType, text: str) -> None:
    assert script.trace_id(text) == TRACE


@pytest.mark.parametrize("text", ["", "x", TRACE[:-1], TRACE + "0", "../etc/passwd", "{{ 1 }}"])
def test_what_is_no_id_is_refused_before_anybody_is_asked(run: Run, text: str) -> None:
    code, out, err = run("--", text)
    assert (code, out) == (2, "")
    assert "is no trace" in err


@pytest.mark.parametrize(("status", "body"), [(404, {"errors": [{"code": 404}]}), (200, {"data": []})])
def test_an_unknown_trace_is_named(run: Run, status: int, body: dict[str, Any]) -> None:
    code, out, err = run(TRACE, status=status, body=body)
    assert (code, out) == (3, "")
    assert f"Jaeger does not know {TRACE}" in err


@pytest.mark.parametrize(
    ("said", "expected"),
    [("skipping: no hosts matched", "no host in the group jaeger"), ("fatal: UNREACHABLE", "UNREACHABLE")],
)
def test_a_jaeger_that_cannot_be_asked_is_named(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: str,
    expected: str,
) -> None:
    asked: list[list[str]] = []

    def no_answer(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 2, said, "")

    monkeypatch.setattr(subprocess, "run", no_answer)
    assert script.main(["-i", "inventories/production", TRACE]) == 1
    assert expected in capsys.readouterr().err
    assert asked[0][-1].endswith("/inventories/production")
