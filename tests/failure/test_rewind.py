"""A former primary of PostgreSQL that is rewound joins an idle platform again: it needs nobody to write."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.failure.platform import Platform, PlatformError

RECORD = "SELECT pg_logical_emit_message(false, 'test', 'a record that others lack', flush => true)"
ENDS_BETWEEN_PAGES = "SELECT (pg_current_wal_insert_lsn() - '0/0') % 16777216 = 40"
"""Whether the next record is the first of its segment (16 MB), behind the 40 bytes of the first page's header."""
EARLIEST = "runuser -u postgres -- /usr/lib/postgresql/*/bin/pg_controldata -D /var/lib/postgresql/*/alicerce"
REJECTS = 1
"""pg_isready(1): the server is there and lets nobody in, which a standby does before its log is consistent."""


def until(what: str, holds: Callable[[], bool], timeout: float) -> None:
    """Wait until something holds; what cannot be asked yet does not."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if holds():
                return
        except PlatformError as error:
            print(error)
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what}"
        time.sleep(1)


def test_a_rewound_member_waits_for_no_write(platform: Platform) -> None:
    platform.await_whole("postgresql")
    former = platform.primary()
    members = platform.members("postgresql")
    standbys = [member for member in members if member != former]

    def timers(verb: str) -> None:
        for member in members:
            platform.ssh(member, f"systemctl {verb} alicerce-standby-snapshot.timer")

    def ends_between_pages() -> bool:
        return platform.postgresql(ENDS_BETWEEN_PAGES) == "t"

    def rejoining() -> bool:
        ready = platform.ssh(former, "runuser -u postgres -- pg_isready --quiet; echo $?").strip()
        control = platform.ssh(former, EARLIEST)
        earliest = platform.postgresql("SELECT pg_current_wal_insert_lsn()")
        return int(ready) == REJECTS and any(
            line.startswith("Minimum recovery ending location:") and line.endswith(f" {earliest}")
            for line in control.splitlines()
        )

    timers("stop")
    try:
        # The primary dies with a record that no standby has, so that it has to be rewound.
        for standby in standbys:
            platform.signal_receiver("STOP", standby)
        platform.postgresql_at(former, RECORD)
        platform.ssh(former, "systemctl mask --quiet --runtime patroni; systemctl kill --signal=KILL patroni")
        for standby in standbys:
            platform.signal_receiver("CONT", standby)
        until("another member leads", lambda: platform.primary() != former, 90)
        # As archive_timeout does on a platform where nobody writes any more.
        platform.postgresql(RECORD)
        until("the log ends between two pages", ends_between_pages, 150)
        platform.ssh(former, "systemctl unmask --quiet --runtime patroni; systemctl start patroni")
        until(f"{former} is rewound to the very end of the log, and waits", rejoining, 60)
        time.sleep(10)
        assert rejoining()
        assert ends_between_pages()
    finally:
        began = time.monotonic()
        platform.ssh(former, "systemctl unmask --quiet --runtime patroni; systemctl start patroni")
        timers("start")
    platform.await_whole("postgresql", 60)
    print(f"{former} was whole again {time.monotonic() - began:.0f} s after the primary was looked after")
