"""People who go on asking while the platform is worked on, how fast they are answered in peace, and a table of all rows at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.failure.platform import Platform
from tests.operations.crowd import Crowd

ROWS = pytest.StashKey[list[str]]()
PEACE = 60.0
"""Seconds for which nobody works on the platform, to compare with."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[str]:
    """Lines of the table that is printed at the end."""
    return request.config.stash[ROWS]


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform()


@pytest.fixture
def crowd(platform: Platform) -> Iterator[Crowd]:
    with Crowd(platform.info) as crowd:
        yield crowd


@pytest.fixture(scope="session")
def peace(platform: Platform) -> float:
    """Seconds within which 99 of 100 reads and changes are answered while nobody works on the platform."""
    with Crowd(platform.info) as crowd, crowd.watched() as seen:
        time.sleep(PEACE)
    assert seen.failures == []
    return seen.p99()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[ROWS]:
        terminalreporter.section("what people saw")
        for line in lines:
            terminalreporter.write_line(line)
