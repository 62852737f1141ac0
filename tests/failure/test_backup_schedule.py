"""Backups come about by their timers, those that are too many go, and their age shows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.failure.platform import Platform

SCHEDULE = {
    "postgresql_backup_diff_schedule": "*:*:0/30",
    "postgresql_backup_random_delay": 0,
    "postgresql_backup_keep_diff": 2,
    "backup_client_schedule": "*:*:0/30",
    "backup_client_random_delay": 0,
    "backup_client_keep": {"last": 2},
}


def of_postgresql(platform: Platform) -> list[str]:
    """Return the differential backups, the oldest first."""
    said = platform.ssh(
        platform.members("postgresql")[0], "runuser -u postgres -- pgbackrest --output=json info"
    )
    return [backup["label"] for backup in json.loads(said)[0]["backup"] if backup["type"] == "diff"]


def with_restic(component: str) -> Callable[[Platform], list[str]]:
    """Return what lists a component's snapshots, the oldest first."""

    def listed(platform: Platform) -> list[str]:
        program = f"/usr/local/libexec/alicerce/backup {component} list"
        said = platform.ssh(platform.members(component)[0], program)
        return [snapshot["id"] for snapshot in sorted(json.loads(said), key=lambda found: found["time"])]

    return listed


BACKUPS = {
    "postgresql": of_postgresql,
    "mongodb": with_restic("mongodb"),
    "rabbitmq": with_restic("rabbitmq"),
}


def age(platform: Platform, component: str) -> float:
    """Return the seconds since the last backup, as the metric of the host that made it tells."""
    stamps = []
    for member in platform.members(component):
        said = platform.ssh(member, "cat /var/lib/prometheus/node-exporter/*.prom 2> /dev/null || true")
        prefix = f'alicerce_backup_last_success_timestamp_seconds{{component="{component}"'
        stamps += [float(line.split()[-1]) for line in said.splitlines() if line.startswith(prefix)]
    return time.time() - max(stamps)


@pytest.fixture(scope="module")
def often(platform: Platform):
    """Have backups made twice a minute, and two of them kept."""
    tags = ",".join(BACKUPS)
    platform.ansible("site.yml", "--tags", tags, "--extra-vars", json.dumps(SCHEDULE))
    yield
    platform.ansible("site.yml", "--tags", tags)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("component", BACKUPS)
def test_timers_make_backups_and_old_ones_go(platform, component):
    listed = BACKUPS[component]
    seen: list[str] = []
    deadline = time.monotonic() + 240
    while len(seen) < 5:
        assert time.monotonic() < deadline, f"the timers made only {seen}"
        time.sleep(5)
        seen += [backup for backup in listed(platform) if backup not in seen]
    assert age(platform, component) < 90
    # The one that has just been made is there before those that are too many go.
    deadline = time.monotonic() + 30
    while len(kept := listed(platform)) > 2:
        assert time.monotonic() < deadline, kept
        time.sleep(1)
    assert set(kept) <= set(seen[-3:])
