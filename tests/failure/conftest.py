"""The lab with the clients' host beside it, and a table of all rows at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.failure.platform import Platform
from tests.rows import pytest_configure, pytest_terminal_summary, rows

__all__ = ["pytest_configure", "pytest_terminal_summary", "rows"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repeat", type=int, default=5, help="runs of each fault that has a limit (default: 5)")
    parser.addoption("--repeat-others", type=int, default=2, help="runs of each other fault (default: 2)")
    parser.addoption("--quiet-minutes", type=int, default=60, help="how long nothing may fire (default: 60)")


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The lab with the clients; what needs it without them comes before (test_00_leftovers.py)."""
    deployed = Platform()
    deployed.deploy_further()
    yield deployed
    deployed.remove_further()
