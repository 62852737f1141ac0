"""One fault, one alert: it reaches who is called, by webhook and by mail, in time and with the right labels; and so does that it is over.

Most of the time goes by in waiting, so all faults that are asked for strike at the same time. None touches what another one is about.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from tests.failure.faults import DATA, POISON, on_small_disk
from tests.failure.load import Load
from tests.failure.notifications import Catcher, ask, await_quiet, told_to_catcher
from tests.failure.platform import ROOT, Platform

USUAL = 2.0
"""Requests a second to users, as the week before had them."""
PAST = "168h"
"""How much past the anomalies ask for: more than any lab has of its own, so that only what the test puts there counts."""
WAIT = "5m"
"""And how long they last before somebody is told: a quarter of an hour by default."""
PAST_VALUES = {
    'service:anomaly_value:rate5m{service="users",measure="requests"}': USUAL,
    'service:anomaly_value:rate5m{service="auth",measure="seconds"}': 0.3,
}
"""What was usual a week ago: requests a second, and how long one took."""


@dataclass
class Stage:
    """What the faults strike."""

    platform: Platform
    catcher: Catcher
    load: Load
    """Requests to users at the usual rate."""
    disk_host: str
    """Whose MongoDB has a small disk."""

    def call(self, method: str, path: str, **options: object) -> requests.Response:
        """Call the edge."""
        return call(self.platform, method, path, **options)


def call(platform: Platform, method: str, path: str, **options: object) -> requests.Response:
    """Call the edge, with a connection of its own: a kept one may be closed just then."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = platform.info["ca_file"]
        return session.request(method, platform.info["edge"]["url"] + path, timeout=20, **options)


# Each strikes when it is entered, ends when it is left, and yields the labels that are known only then.


@contextlib.contextmanager
def service_stopped(stage: Stage) -> Iterator[dict[str, str]]:
    """Every instance of a service is stopped."""
    hosts = stage.platform.members("enrichment")
    try:
        for host in hosts:
            stage.platform.ssh(host, "systemctl stop alicerce-enrichment-web")
        yield {}
    finally:
        for host in hosts:
            stage.platform.ssh(host, "systemctl start alicerce-enrichment-web")


@contextlib.contextmanager
def leader_killed(stage: Stage) -> Iterator[dict[str, str]]:
    """MongoDB's primary is killed and stays down."""
    leader = stage.platform.host_of(
        stage.platform.mongodb("print(client.admin.command('hello')['primary'])").strip()
    )
    try:
        stage.platform.ssh(
            leader, "systemctl kill --kill-whom=main --signal=KILL mongod; systemctl stop mongod"
        )
        yield {"host": leader}
    finally:
        stage.platform.ssh(leader, "systemctl reset-failed mongod || true; systemctl start mongod")
        stage.platform.await_whole("mongodb")


@contextlib.contextmanager
def disk_filled(stage: Stage) -> Iterator[dict[str, str]]:
    """The disk of a member's data has a twenty-fifth of its room left."""
    _, directory = DATA["mongodb"]
    filler = f"{directory}/filler"
    room = f"df --output=avail,size --block-size=1 {directory} | awk 'NR == 2 {{ print int($1 - $2 / 25) }}'"
    try:
        stage.platform.ssh(stage.disk_host, f"fallocate --length $({room}) {filler}")
        yield {"host": stage.disk_host}
    finally:
        stage.platform.ssh(stage.disk_host, f"rm -f {filler}")


@contextlib.contextmanager
def replica_held_back(stage: Stage) -> Iterator[dict[str, str]]:
    """A replica of PostgreSQL takes no log while it grows by eight segments."""
    leader = stage.platform.primary()
    held = next(member for member in stage.platform.members("postgresql") if member != leader)
    try:
        stage.platform.signal_receiver("STOP", held)
        for _ in range(8):
            stage.platform.postgresql_at(
                leader, "SELECT pg_logical_emit_message(false, 'alerts', ''); SELECT pg_switch_wal()"
            )
        yield {"host": held}
    finally:
        stage.platform.signal_receiver("CONT", held)


@contextlib.contextmanager
def certificate_ending(stage: Stage) -> Iterator[dict[str, str]]:
    """A host has a certificate that ends in two days."""
    host = stage.platform.members("edge")[0]
    file = "/etc/alicerce/tls/ending.crt"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null"
    try:
        stage.platform.ssh(host, f"{make} -days 2 -subj /CN=ending -out {file}")
        yield {"host": host}
    finally:
        stage.platform.ssh(host, f"rm -f {file}")


