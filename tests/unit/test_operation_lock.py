"""The lock of planned work, on a real etcd with accounts; Molecule's scenario etcd runs the role that takes it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.load import ROOT, load_plugin

gateway = load_plugin("module_utils/alicerce_etcd.py")
# As Ansible offers it to modules.
sys.modules["ansible.module_utils.alicerce_etcd"] = gateway
accounts = load_plugin("modules/etcd_accounts.py")
lock = load_plugin("modules/operation_lock.py")
action = load_plugin("action/operation_lock.py")

ANA = {"who": "ana@control", "machine": "control 1", "boot": "b1", "pid": "10", "started": "100"}
EVA = {"who": "eva@other", "machine": "other 2", "boot": "b2", "pid": "10", "started": "100"}
KEY = "/operations/lock"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def connect(url: str, account: str, password: str) -> Any:
    etcd = gateway.Etcd([url], ssl.create_default_context(), 10)
    etcd.token = etcd.authenticate(account, password)
    assert etcd.token
    return etcd


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an etcd of one member, with accounts as the role makes them."""
    client, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("etcd")
    options = {
        "data-dir": folder / "data",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
    }
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            ["etcd", *(f"--{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=log,
            env={**os.environ, "ETCD_UNSUPPORTED_ARCH": "arm64"},
        ) as process,
    ):
        etcd = gateway.Etcd([client], ssl.create_default_context(), 10)
        wanted = [{"name": "operations", "password": "secret", "key_prefixes": ["/operations/"]}]
        deadline = time.monotonic() + 30
        while True:
            try:
                etcd.call("kv/range", key=lock.coded(KEY))
                break
            except gateway.EtcdError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
        accounts.Accounts(etcd, dry=False).settle("root-secret", wanted)
        yield client
        process.send_signal(signal.SIGTERM)


@pytest.fixture
def url(cluster: str) -> Iterator[str]:
    yield cluster
    connect(cluster, "root", "root-secret").call("kv/deleterange", key=lock.coded(KEY))


def locked(url: str, holder: dict[str, str], work: str = "Restart of etcd", minutes: int = 15) -> Any:
    return lock.Lock(connect(url, "operations", "secret"), KEY, holder, work, minutes)


def seconds_left(url: str) -> int:
    etcd = connect(url, "root", "root-secret")
    (entry,) = etcd.call("kv/range", key=lock.coded(KEY))["kvs"]
    return int(etcd.call("lease/timetolive", ID=entry["lease"]).get("TTL", -1))


def test_it_is_taken_once_and_says_by_whom_for_what_and_since_when(url: str) -> None:
    taken = locked(url, ANA).take()
    assert taken["mine"]
    refused = locked(url, EVA, "Switchover of redis").take()
    assert not refused["mine"]
    assert refused["holder"] == {**ANA, "work": "Restart of etcd", "since": taken["holder"]["since"]}
    assert locked(url, ANA).free() == {"mine": False, "holder": {}, "revision": "0", "lease": "0"}
    assert locked(url, EVA).take()["mine"]


