"""Options of the runbooks' test."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="only the runbooks that say of themselves that they are quick"
    )
