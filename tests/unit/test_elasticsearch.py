"""What the retention of logs drops and keeps, and the form of passwords. Molecule's scenario runs both against a real server."""

import base64
import datetime as dt
import hashlib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.load import load_plugin, load_program

retention = load_program("elasticsearch/files/retention.py")
hashes = load_plugin("filter/elasticsearch_password_hash.py")
templates = load_plugin("modules/elasticsearch_index_template.py")
TODAY = dt.date(2026, 3, 2)


class Server:
    """Keeps names of indices; its disk gets emptier by ten percent with each one that goes."""

    def __init__(self, names: list[str], used: float) -> None:
        self.names = names
        self.used = used

    def indices(self) -> Any:
        return retention.daily(self.names)

    def disk_percent(self) -> float:
        return self.used

    def drop(self, index: Any) -> None:
        self.names.remove(index.name)
        self.used -= 10


def names(*days_ago: int) -> list[str]:
    return [f"logs-{TODAY - dt.timedelta(days=days):%Y.%m.%d}" for days in days_ago]


def retain(server: Server, days: int = 14, disk_percent: float = 80) -> Any:
    return retention.retain(server, TODAY, days, disk_percent, settle=0)


def test_only_names_of_days_count_and_the_oldest_comes_first() -> None:
    found = retention.daily(
        [
            "logs-2026.03.01",
            "logs-2026.02.28",
            "logs-2026.02.30",
            "logs-2026.3.1",
            "logs-audit",
            "xlogs-2026.03.01",
        ]
    )
    assert [index.name for index in found] == ["logs-2026.02.28", "logs-2026.03.01"]


def test_what_is_too_old_goes_and_the_last_days_stay() -> None:
    server = Server([*names(0, 1, 13, 14, 400), "logs-audit"], used=5)
    done = retain(server)
    assert server.names == [*names(0, 1, 13), "logs-audit"]
    assert (len(done.kept), done.by_age, done.by_disk) == (3, 2, 0)


def test_a_full_disk_takes_the_oldest_until_there_is_room() -> None:
    server = Server(names(0, 1, 2, 3), used=95)
    done = retain(server)
    assert server.names == names(0, 1)
    assert (done.by_age, done.by_disk, done.disk_percent) == (0, 2, 75)


def test_a_disk_that_others_fill_never_takes_today_or_a_clock_that_is_ahead() -> None:
    server = Server(names(-1, 0, 1), used=100)
    retain(server)
    assert server.names == names(-1, 0)


def test_one_day_keeps_today() -> None:
    server = Server(names(0, 1), used=5)
    retain(server, days=1)
    assert server.names == names(0)


def test_counters_go_on() -> None:
    done = retention.Done(retention.daily(names(0, 1)), 2, 1, 41.5)
    first = retention.metrics(done, 1000.4, "")
    second = retention.metrics(done, 2000, first)
    assert "retention_last_success_timestamp_seconds 1000\n" in first
    assert "retention_kept_days 2\n" in first
    assert "retention_disk_percent 41.5\n" in first
    assert 'dropped_indices_total{reason="age"} 2\n' in first
    assert 'dropped_indices_total{reason="age"} 4\n' in second
    assert 'dropped_indices_total{reason="disk"} 2\n' in second


def test_a_hash_is_stable_and_nobody_elses() -> None:
    make = hashes.elasticsearch_password_hash
    hashed = make("secret", "log_reader", "salt")
    assert hashed == make("secret", "log_reader", "salt")
    assert hashed not in {make("secret", "log_writer", "salt"), make("secret", "log_reader", "other")}
    scheme, salt, digest = hashed.split("$")
    assert scheme == "{PBKDF2}10000"
    assert base64.b64decode(digest) == hashlib.pbkdf2_hmac(
        "sha512", b"secret", base64.b64decode(salt), 10000, dklen=32
    )


@pytest.mark.parametrize(("password", "salt"), [("", "salt"), ("secret", "")])
def test_no_password_or_salt_is_refused(password: str, salt: str) -> None:
    with pytest.raises(AnsibleFilterError):
        hashes.elasticsearch_password_hash(password, "log_reader", salt)


def test_a_template_is_the_same_beside_what_the_server_adds() -> None:
    wanted = {"index_patterns": ["logs-*"], "priority": 500}
    assert templates.same(wanted, {**wanted, "composed_of": [], "created_date_millis": 1})
    assert not templates.same(wanted, {**wanted, "priority": 400})
    assert not templates.same(wanted, {**wanted, "data_stream": {}})
    assert not templates.same(wanted, {})
