"""What log_metrics.py makes of rsyslog's own words."""

import json
from pathlib import Path

import pytest

from tests.unit.load import load_program

program = load_program("rsyslog/files/log_metrics.py")
TOLD = """\
Thu Nov 26 12:00:00 2026: { "name": "ship queue", "origin": "core.queue", "size": 7, "enqueued": 90, "full": 0, "discarded.full": 1, "discarded.nf": 0, "maxqsize": 9 }
Thu Nov 26 12:00:30 2026: { "name": "ship queue", "origin": "core.queue", "size": 3, "enqueued": 99, "full": 0, "discarded.full": 1, "discarded.nf": 2, "maxqsize": 9 }
Thu Nov 26 12:00:30 2026: { "name": "ship queue[DA]", "origin": "core.queue", "size": 40, "enqueued": 99, "full": 0, "discarded.full": 0, "discarded.nf": 0, "maxqsize": 9 }
Thu Nov 26 12:00:30 2026: { "name": "received", "origin": "dynstats.bucket", "values": { "node-a": 5, "a\\"b": 1 } }
Thu Nov 26 12:00:30 2026: { "name": "refused", "origin": "core.action", "processed": 2, "failed": 0 }
Thu Nov 26 12:00:30 2026: { "name": "cut
"""


def test_the_newest_words_are_told() -> None:
    lines = list(program.measure(program.newest(TOLD.splitlines())).lines())
    assert [line for line in lines if not line.startswith("#")] == [
        'alicerce_logs_queue_records{queue="ship"} 43',
        'alicerce_logs_discarded_records_total{queue="ship"} 3',
        'alicerce_logs_received_records_total{sender="node-a"} 5',
        "alicerce_logs_refused_records_total 2",
    ]


def test_the_file_is_emptied_and_the_metrics_stay_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "stats.json", tmp_path / "metrics.prom"
    monkeypatch.setattr("sys.argv", ["log-metrics", str(source), str(target)])
    source.write_text(TOLD)
    assert program.main() == 0
    assert source.read_text() == ""
    before = target.read_text()
    assert "alicerce_logs_told_timestamp_seconds" in before
    source.unlink()
    assert program.main() == 0
    assert target.read_text() == before
    assert json.loads(capsys.readouterr().out.splitlines()[0])["logger"] == "alicerce.heartbeat"
