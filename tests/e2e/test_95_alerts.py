"""Nothing fired while the tests ran but what their own faults explain. Runs behind all of them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.e2e.queries import asking
from tests.failure.platform import Platform

SETTLES = 600.0
"""Seconds after a module's end in which an alert may begin that its faults explain: some wait for five minutes."""
GAP = 150.0
"""Seconds without a sample after which an alert has ended: rules are evaluated once a minute at least."""
SLACK = 60.0
"""Seconds that Prometheus may be behind at either end."""


@dataclass(frozen=True)
class Cause:
    """An alert that a module of tests rightly makes fire; its labels match the patterns."""

    module: str
    alert: str
    reason: str
    labels: Mapping[str, str] = field(default_factory=dict)


ZONES = "test_90_zone_failure"
EXPECTED = (
    Cause(
        "test_20_people",
        "LatencyBudgetBurning",
        "500 sign up as fast as they can, on the two cores that all hosts and the test share: hashing their passwords takes longer than the second that is promised",
        {"service": "auth"},
    ),
    Cause(ZONES, "HostDown", "three hosts are killed, one after the other", {"host": "node-[abc]"}),
    Cause(
        ZONES, "TargetDown", "what ran on a killed host answers later than the host", {"host": "node-[abc]"}
    ),
    Cause(ZONES, "AvailabilityBudgetBurning", "a few requests fail until a killed host is worked around"),
    Cause(ZONES, "LatencyBudgetBurning", "requests wait for a new primary, and few others come then"),
    Cause(ZONES, "CircuitBreakerOpen", "services do without what a killed host led"),
    Cause(
        ZONES,
        "RabbitMQNodeCutOff",
        "the nodes that are left do not reach the killed one",
        {"host": "node-[abc]"},
    ),
    Cause(
        ZONES,
        "EtcdManyElections",
        "each killed host may have led etcd, and a new leader moves away from PostgreSQL's zone",
    ),
    Cause("test_50_further_services", "CircuitBreakerOpen", "the leaders of the stores are killed"),
)
"""An alert that is not here, or begins at another time, is unexpected."""


@dataclass(frozen=True)
class Episode:
    """An alert that fired, from and until when by the clock."""

    labels: Mapping[str, str]
    began: float
    ended: float


def episodes(series: Sequence[Mapping[str, object]]) -> Iterator[Episode]:
    """Yield each time that an alert fired, from what Prometheus has of `ALERTS`."""
    for each in series:
        labels: Mapping[str, str] = each["metric"]  # type: ignore[assignment]
        moments = [float(moment) for moment, _ in each["values"]]  # type: ignore[attr-defined]
        began = previous = moments[0]
        for moment in moments[1:]:
            if moment - previous > GAP:
                yield Episode(labels, began, previous)
                began = moment
            previous = moment
        yield Episode(labels, began, previous)


def explained(episode: Episode, course: Mapping[str, Sequence[float]]) -> bool:
    """Tell whether a module that ran then explains an alert; one that fired when the first began is another run's."""
    first = min(began for began, _ in course.values())
    for cause in EXPECTED:
        patterns = {"alertname": cause.alert, **cause.labels}
        if all(re.fullmatch(pattern, episode.labels.get(name, "")) for name, pattern in patterns.items()):
            began, ended = course.get(cause.module, (0.0, -SETTLES))
            if began <= episode.began <= ended + SETTLES or episode.began < first + SLACK:
                return True
    return False


def test_nothing_fired_that_no_fault_of_the_tests_explains(course: Mapping[str, Sequence[float]]) -> None:
    platform = Platform()
    first, now = min(began for began, _ in course.values()), time.time()
    query = f'ALERTS{{alertstate="firing"}}[{int(now - first) + 1}s]'
    asked = asking("/api/v1/query?" + urlencode({"query": query, "time": now}))
    answer = json.loads(platform.feed(platform.members("observability")[0], "python3", asked))
    assert answer["status"] == "success", answer
    found = list(episodes(answer["data"]["result"]))

    # It fires always, so that its gaps are those of Prometheus, which would have missed others.
    watched = [episode for episode in found if episode.labels["alertname"] == "Watchdog"]
    assert len(watched) == 1, f"Prometheus did not evaluate its rules all the time: {watched}"
    assert watched[0].began < first + SLACK
    assert watched[0].ended > now - SLACK

    unexpected = [
        f"{episode.labels['alertname']} {time.strftime('%H:%M:%S', time.gmtime(episode.began))} to "
        f"{time.strftime('%H:%M:%S', time.gmtime(episode.ended))} UTC: {dict(episode.labels)}"
        for episode in found
        if episode.labels["severity"] != "none" and not explained(episode, course)
    ]
    assert not unexpected, "\n".join(unexpected)


def test_an_alert_is_explained_by_its_labels_and_its_time_only() -> None:
    course = {"test_20_people": [1000.0, 1200.0], "test_30_bad_input": [1200.0, 5000.0]}

    def burning(began: float, **labels: str) -> bool:
        alert = {"alertname": "LatencyBudgetBurning", "service": "auth", **labels}
        return explained(Episode(alert, began, began + 60), course)

    assert burning(1100)
    assert burning(1700)
    assert not burning(1900)
    assert not burning(1100, service="users")
    assert not burning(1100, alertname="HostDown", host="node-a")
    # Since another run of the tests.
    assert burning(1000, alertname="HostDown", host="node-a")
    assert not burning(1000, alertname="HostDown", host="obs-a")


def test_an_alert_that_came_back_has_fired_twice() -> None:
    series = {"metric": {"alertname": "a"}, "values": [[0, "1"], [60, "1"], [120, "1"], [600, "1"]]}
    assert [(each.began, each.ended) for each in episodes([series])] == [(0.0, 120.0), (600.0, 600.0)]