@contextlib.contextmanager
def poison_events(stage: Stage) -> Iterator[dict[str, str]]:
    """Three messages come that are no events."""
    host = stage.platform.members("rabbitmq")[0]
    purge = "rabbitmqctl --quiet purge_queue --vhost alicerce enrichment.user-events.dead"
    try:
        stage.platform.feed(host, "/opt/alicerce/users/current/venv/bin/python", POISON)
        yield {}
    finally:
        stage.platform.ssh(host, purge)


@contextlib.contextmanager
def attacks(stage: Stage) -> Iterator[dict[str, str]]:
    """Somebody tries an injection four times a second."""

    def attack() -> str | None:
        answer = stage.call("GET", "/api/v1/auth/login", params={"q": "1' OR 1=1 -- -"})
        return None if answer.status_code == 403 else f"{answer.status_code}: {answer.text}"

    with Load(attack, 4.0) as load:
        yield {}
    assert load.failures == []


SLOW = "while :; do kill -STOP $0; sleep 2; kill -CONT $0; sleep 0.3; done"
"""Longer than a service waits for Redis, and not as long as Sentinel does."""


@contextlib.contextmanager
def dependency_slow(stage: Stage) -> Iterator[dict[str, str]]:
    """Redis' primary stands still for two seconds, again and again, while people log in."""
    [primary] = ask(stage.platform, 'redis_instance_info{job="redis",role="master"}')
    host = primary["metric"]["host"]
    pid = stage.platform.ssh(host, "systemctl show --property=MainPID --value redis-server").strip()

    def log_in() -> str | None:
        who = {"email": f"nobody.{secrets.token_hex(6)}@example.com", "password": secrets.token_urlsafe(16)}
        answer = stage.call("POST", "/api/v1/auth/login", json=who)
        return None if answer.status_code == 401 else f"{answer.status_code}: {answer.text}"

    try:
        stage.platform.ssh(host, f"systemd-run --quiet --collect --unit=slow-redis bash -c '{SLOW}' {pid}")
        with Load(log_in, 2.0) as load:
            yield {}
    finally:
        stage.platform.ssh(host, f"systemctl stop slow-redis; kill -CONT {pid}")
    # Without Redis people log in all the same.
    assert load.failures == []


@contextlib.contextmanager
def load_doubled(stage: Stage) -> Iterator[dict[str, str]]:
    """Users get twice as many requests as a week ago."""
    try:
        stage.load.rate = 2 * USUAL
        yield {}
    finally:
        stage.load.rate = USUAL


@dataclass(frozen=True)
class Fault:
    """A fault, and the alert that must tell of it."""

    strike: Callable[[Stage], contextlib.AbstractContextManager[dict[str, str]]]
    alert: str
    labels: dict[str, str]
    within: float
    """Seconds from the fault until both ways have told of it: the rule's `for`, what it takes to be seen, and a minute."""
    over_within: float
    """Seconds from the fault's end until both have told that it is over."""


FAULTS = {
    "service stopped": Fault(
        service_stopped, "ServiceDown", {"severity": "page", "service": "enrichment"}, 180, 180
    ),
    "leader killed": Fault(
        leader_killed,
        "StoreUnitDown",
        {"severity": "ticket", "service": "mongodb", "name": "mongod.service"},
        300,
        180,
    ),
    "disk filled": Fault(disk_filled, "DiskFull", {"severity": "page", "service": "host"}, 180, 180),
    "replica held back": Fault(
        replica_held_back,
        "PostgreSQLReplicationLag",
        {"severity": "ticket", "service": "postgresql"},
        420,
        180,
    ),
    # A timer looks at the files every five minutes.
    "certificate ending": Fault(
        certificate_ending,
        "CertificateEnds",
        {"severity": "page", "service": "certificates", "certificate": "ending"},
        720,
        480,
    ),
    "poison events": Fault(
        poison_events,
        "RabbitMQDeadLetters",
        {"severity": "ticket", "service": "rabbitmq", "queue": "enrichment.user-events.dead"},
        180,
        180,
    ),
    # Ten minutes; and what ten minutes hold passes by only then.
    "attacks": Fault(attacks, "WafBlocksMany", {"severity": "ticket", "service": "waf"}, 840, 720),
    # The mean of five minutes has to leave its band, and then to stay away.
    "dependency slow": Fault(
        dependency_slow,
        "LatencyUnusual",
        {"severity": "ticket", "service": "auth", "measure": "seconds"},
        600,
        480,
    ),
    "load doubled": Fault(
        load_doubled,
        "RateUnusual",
        {"severity": "ticket", "service": "users", "measure": "requests"},
        780,
        480,
    ),
}


@dataclass(frozen=True)
class Outcome:
    """Seconds from the fault to the webhook and the mail, and from its end to both once more."""

    webhook: float
    mail: float
    over_webhook: float
    over_mail: float


