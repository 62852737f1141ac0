"""The deployed lab as Ansible sees it: a second run changes nothing, and check mode tells the same."""

from __future__ import annotations

import re

import pytest

RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


def recap(output):
    """Return {host: (ok, changed, unreachable, failed)} of a playbook run."""
    return {
        m[1]: tuple(int(n) for n in m.groups()[1:])
        for m in RECAP.finditer(output.rpartition("PLAY RECAP")[2])
    }


@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["again", "check"])
def test_site_changes_nothing_on_a_deployed_lab(run, lab, arguments):
    said = run("ansible-playbook", "site.yml", *arguments)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]
    hosts = recap(said.stdout)
    assert {host["name"] for host in lab["hosts"]} <= set(hosts)
    changed = re.findall(
        r"^(?:TASK|RUNNING HANDLER) \[(.+?)\](?:(?!^TASK).)*?^changed: \[(\S+?)\]", said.stdout, re.M | re.S
    )
    assert {host: counts[1] for host, counts in hosts.items() if counts[1]} == {}, changed
    assert all(counts[2] == counts[3] == 0 for counts in hosts.values())


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
