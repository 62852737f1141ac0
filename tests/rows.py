"""A table of what tests have seen, at the end of their run; a conftest.py imports all three names."""

from __future__ import annotations

import pytest

ROWS = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with an empty table."""
    config.stash[ROWS] = []


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[str]:
    """Lines of the table that is printed at the end."""
    return request.config.stash[ROWS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if lines := config.stash[ROWS]:
        terminalreporter.section("what was seen")
        for line in lines:
            terminalreporter.write_line(line)