def experience(stage: Stage, fault: Fault) -> Outcome:
    """Strike, wait until people are told, end it, and wait until they are told that, too."""
    began = time.time()
    with fault.strike(stage) as known:
        labels = {"alertname": fault.alert} | fault.labels | known
        told = stage.catcher.await_told("firing", labels, began, fault.within)
        ended = time.time()
    if not told:
        heard = [alert["labels"] for _, alert in stage.catcher.heard(began)]
        state = ask(stage.platform, f'ALERTS{{alertname="{fault.alert}"}}')
        raise AssertionError(f"not told of {labels} in {fault.within:.0f} s, but of {heard}; ALERTS: {state}")
    # What takes its time to mend counts.
    over = stage.catcher.await_told(
        "resolved", told.alert["labels"], told.webhook, time.time() - told.webhook + fault.over_within
    )
    assert over, f"not told within {fault.over_within:.0f} s that {labels} is over"
    runbook = told.alert["annotations"]["runbook"]
    assert runbook.endswith(f"/{fault.alert}.md")
    assert (ROOT / "docs/runbooks/alerts" / f"{fault.alert}.md").exists()
    assert told.alert["annotations"]["summary"].endswith(".")
    return Outcome(told.webhook - began, told.mail - began, over.webhook - ended, over.mail - ended)


@contextlib.contextmanager
def past_of_a_week_ago(platform: Platform) -> Iterator[None]:
    """Give Prometheus a past, of a week ago."""
    host = platform.members("observability")[0]
    data = "/var/lib/prometheus/metrics2"
    for series in PAST_VALUES:
        assert ask(platform, f"count_over_time({series}[3h] offset 166h30m)") == [], "the lab is too old"
    now = int(time.time())
    hour = 3600
    lines = [
        f"{series} {value} {at}"
        for series, value in PAST_VALUES.items()
        for at in range(now - 170 * hour, now - 166 * hour, 60)
    ]
    text = "\n".join(["# TYPE service:anomaly_value:rate5m gauge", *lines, "# EOF\n"])
    # Prometheus looks for new blocks each minute. Some may have become one by the end: they go by their age.
    old = (now - 100 * hour) * 1000
    remove = f"""
import json, shutil
from pathlib import Path
for meta in Path("{data}").glob("*/meta.json"):
    if json.loads(meta.read_text())["maxTime"] < {old}:
        shutil.rmtree(meta.parent)
"""
    try:
        platform.feed(
            host,
            "bash",
            f"""set -euo pipefail
folder=$(mktemp --directory)
cat > $folder/past <<'PAST'
{text}PAST
promtool tsdb create-blocks-from openmetrics $folder/past $folder/blocks >/dev/null
chown --recursive prometheus: $folder/blocks
mv $folder/blocks/* {data}/
rm --recursive $folder
""",
        )
        yield
    finally:
        platform.feed(host, "python3", remove)


@pytest.fixture(scope="module")
def struck(request: pytest.FixtureRequest, platform: Platform) -> Iterator[dict[str, Future[Outcome]]]:
    """Strike with every fault that one of the tests is about."""
    wanted = [
        item.callspec.params["fault"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "struck" in item.fixturenames and hasattr(item, "callspec")
    ]

    def visit() -> str | None:
        answer = call(platform, "GET", "/api/v1/users/openapi.json")
        return None if answer.status_code == 200 else f"{answer.status_code}: {answer.text}"

    await_quiet(platform, f"alertname=~'{'|'.join(FAULTS[name].alert for name in wanted)}'")
    with contextlib.ExitStack() as stack:
        load = stack.enter_context(Load(visit, USUAL))
        stack.enter_context(past_of_a_week_ago(platform))
        disk_host = stack.enter_context(on_small_disk(platform, "mongodb"))
        # The primary is to be killed, and not what has little room: it would want more when it starts.
        heir = next(member for member in platform.members("mongodb") if member != disk_host)
        platform.ansible("playbooks/switchover.yml", "--extra-vars", f"component=mongodb to={heir}")
        catcher = stack.enter_context(
            told_to_catcher(platform, prometheus_anomaly_history=PAST, prometheus_anomaly_wait=WAIT)
        )
        stage = Stage(platform, catcher, load, disk_host)
        with ThreadPoolExecutor(len(wanted)) as pool:
            yield {name: pool.submit(experience, stage, FAULTS[name]) for name in wanted}
        assert load.failures == []


@pytest.mark.parametrize("fault", FAULTS)
def test_an_alert_reaches_people_and_resolves(fault, struck, rows):
    outcome = struck[fault].result()
    rows.append(
        f"{fault:20} {FAULTS[fault].alert:26} told after {outcome.webhook:.0f} s by webhook, {outcome.mail:.0f} s by mail;"
        f" over {outcome.over_webhook:.0f} s and {outcome.over_mail:.0f} s after its end"
    )
