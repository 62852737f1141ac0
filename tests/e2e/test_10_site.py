"""The deployed lab as Ansible sees it: check mode has nothing to tell. test_60_removed_services.py runs the playbook itself again."""

from __future__ import annotations

from tests.e2e.site import assert_site_changes_nothing


def test_check_mode_changes_nothing_on_a_deployed_lab(run, lab):
    assert_site_changes_nothing(run, lab, "--check")


def test_status_says_that_all_is_whole(run):
    said = run("make", "--silent", "status", "FORMAT=json")
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_second_checkout_would_take_another_range(run, lab, tmp_path):
    clone = tmp_path / "clone"
    assert run("git", "clone", "--quiet", ".", str(clone)).returncode == 0
    said = run(str(clone / "scripts" / "lab"), "prepare")
    assert said.returncode == 0, said.stderr
    name, network = said.stdout.split()
    assert not lab["edge"]["address"].startswith(network.removesuffix("0/24"))
    assert name not in run("podman", "network", "ls").stdout
