"""People who go on asking while the platform is worked on, how fast they are answered in peace, and a table of all rows at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.failure.platform import Platform
from tests.operations.crowd import Crowd
from tests.rows import pytest_configure, pytest_terminal_summary, rows

__all__ = ["pytest_configure", "pytest_terminal_summary", "rows"]

PEACE = 60.0
"""Seconds for which nobody works on the platform, to compare with."""


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
