"""A new service is one folder and one entry of the catalogue; without them the platform is as it was."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "fourth_service"
TAGS = "base,certificates,flask_service,haproxy"
"""The plays that read the catalogue, but for those of stores: the service has none."""


def _ansible(run, *arguments):
    said = run("ansible-playbook", *arguments, timeout=1200)
    assert said.returncode == 0, said.stdout[-6000:] + said.stderr[-2000:]
    return said.stdout


@pytest.fixture
def greeting(run, tmp_path):
    """Add the entry beside those that are there, and take it out again."""
    catalogue = yaml.safe_load((ROOT / "group_vars" / "all" / "services.yml").read_text())["services"]
    entry = yaml.safe_load((FIXTURE / "entry.yml").read_text())
    extra = tmp_path / "catalogue.json"
    extra.write_text(json.dumps({"services": catalogue | entry}))
    site = ("site.yml", "--tags", TAGS)
    inventories = [
        f"--inventory={path}" for path in (ROOT / "inventories" / "lab", FIXTURE / "inventory.yml")
    ]
    try:
        _ansible(run, *site, *inventories, f"--extra-vars=@{extra}")
        yield entry["greeting"]
    finally:
        _ansible(run, *site)
        _ansible(run, "playbooks/remove_service.yml", "--extra-vars=service=greeting")


@pytest.mark.usefixtures("greeting")
def test_a_fourth_service_is_one_folder_and_one_entry(edge, lab):
    # A reload lets each idle connection between the edge's programs answer once more as before.
    deadline = time.monotonic() + 30
    while (answer := edge.call("GET", "/api/v1/greeting/hello")).status_code == 404:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.5)
    answers = [edge.call("GET", "/api/v1/greeting/hello") for _ in range(60)]
    answers = [answer for answer in answers if answer.status_code != 404]
    assert len(answers) > 30
    said_by = {answer.json()["host"] for answer in answers}
    assert said_by == {host["name"] for host in lab["hosts"] if "edge" in host["groups"]}

    document = edge.call("GET", "/api/v1/greeting/openapi.json")
    assert document.status_code == 200
    assert "/api/v1/greeting/hello" in document.json()["paths"]

    # What a service gets without asking: unknown paths are problems, and its hosts tell of it.
    assert edge.call("GET", "/api/v1/greeting/nothing").status_code == 404


def test_without_its_entry_nothing_is_left_of_it(run, edge):
    assert edge.call("GET", "/api/v1/greeting/hello").headers["Content-Type"] != "application/json"
    left = run(
        "ansible",
        "zone_hosts",
        "--become",
        "--module-name=ansible.builtin.find",
        "--args=paths=/etc/alicerce,/etc/systemd/system,/opt/alicerce patterns=*greeting* file_type=any recurse=true",
    )
    assert left.returncode == 0, left.stdout
    assert "greeting" not in left.stdout.replace("*greeting*", "")
    said = run("ansible-playbook", "site.yml", "--tags", TAGS, timeout=1200)
    assert said.returncode == 0, said.stdout[-4000:]
    changed = [line for line in said.stdout.splitlines() if line.startswith("changed:")]
    assert changed == []
