"""A store that has lost all members' data comes back from its backup: how much is lost, how long it takes, and that the rest is the same."""

from __future__ import annotations

import time

import pytest

from tests.failure.contents import DESTROY, checksums
from tests.failure.experiment import STEADY
from tests.failure.history import Promise, judge
from tests.failure.platform import clients

NAME = "alicerce"
"""The cluster's name, which whoever restores has to say."""


@pytest.mark.parametrize(("store", "loses_at_most"), [("postgresql", 75.0), ("mongodb", 120.0)])
def test_a_destroyed_store_comes_back(platform, rows, store, loses_at_most):
    platform.await_whole(store)
    with clients(platform, store) as at_work:
        assert at_work.await_flow(STEADY, 60), "writes do not flow on a whole cluster"
        before = checksums(platform, store)
        assert before
        platform.ansible("playbooks/backup.yml", "-e", f"backup_components={store}", "-e", "backup_type=diff")
        time.sleep(20)
        began = time.monotonic()
        for host in platform.members(store):
            platform.ssh(host, DESTROY[store])
        platform.ansible("playbooks/restore.yml", "-e", f"component={store}", "-e", f"confirm={NAME}")
        restored = time.monotonic() - began
        # The playbook starts the services again; these clients are none of the platform's.
        at_work.tell("anew")
        flows = at_work.await_flow(STEADY, 180)
        after = checksums(platform, store)
        verdict = judge(at_work.finish(), Promise(lost_within=loses_at_most))
    rows.append(
        f"{store:<11} all data destroyed  lost {verdict.lost_span} s ({len(verdict.lost)} of {verdict.acknowledged} writes)"
        f"  restored {restored:.0f} s  clients without a write {verdict.gap} s  {len(before)} checksums"
    )
    print(rows[-1])
    assert flows, "writes do not flow again"
    assert {name: after.get(name) for name in before} == before
    assert verdict.lost_span <= loses_at_most
    assert (verdict.twice, verdict.invented, verdict.wrong_sums) == ([], [], 0)
    platform.await_whole(store)
    assert "changed=0" in platform.ansible("site.yml", "--tags", store)
