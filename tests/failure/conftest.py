"""The lab with the clients' host beside it, and a table of all rows at the end."""

from __future__ import annotations

import pytest

from tests.failure.platform import Platform

ROWS = pytest.StashKey[list[str]]()


def pytest_addoption(parser):
    parser.addoption("--repeat", type=int, default=5, help="runs of each fault (default: 5)")


def pytest_configure(config):
    config.stash[ROWS] = []


@pytest.fixture
def rows(request):
    """Lines of the table that is printed at the end."""
    return request.config.stash[ROWS]


@pytest.fixture(scope="module")
def platform():
    deployed = Platform()
    deployed.deploy_further()
    yield deployed
    deployed.remove_further()


def pytest_terminal_summary(terminalreporter, config):
    if lines := config.stash[ROWS]:
        terminalreporter.section("what the stores' clients saw")
        for line in lines:
            terminalreporter.write_line(line)
