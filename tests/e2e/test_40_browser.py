"""One person in a real browser, Debian's Chromium, which trusts the platform's CA and forgives nothing."""

import json
import secrets
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLAYWRIGHT = ROOT / "frontend" / "node_modules" / "playwright-core"


@pytest.fixture
def home(tmp_path, lab, run):
    """Make a home whose certificate database holds the platform's CA."""
    database = tmp_path / "home" / ".pki" / "nssdb"
    database.mkdir(parents=True)
    where = f"sql:{database}"
    for command in (
        ["certutil", "-N", "--empty-password", "-d", where],
        ["certutil", "-A", "-d", where, "-n", "platform", "-t", "C,,", "-i", lab["ca_file"]],
    ):
        said = run(*command)
        assert said.returncode == 0, said.stderr
    return tmp_path / "home"


def test_one_person_in_the_browser(lab, run, home, tmp_path):
    if not PLAYWRIGHT.is_dir():
        said = run("npm", "--prefix", "frontend", "ci", "--silent")
        assert said.returncode == 0, said.stderr
    out = ROOT / ".lab" / "browser"
    out.mkdir(parents=True, exist_ok=True)
    options = tmp_path / "options.json"
    options.write_text(
        json.dumps(
            {
                "playwright": str(PLAYWRIGHT),
                "chromium": shutil.which("chromium") or "chromium",
                "home": str(home),
                "origin": f"https://{lab['edge']['name']}",
                "address": lab["edge"]["address"],
                "out": str(out),
                "person": {
                    "name": "  maria clara DOS santos",
                    "email": f"maria.{secrets.token_hex(6)}@example.com",
                    "password": secrets.token_urlsafe(18),
                },
            }
        )
    )
    said = run("node", "tests/e2e/browser/journey.mjs", str(options), timeout=240)
    print(said.stdout)
    assert said.returncode == 0, said.stdout + said.stderr
