"""A lab under steady load, where nothing is wrong: nobody is told of anything for an hour."""

from __future__ import annotations

import threading
import time

from tests.failure.load import Load
from tests.failure.notifications import ask, await_quiet
from tests.failure.person import Person
from tests.failure.platform import Platform

WAYS = 0.5
"""Ways of people a second: each is a sign-up, a log-in, a change, and asking until it is enriched."""
LASTING = "Watchdog|(Availability|Latency)BudgetBurning"
"""What may fire before: budgets remember for days what tests did before this one."""


def test_nothing_fires(lab, rows, request):
    platform = Platform()
    minutes = request.config.getoption("--quiet-minutes")
    people = threading.local()

    def way() -> str | None:
        if not hasattr(people, "person"):
            people.person = Person(lab)
        return people.person.try_once(time.monotonic() + 20)

    with Load(way, WAYS, threads=4) as load:
        await_quiet(platform, f"alertname!~'{LASTING}'")
        before = [alert["metric"] for alert in ask(platform, "ALERTS{alertstate='firing'}")]
        time.sleep(minutes * 60)
        fired = ask(platform, f"count_over_time(ALERTS{{alertstate='firing'}}[{minutes}m])")
        # Prometheus looked all the time: at least three times a minute, of four.
        [watched] = ask(platform, f"count_over_time(ALERTS{{alertname='Watchdog'}}[{minutes}m])")
    before = [{name: value for name, value in labels.items() if name != "__name__"} for labels in before]
    assert [alert["metric"] for alert in fired if alert["metric"] not in before] == []
    assert float(watched["value"][1]) >= 3 * minutes
    assert load.failures == []
    assert load.made > 0.9 * WAYS * minutes * 60
    rows.append(f"quiet for {minutes} min, {load.made} ways of people, no alert")
