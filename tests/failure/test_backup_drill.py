"""A store that has lost all members' data comes back from its backup: how much is lost, how long it takes, and that the rest is the same."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.failure.experiment import STEADY
from tests.failure.history import Promise, judge
from tests.failure.platform import Platform, clients, must

NAME = "alicerce"
"""The cluster's name, which whoever restores has to say."""

DESTROY = {
    "postgresql": "systemctl kill --signal=KILL patroni; systemctl stop patroni; rm -rf /var/lib/postgresql/17/*",
    "mongodb": "systemctl kill --signal=KILL mongod; systemctl stop mongod; rm -rf /var/lib/mongodb/*",
}

# One line a table: its name and the checksum of its rows, whatever their order.
POSTGRESQL_SUMS = r"""
for database in $(runuser -u postgres -- psql -XAtc "SELECT datname FROM pg_database WHERE NOT datistemplate"); do
  runuser -u postgres -- psql -XAt -d $database -c "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')" | while read -r table; do
    echo "$database $table $(runuser -u postgres -- psql -XAt -d $database -c \
      "SELECT count(*), md5(string_agg(md5(row::text), '' ORDER BY md5(row::text))) FROM $table AS row")"
  done
done
"""
MONGODB_SUMS = """
from pymongo import MongoClient
with MongoClient(**LOGIN) as client:
    for name in sorted(set(client.list_database_names()) - {"admin", "config", "local"}):
        for collection, checksum in sorted(client[name].command("dbHash")["collections"].items()):
            print(name, collection, checksum)
"""
WRITTEN = "history"
"""The database that is written to all the while; what it must hold tell the clients."""


def over_ssh(platform: Platform, host: str, program: str, text: str) -> str:
    """Run a program on a host as root with a text as its input."""
    argv = [*platform.ssh_argv(host), "sudo", program]
    said = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=300, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout


def checksums(platform: Platform, store: str) -> dict[str, str]:
    """Return the checksum of every table or collection, but for those that are being written."""
    host = platform.members(store)[0]
    if store == "postgresql":
        said = over_ssh(platform, host, "bash", POSTGRESQL_SUMS)
    else:
        login = {
            "host": [f"{member}.alicerce.internal:27017" for member in platform.members(store)],
            "replicaSet": NAME,
            "username": "admin",
            "password": must("scripts/secret", "mongodb_admin").strip(),
            "tls": True,
            "tlsCAFile": "/etc/alicerce/tls/ca.crt",
            "tlsCertificateKeyFile": "/etc/alicerce/tls/host.pem",
        }
        said = over_ssh(platform, host, "python3", f"LOGIN = {login!r}\n{MONGODB_SUMS}")
    rows = [line.rsplit(" ", 1) for line in said.splitlines()]
    return {name: checksum for name, checksum in rows if name.split()[0] != WRITTEN}


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
