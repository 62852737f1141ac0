"""What the firewall's exporter makes of the audit log. Molecule's scenario waf asks it beside a real nginx."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.load import load_program

exporter = load_program("exporters/files/waf_exporter.py")


def record(*rules: str, engine: str = "Enabled") -> str:
    messages = [{"message": "m", "details": {"ruleId": rule}} for rule in rules]
    return json.dumps({"transaction": {"producer": {"secrules_engine": engine}, "messages": messages}}) + "\n"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def told(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#") and "_created" not in line]


@pytest.mark.parametrize(
    ("rules", "engine", "mode", "outcome"),
    [
        (("942100", "949110"), "Enabled", "blocking", "blocked"),
        (("1013",), "Enabled", "blocking", "blocked"),
        (("942100",), "Enabled", "blocking", "passed"),
        (("942100", "949110"), "DetectionOnly", "detecting", "passed"),
    ],
)
def test_a_request_counts_by_mode_and_by_what_became_of_it(
    registry: CollectorRegistry, rules: tuple[str, ...], engine: str, mode: str, outcome: str
) -> None:
    exporter.Findings(registry).count(record(*rules, engine=engine))
    assert f'alicerce_waf_findings_total{{mode="{mode}",outcome="{outcome}"}} 1.0' in told(registry)
    for rule in rules:
        assert f'alicerce_waf_rule_matches_total{{mode="{mode}",rule="{rule}"}} 1.0' in told(registry)


def test_a_rule_counts_once_a_request(registry: CollectorRegistry) -> None:
    exporter.Findings(registry).count(record("942100", "942100"))
    assert 'alicerce_waf_rule_matches_total{mode="blocking",rule="942100"} 1.0' in told(registry)


@pytest.mark.parametrize("line", ["", "{", "[]", '{"transaction": {}}', '{"transaction": {"messages": 3}}'])
def test_what_is_no_record_is_counted_as_that(registry: CollectorRegistry, line: str) -> None:
    exporter.Findings(registry).count(line)
    assert "alicerce_waf_unreadable_records_total 1.0" in told(registry)


def test_rules_beyond_the_bound_count_together(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "MAX_RULES", 2)
    findings = exporter.Findings(registry)
    for rule in ("1", "2", "3", "4", "1"):
        findings.count(record(rule))
    found = [line for line in told(registry) if line.startswith("alicerce_waf_rule_matches_total")]
    assert found == [
        'alicerce_waf_rule_matches_total{mode="blocking",rule="1"} 2.0',
        'alicerce_waf_rule_matches_total{mode="blocking",rule="2"} 1.0',
        'alicerce_waf_rule_matches_total{mode="blocking",rule="other"} 2.0',
    ]


class Follower:
    """Lines as they come, read by a thread."""

    def __init__(self, path: Path) -> None:
        self.lines: list[str] = []
        self.stopped = threading.Event()
        self.came = threading.Condition()
        self.thread = threading.Thread(target=self.read, args=(path,))
        self.thread.start()

    def read(self, path: Path) -> None:
        for line in exporter.follow(path, self.stopped):
            with self.came:
                self.lines.append(line)
                self.came.notify()

    def wait(self, *lines: str) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.lines) >= len(lines), 10), self.lines
            assert self.lines == list(lines)


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(exporter, "POLL_SECONDS", 0.01)
    running: list[Follower] = []

    def start() -> Follower:
        # Opened, when this returns: the end is where it was before.
        opened = threading.Event()
        original = exporter._open

        def opening(path: Path) -> Any:
            file = original(path)
            threading.Timer(0.05, opened.set).start()
            return file

        monkeypatch.setattr(exporter, "_open", opening)
        running.append(Follower(tmp_path / "log"))
        assert opened.wait(10)
        return running[-1]

    yield start
    for each in running:
        each.stopped.set()
        each.thread.join(10)
        assert not each.thread.is_alive()


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_it_reads_what_comes_and_whole_lines_only(follower: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    reading = follower()
    write(log, "one\ntw")
    reading.wait("one\n")
    write(log, "o\n")
    reading.wait("one\n", "two\n")


def test_it_goes_on_with_the_file_that_takes_the_name(follower: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    reading = follower()
    log.rename(tmp_path / "log.1")
    write(tmp_path / "log.1", "the old one, once more\n")
    reading.wait("the old one, once more\n")
    # There and empty: nginx has not opened it yet.
    log.touch()
    write(tmp_path / "log.1", "and once more\n")
    reading.wait("the old one, once more\n", "and once more\n")
    write(log, "new\n")
    reading.wait("the old one, once more\n", "and once more\n", "new\n")


def test_it_begins_anew_with_a_file_that_was_cut(follower: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a long line before\n")
    reading = follower()
    log.write_text("short\n")
    reading.wait("short\n")


def test_it_waits_for_a_file_that_is_not_there_yet(follower: Any, tmp_path: Path) -> None:
    reading = follower()
    write(tmp_path / "log", "first\n")
    reading.wait("first\n")
