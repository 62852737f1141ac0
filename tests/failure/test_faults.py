"""Every store under every fault: no acknowledged write is lost, and writing goes on in time."""

from __future__ import annotations

import pytest

from tests.failure.experiment import strike
from tests.failure.faults import FAULTS
from tests.failure.history import line, row
from tests.failure.platform import STORES

LIMITS = {
    ("postgresql", "host"): 25,
    ("postgresql", "process"): 10,
    **{("mongodb", fault): 8 for fault in ("process", "host")},
    **{(store, fault): 10 for store in ("rabbitmq", "redis") for fault in ("process", "host")},
    **{(store, "zone"): 30 for store in STORES},
}
"""Seconds that the median of the longest gaps may reach; a fault without a limit is run less often."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("store", STORES)
def test_a_store_keeps_its_promise(platform, request, rows, store, fault):
    limit = LIMITS.get((store, fault))
    times = request.config.getoption("--repeat" if limit else "--repeat-others")
    table = row(store, fault, strike(platform, store, fault, times, print))
    rows.append(line(table))
    assert table["problems"] == []
    assert limit is None or table["gap"]["median"] <= limit, table["gap"]
