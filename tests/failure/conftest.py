"""The lab with the clients' host beside it, and a table of all rows at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.failure.platform import Platform

ROWS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repeat", type=int, default=5, help="runs of each fault that has a limit (default: 5)")
    parser.addoption("--repeat-others", type=int, default=2, help="runs of each other fault (default: 2)")
    parser.addoption("--quiet-minutes", type=int, default=60, help="how long nothing may fire (default: 60)")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[str]:
    """Lines of the table that is printed at the end."""
    return request.config.stash[ROWS]


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The lab with the clients; what needs it without them comes before (test_00_leftovers.py)."""
    deployed = Platform()
    deployed.deploy_further()
    yield deployed
    deployed.remove_further()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[ROWS]:
        terminalreporter.section("what was seen")
        for line in lines:
            terminalreporter.write_line(line)