def test_it_ends_by_itself_unless_it_is_renewed(url: str) -> None:
    mine = locked(url, ANA)
    mine.seconds = 3
    mine.take()
    for _ in range(4):
        time.sleep(1)
        assert mine.take()["mine"]
    assert seconds_left(url) >= 2
    deadline = time.monotonic() + 30
    while not locked(url, EVA).take()["mine"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    # Who has lost it is told, and frees nothing.
    assert mine.take()["holder"]["who"] == "eva@other"
    assert not mine.free()["mine"]
    assert mine.read()["holder"]["who"] == "eva@other"


def test_work_within_work_leaves_it_to_that(url: str) -> None:
    outer, inner = locked(url, ANA, "Reboot"), locked(url, ANA, "Switchover of redis")
    outer.take()
    assert inner.take()["holder"]["work"] == "Reboot"
    assert inner.free()["mine"]
    assert outer.read()["holder"]["work"] == "Reboot"
    outer.free()
    assert outer.read()["holder"] == {}


def test_a_leftover_is_taken_over_once_and_only_as_it_was_found(url: str) -> None:
    locked(url, ANA).take()
    found = locked(url, EVA).take()
    again = {**ANA, "pid": "11"}
    assert locked(url, again).take(found["revision"])["mine"]
    refused = locked(url, EVA).take(found["revision"])
    assert refused["holder"]["pid"] == "11"


def test_it_can_be_broken(url: str) -> None:
    locked(url, ANA).take()
    assert locked(url, EVA).take(break_lock=True)["holder"]["who"] == "eva@other"


def test_the_account_reaches_nothing_else(url: str) -> None:
    etcd = connect(url, "operations", "secret")
    with pytest.raises(gateway.EtcdError, match="permission denied"):
        etcd.call("kv/range", key=lock.coded("/patroni/"))


def test_nobody_in_reach_is_an_error_that_names_them() -> None:
    etcd = gateway.Etcd([f"http://127.0.0.1:{free_port()}"], ssl.create_default_context(), 2)
    with pytest.raises(gateway.EtcdError, match=r"no member answers: http://127"):
        lock.Lock(etcd, KEY, ANA, "work", 15).take()


def own_holder(queue: Any) -> None:
    queue.put(action.holder())


def test_the_holder_is_the_run_itself_and_not_the_child_that_runs_the_task() -> None:
    fork = multiprocessing.get_context("fork")
    queue: Any = fork.Queue()
    child = fork.Process(target=own_holder, args=(queue,))
    child.start()
    found = queue.get(timeout=10)
    child.join()
    assert found["pid"] == str(os.getpid())
    assert found == action.holder()


def test_what_a_gone_process_of_this_machine_has_left_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        found = {**action.holder(), "pid": str(process.pid), "started": action.started(process.pid)}
        assert not action.left_over(found)
        # The number was given to another process.
        assert action.left_over({**found, "started": "1"})
        assert not action.left_over({**found, "machine": "other"})
        assert action.left_over({**found, "boot": "before"})
        process.kill()
    assert action.left_over(found)
    assert not action.left_over({})
    monkeypatch.setattr(action, "MACHINE_ID", Path("/nonexistent"))
    assert action.machine() == socket.gethostname()


def tasks(path: str) -> list[dict[str, Any]]:
    """Return the tasks of a playbook or of a role's file."""
    content = yaml.safe_load((ROOT / path).read_text())
    return [task for part in content for task in part.get("tasks", [] if "hosts" in part else [part])]


@pytest.mark.parametrize("playbook", ["restart_component", "switchover", "restore"])
def test_each_playbook_that_takes_members_away_works_in_the_frame(playbook: str) -> None:
    frames = [
        task
        for task in tasks(f"playbooks/{playbook}.yml")
        if task.get("ansible.builtin.include_role", {}).get("name") == "operation"
        and "tasks_from" not in task["ansible.builtin.include_role"]
    ]
    (frame,) = frames
    assert {"role", "tasks_from"} == set(frame["vars"]["operation_work"])


def test_the_frame_begins_before_the_work_and_ends_whatever_comes_of_it() -> None:
    begin, work = tasks("roles/operation/tasks/main.yml")
    assert begin["ansible.builtin.include_tasks"]["file"] == "begin.yml"
    assert "always" in work
    assert work["always"][-1]["ansible.builtin.include_tasks"]["file"] == "end.yml"
    end = tasks("roles/operation/tasks/end.yml")
    assert end[0]["vars"]["alertmanager_silence_state"] == "absent"
    # One that breaks off for a lock that others hold must not have silenced anything.
    first = tasks("roles/operation/tasks/begin.yml")[0]
    assert first["ansible.builtin.include_tasks"]["file"] == "renew.yml"
