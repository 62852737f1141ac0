"""The same backups and restores with a store of the S3 kind in place of the backup host."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failure.contents import DESTROY, checksums
from tests.failure.platform import CLIENT_HOST, Platform, container_of, must, run

GATEWAY = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
"""A gateway that answers as S3 does and keeps its objects in files."""
COMPONENTS = "postgresql,mongodb,rabbitmq"
START = """
set -eu
umask 077
install --directory /srv/s3/backups
printf 'ROOT_ACCESS_KEY=%s\\nROOT_SECRET_KEY=%s\\n' {access} {secret} > /run/s3.env
nft insert rule inet alicerce input tcp dport 7443 accept
systemd-run --quiet --unit=s3 --property=EnvironmentFile=/run/s3.env /usr/local/bin/versitygw --quiet \\
  --port :7443 --cert /etc/alicerce/tls/host.crt --key /etc/alicerce/tls/host.key posix /srv/s3
for attempt in $(seq 50); do
  ! ss --no-header --listening --tcp sport = :7443 | grep --quiet LISTEN || exit 0
  sleep 0.2
done
exit 1
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the S3 store."""
    assert shutil.which("go"), "this test builds an S3 store: install Go 1.25 or newer"
    where = tmp_path_factory.mktemp("go")
    subprocess.run(
        ["env", f"GOBIN={where}", "CGO_ENABLED=0", "go", "install", GATEWAY], check=True, timeout=1200
    )
    return where / "versitygw"


@pytest.fixture
def s3(platform: Platform, gateway: Path) -> Iterator[list[str]]:
    """Run the store on the clients' host; gives the arguments of playbooks that use it. Afterwards all is as it was."""
    keys = {"backup_s3_access_key": secrets.token_hex(8), "backup_s3_secret_key": secrets.token_hex(20)}
    for name, value in keys.items():
        assert run("scripts/secret", "--put", "--replace", name, text=value).returncode == 0
    must("podman", "cp", str(gateway), f"{container_of(CLIENT_HOST)}:/usr/local/bin/versitygw")
    access, secret = keys.values()
    platform.feed(CLIENT_HOST, "bash", START.format(access=access, secret=secret))
    where = {
        "endpoint": f"{CLIENT_HOST}.alicerce.internal:7443",
        "bucket": "backups",
        "region": "us-east-1",
        "path": "/alicerce",
        "ca_file": "/etc/alicerce/tls/ca.crt",
    }
    try:
        yield ["--extra-vars", json.dumps({"backup_repository": "s3", "backup_s3": where})]
    finally:
        platform.ansible("site.yml", "--tags", COMPONENTS)
        platform.ssh(CLIENT_HOST, "systemctl stop s3; rm -rf /srv/s3 /run/s3.env /usr/local/bin/versitygw")


def test_backups_come_back_from_s3(platform, s3):
    platform.ansible("site.yml", "--tags", COMPONENTS, *s3)
    assert "changed=0" in platform.ansible("site.yml", "--tags", COMPONENTS, *s3)
    before = {store: checksums(platform, store) for store in DESTROY}
    assert all(before.values())
    platform.ansible("playbooks/backup.yml", *s3)
    objects = platform.ssh(CLIENT_HOST, "find /srv/s3/backups -type f | cut -d/ -f6 | sort | uniq -c")
    print(objects)
    assert all(component in objects for component in COMPONENTS.split(","))
    for store, destroy in DESTROY.items():
        for host in platform.members(store):
            platform.ssh(host, destroy)
    for component in COMPONENTS.split(","):
        platform.ansible(
            "playbooks/restore.yml", "--extra-vars", f"component={component} confirm=alicerce", *s3
        )
        platform.await_whole(component)
    assert {store: checksums(platform, store) for store in DESTROY} == before


def archive(platform: Platform) -> None:
    """Wait until all that is written is archived."""
    segment = platform.postgresql("SELECT pg_walfile_name(pg_switch_wal())")
    deadline = time.monotonic() + 60
    while platform.postgresql("SELECT last_archived_wal FROM pg_stat_archiver") < segment:
        assert time.monotonic() < deadline, f"{segment} is not archived"
        time.sleep(1)


def test_a_history_that_was_given_up_can_be_followed(platform, s3):
    platform.ansible("site.yml", "--tags", COMPONENTS, *s3)
    restore = ["playbooks/restore.yml", *s3, "--extra-vars"]
    asked = {"component": "postgresql", "confirm": "alicerce"}
    platform.postgresql("CREATE TABLE marks AS SELECT 'kept' AS mark")
    between = platform.postgresql("SELECT clock_timestamp() AT TIME ZONE 'UTC'") + "+00"
    platform.postgresql("INSERT INTO marks VALUES ('given up')")
    timeline = str(int(platform.postgresql("SELECT pg_walfile_name(pg_current_wal_lsn())")[:8], 16))
    archive(platform)
    try:
        platform.ansible(*restore, json.dumps(asked | {"target_time": between}))
        platform.await_whole("postgresql")
        assert platform.postgresql("SELECT string_agg(mark, ',') FROM marks") == "kept"
        platform.postgresql("INSERT INTO marks VALUES ('since')")
        archive(platform)
        platform.ansible(*restore, json.dumps(asked | {"target_timeline": timeline}))
        platform.await_whole("postgresql")
        assert platform.postgresql("SELECT string_agg(mark, ',') FROM marks") == "kept,given up"
    finally:
        platform.postgresql("DROP TABLE marks")
