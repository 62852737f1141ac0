"""Filter haproxy_judgement: whether a server does as well as its peers, by HAProxy's counters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DOCUMENTATION = """
name: haproxy_judgement
short_description: Whether a server does as well as its peers, by HAProxy's own counters
description:
  - Compares two samples of module C(haproxy_server), one of each load balancer, and sums up what was counted between them.
  - A server has failed when the share of its requests that failed is larger than its peers' by more than O(error_percent),
    or when it takes longer than they by O(latency_factor), and longer than O(latency_floor_milliseconds).
options:
  _input: {description: "The first samples: what C(backends) says of one backend, by load balancer.", type: list, elements: dict, required: true}
  after: {description: "The last samples, of the same load balancers.", type: list, elements: dict, required: true}
  server: {description: Name of the server., type: str, required: true}
  error_percent: {description: Percentage points above its peers., type: float, default: 5}
  latency_factor: {description: Times its peers' average. 0 does not compare times., type: float, default: 3}
  latency_floor_milliseconds: {description: Averages up to it are fast enough., type: float, default: 500}
  min_requests: {description: "Fewer are no ground to judge; of its peers, half as many.", type: int, default: 20}
"""

EXAMPLES = """
- name: See how node-a does
  ansible.builtin.debug:
    msg: "{{ before | haproxy_judgement(after, 'node-a') }}"
"""

RETURN = """
_value: {description: "C(failed), C(judged) (whether there were enough requests) and C(detail), one line.", type: dict}
"""

WINDOW = 512
"""Requests over which HAProxy keeps its average times (TIME_STATS_SAMPLES)."""

Sample = dict[str, dict[str, Any]]
"""What module haproxy_server tells of a backend: counters by server."""


@dataclass
class Total:
    """What was counted between two samples, over all load balancers."""

    requests: int = 0
    errors: int = 0
    milliseconds: float = 0.0
    """All requests' times together."""

    def add(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Add what one load balancer has counted of one server."""
        if after["requests"] < before["requests"]:
            # It was started or reloaded meanwhile, and counts from nothing.
            before = {"requests": 0, "errors": 0, "milliseconds": 0}
        requests = after["requests"] - before["requests"]
        self.requests += requests
        self.errors += max(0, after["errors"] - before["errors"])
        self.milliseconds += requests * mean_between(before, after)

    @property
    def share(self) -> float:
        """Return the percentage of requests that failed."""
        return min(100.0, 100 * self.errors / self.requests) if self.requests else 0.0

    @property
    def mean(self) -> float:
        """Return the average time of a request in milliseconds."""
        return self.milliseconds / self.requests if self.requests else 0.0


def mean_between(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Return the average time of the requests between two samples, in milliseconds.

    HAProxy's own average still holds what was before: a plain one over the first WINDOW requests, one in which the past
    fades by 1/WINDOW a request after these.
    """
    old: int = before["requests"]
    remembered = 1.0
    for count in range(old + 1, min(after["requests"], old + 20 * WINDOW) + 1):
        remembered *= 1 - 1 / min(count, WINDOW)
    if remembered >= 1:
        return 0.0
    mean: float = (after["milliseconds"] - before["milliseconds"] * remembered) / (1 - remembered)
    # What HAProxy has rounded down may make it negative.
    return max(0.0, mean)


def totals(before: Iterable[Sample], after: Iterable[Sample], server: str) -> tuple[Total, Total]:
    """Sum up what the load balancers have counted of the server, and of the others in its backend."""
    own, peers = Total(), Total()
    for first, last in zip(before, after, strict=True):
        for name in first.keys() & last.keys():
            (own if name == server else peers).add(first[name], last[name])
    return own, peers


def haproxy_judgement(
    before: list[Sample],
    after: list[Sample],
    server: str,
    error_percent: float = 5,
    latency_factor: float = 3,
    latency_floor_milliseconds: float = 500,
    min_requests: int = 20,
) -> dict[str, Any]:
    """Tell whether a server has failed where its peers have not."""
    own, peers = totals(before, after, server)
    detail = (
        f"{own.requests} requests, {own.share:.1f} % failed, {own.mean:.0f} ms on average; "
        f"its peers: {peers.requests} requests, {peers.share:.1f} %, {peers.mean:.0f} ms"
    )
    judged = own.requests >= min_requests
    failed = judged and own.share > peers.share + error_percent
    # Those who weigh less get fewer; without any there is nothing to be slower than.
    if judged and latency_factor and peers.requests >= min_requests / 2:
        failed |= own.mean > max(latency_floor_milliseconds, latency_factor * peers.mean)
    return {"failed": failed, "judged": judged, "detail": detail}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Name it."""
        return {"haproxy_judgement": haproxy_judgement}
