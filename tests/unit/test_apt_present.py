"""When packages are as asked for, and when apt must be asked."""

from __future__ import annotations

import pytest

from tests.unit.load import load_plugin

SAID = """nginx\tinstalled\t1.26.3-3+deb13u10
curl\tinstalled\t8.14.1-2
jaeger\tinstalled\t2.13.0-1
removed\tconfig-files\t1.0
suggested\tnot-installed\t
--
curl
libc6
"""


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["nginx"], []),
        (["nginx", "jaeger=2.13.0-*"], []),
        (["jaeger=2.13.0-1"], []),
        (["jaeger=2.14.0-*", "nginx"], ["jaeger=2.14.0-*"]),
        (["absent", "nginx"], ["absent"]),
        (["absent=*"], ["absent=*"]),
        (["removed"], ["removed"]),
        # dpkg has heard of it from another package.
        (["suggested"], ["suggested"]),
        # It is there only for another package's sake, and would go with that one.
        (["curl"], ["curl"]),
    ],
)
def test_apt_is_needed_for_what_is_not_as_asked_for(names: list[str], missing: list[str]) -> None:
    assert load_plugin("action/apt_present.py").needs_apt(names, SAID) == missing


def test_nothing_installed() -> None:
    assert load_plugin("action/apt_present.py").needs_apt(["nginx"], "--\n") == ["nginx"]
