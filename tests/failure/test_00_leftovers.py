"""What a lab leaves behind that was killed in the middle: the next `make up` mends it, and the one after changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.failure.platform import container_of

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("ALICERCE_CACHE") or Path.home() / ".cache" / "alicerce")


def up(run):
    """Run `make up` to its end and return what it says."""
    said = run("make", "--silent", "up", timeout=1800)
    assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-4000:]
    return said.stdout


def test_a_run_that_was_killed_is_taken_up_again(run, lab):
    assert (
        container_of(lab["hosts"][0]["name"]) in run("podman", "ps", "--format", "{{.Names}}").stdout.split()
    )
    process = subprocess.Popen(
        [ROOT / "scripts" / "lab", "up"],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(25)
    assert process.poll() is None, "it ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    up(run)
    assert "Nothing changed." in up(run)


def test_dead_hosts_their_monitors_and_half_built_images_do_no_harm(run, lab):
    killed, stopped, frozen = (container_of(host["name"]) for host in lab["hosts"][:3])
    # As after a power cut: neither the host nor its monitor could say good-bye.
    state = "{{.State.ConmonPid}} {{.State.Pid}}"
    for process in run("podman", "inspect", "--format", state, killed).stdout.split():
        os.kill(int(process), signal.SIGKILL)
    assert run("podman", "stop", "--time", "1", stopped).returncode == 0
    assert run("podman", "pause", frozen).returncode == 0
    half_built = CACHE / "host-image.abcdef"
    half_built.mkdir(parents=True, exist_ok=True)
    (half_built / "root.tar").write_bytes(b"half an image")
    up(run)
    running = run("podman", "ps", "--format", "{{.Names}}").stdout.split()
    assert {killed, stopped, frozen} <= set(running)
    assert run("make", "--silent", "status", "FORMAT=json").returncode == 0
    assert "Nothing changed." in up(run)
