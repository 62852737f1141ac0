"""What hosts log while Elasticsearch or the whole observability host is away is there afterwards, each line once; and nobody notices."""

from __future__ import annotations

import collections
import contextlib
import json
import re
import secrets
import time

import pytest

from tests.failure.load import Load
from tests.failure.person import Person
from tests.failure.platform import Platform, PlatformError, container_of, must

PACE = 0.05
"""Seconds between two lines of one host."""
AWAY = 300.0
"""Seconds for which Elasticsearch is stopped."""
ARRIVAL = 180.0
"""Seconds after which all must have arrived."""
WRITER = (
    "import itertools, time\nfor number in itertools.count(1): print(number, flush=True); time.sleep({pace})"
)


def elasticsearch_stopped(platform: Platform) -> None:
    """Elasticsearch is stopped for five minutes."""
    hosts = platform.members("elasticsearch")
    try:
        for host in hosts:
            platform.ssh(host, "systemctl stop elasticsearch")
        time.sleep(AWAY)
    finally:
        for host in hosts:
            # It takes longer than a command usually may.
            platform.ssh(host, "systemctl start --no-block elasticsearch")


def host_restarted(platform: Platform) -> None:
    """The observability host is shut down, and started again."""
    name = container_of(platform.members("observability")[0])
    try:
        must("podman", "stop", "--time", "90", name)
        time.sleep(20)
    finally:
        must("podman", "start", name)


def host_killed(platform: Platform) -> None:
    """The observability host loses its power, and gets it back."""
    name = container_of(platform.members("observability")[0])
    try:
        must("podman", "kill", name)
        time.sleep(20)
    finally:
        must("podman", "start", name)


def await_elasticsearch() -> None:
    """Wait until the log can be read again."""
    deadline = time.monotonic() + ARRIVAL
    while True:
        with contextlib.suppress(PlatformError):
            must("scripts/logs", "--service", "sshd", "--since", "1m")
            return
        assert time.monotonic() < deadline, "Elasticsearch does not come back"
        time.sleep(3)


@pytest.mark.parametrize(
    "fault", [elasticsearch_stopped, host_restarted, host_killed], ids=lambda fault: fault.__name__
)
def test_each_line_is_kept_once(lab, rows, fault):
    platform = Platform()
    run = f"kept-{secrets.token_hex(4)}"
    hosts = platform.members("users")
    since = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
    person = Person(lab)

    def way() -> str | None:
        return person.try_once(time.monotonic() + 20)

    with contextlib.ExitStack() as stack:
        people = stack.enter_context(Load(way, 0.5, threads=1))
        for host in hosts:
            stack.callback(platform.ssh, host, f"systemctl stop {run}")
            platform.feed(
                host,
                "bash",
                f"systemd-run --quiet --collect --unit={run} python3 -c '{WRITER.format(pace=PACE)}'",
            )
        time.sleep(15)
        fault(platform)
        await_elasticsearch()
        time.sleep(15)
    # The journal tells what was written.
    written = {
        host: [
            int(line)
            for line in platform.ssh(host, f"journalctl --unit={run} --output=cat").splitlines()
            if re.fullmatch(r"\d+", line)
        ]
        for host in hosts
    }
    for host, numbers in written.items():
        assert numbers == list(range(1, len(numbers) + 1)), f"{host}: the journal lacks lines"
        assert len(numbers) > 200
    found = await_lines(run, since, sum(map(len, written.values())))
    lost = {host: [number for number in written[host] if not found[host, number]] for host in hosts}
    twice = [line for line, times in found.items() if times > 1]
    rows.append(
        f"{fault.__name__:24} {sum(map(len, written.values()))} lines of {len(hosts)} hosts, {sum(map(len, lost.values()))} lost,"
        f" {len(twice)} twice; {people.made} ways of people meanwhile, {len(people.failures)} failed"
    )
    assert people.failures == []
    assert people.made > 10
    assert twice == []
    assert {host: numbers[:20] for host, numbers in lost.items() if numbers} == {}


def await_lines(run: str, since: str, number: int) -> collections.Counter[tuple[str, int]]:
    """Return how often each line was found, once there are as many as that, or nothing more comes."""
    deadline = time.monotonic() + ARRIVAL
    while True:
        records = [
            json.loads(text)
            for text in must(
                "scripts/logs", "--service", run, "--since", since, "--format", "json"
            ).splitlines()
        ]
        found = collections.Counter(
            (record["host"], int(record["message"]))
            for record in records
            if re.fullmatch(r"\d+", record["message"])
        )
        if len(found) >= number or time.monotonic() > deadline:
            return found
        time.sleep(10)
