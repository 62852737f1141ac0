"""Every verb of the operator, while people read, change, log in and sign up: nobody sees a failure, and no change is lost or made twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.site import assert_site_changes_nothing
from tests.failure.platform import ROOT, must, run

SETTLED = 90.0
"""Seconds within which every change must be enriched once people have stopped."""
SITE = "site.yml"
SERVICES = ("auth", "users", "enrichment")


def playbook(name: str, *extra: str) -> str:
    """Run a playbook on the lab."""
    arguments = [word for each in extra for word in ("--extra-vars", each)]
    return must("ansible-playbook", name, *arguments, timeout=3000)


def another_release(folder: Path) -> str:
    """Return, as extra variables, a catalogue whose services are built from copies of their sources that differ by a comment."""
    file = folder / "catalogue.yml"
    if not file.exists():
        catalogue = yaml.safe_load((ROOT / "group_vars/all/services.yml").read_text())["services"]
        for name, entry in catalogue.items():
            source = folder / name
            shutil.copytree(
                ROOT / "app" / name, source, ignore=shutil.ignore_patterns("tests", "__pycache__")
            )
            module = source / "src" / f"alicerce_{name}" / "__init__.py"
            module.write_text(module.read_text() + f"# Another release, of {time.time_ns()}.\n")
            entry["source"] = str(source)
        file.write_text(yaml.safe_dump({"services": catalogue}))
    return f"@{file}"


@dataclass(frozen=True)
class Verb:
    """What an operator does; each is given a folder for what it needs to keep."""

    what: str
    act: Callable[[Path], object]
    before: Callable[[Path], object] = lambda _: None
    """What has to be so before it begins; nobody watches."""
    site: Callable[[Path], list[str]] = lambda _: []
    """The extra variables with which site.yml finds nothing to do afterwards."""


def upgrade_services(folder: Path) -> None:
    playbook("playbooks/rolling_upgrade.yml", another_release(folder))


def go_on(folder: Path) -> None:
    """Let there be a release before, which is that of the tree."""
    playbook(SITE)
    playbook(SITE, another_release(folder))


def roll_back(_: Path) -> None:
    for service in SERVICES:
        playbook("playbooks/rollback.yml", f"service={service}")


VERBS = {
    "rolling_upgrade": Verb(
        "rolling upgrade of all services", upgrade_services, site=lambda folder: [another_release(folder)]
    ),
    "rollback": Verb(
        "rollback of all services",
        roll_back,
        before=go_on,
    ),
    "rotate_certificates": Verb(
        "new keys and certificates everywhere",
        lambda _: playbook("playbooks/rotate_certificates.yml"),
    ),
    "rotate_authority": Verb(
        "a new authority, new keys and certificates everywhere",
        lambda _: playbook("playbooks/rotate_certificates.yml", "authority=true"),
    ),
    "reboot": Verb("reboot of every host", lambda _: playbook("playbooks/reboot.yml")),
}


@pytest.mark.parametrize("name", VERBS)
def test_nobody_notices(name, platform, peace, crowd, rows, tmp_path):
    verb = VERBS[name]
    verb.before(tmp_path)
    with crowd.watched() as seen:
        began = time.monotonic()
        verb.act(tmp_path)
        took = time.monotonic() - began
        time.sleep(10)
    crowd.stop()
    unfinished = crowd.unfinished(SETTLED)
    rows.append(
        f"{verb.what}: {took:.0f} s, {len(seen.calls)} requests, {len(seen.failures)} failed, {len(unfinished)} changes lost;"
        f" 99 % within {seen.p99():.2f} s ({peace:.2f} s in peace), the longest {seen.longest():.1f} s"
    )
    assert seen.failures == []
    assert unfinished == []
    extra = [word for each in verb.site(tmp_path) for word in ("--extra-vars", each)]
    assert_site_changes_nothing(run, platform.info, *extra)
    assert seen.p99() < 2 * peace
