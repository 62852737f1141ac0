"""A new service is one folder and one entry of the catalogue; without them the platform is as it was."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.failure.experiment import strike
from tests.failure.platform import CLIENTS, STORES, Platform


@pytest.fixture(scope="module")
def platform():
    """Add two services beside those that are there, one of them on a host of its own, and take them out again."""
    deployed = Platform("fourth_service", CLIENTS)
    try:
        deployed.deploy_further()
        yield deployed
    finally:
        deployed.remove_further()


@pytest.mark.usefixtures("platform")
def test_a_fourth_service_is_one_folder_and_one_entry(edge, lab):
    # A reload lets each idle connection between the edge's programs answer once more as before.
    deadline = time.monotonic() + 30
    while (answer := edge.call("GET", "/api/v1/greeting/hello")).status_code == 404:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.5)
    answers = [edge.call("GET", "/api/v1/greeting/hello") for _ in range(60)]
    answers = [answer for answer in answers if answer.status_code != 404]
    assert len(answers) > 30
    said_by = {answer.json()["host"] for answer in answers}
    assert said_by == {host["name"] for host in lab["hosts"] if "edge" in host["groups"]}

    document = edge.call("GET", "/api/v1/greeting/openapi.json")
    assert document.status_code == 200
    assert "/api/v1/greeting/hello" in document.json()["paths"]

    # What a service gets without asking: unknown paths are problems, and its hosts tell of it.
    assert edge.call("GET", "/api/v1/greeting/nothing").status_code == 404


def test_a_killed_leader_costs_no_store_a_write(platform):
    # Each store's clients see their own store only. Two at a time: more would measure how busy this machine is.
    with ThreadPoolExecutor(2) as at_once:
        runs = {store: at_once.submit(strike, platform, store, "process", 1, print) for store in STORES}
    verdicts = {store: run.result()[0] for store, run in runs.items()}
    assert {store: verdict.problems for store, verdict in verdicts.items() if not verdict.good} == {}
