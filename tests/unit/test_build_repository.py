"""The repository of packages that Debian lacks: what is built when, and what its index then offers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "roles/local_apt_repository/files/build_repository"
RECIPE = """#!/usr/bin/env bash
set -euo pipefail
mkdir -p root/DEBIAN
printf 'Package: {name}\\nVersion: {version}\\nArchitecture: amd64\\nMaintainer: nobody <nobody@example.com>\\nDescription: test\\n' > root/DEBIAN/control
dpkg-deb --root-owner-group --build root "$1" >/dev/null
"""

Build = Callable[..., str]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Run a copy of the script that has recipes for `quick` and `slow`."""
    shutil.copy2(SCRIPT, tmp_path / "build_repository")
    for name in ("quick", "slow"):
        write_recipe(tmp_path, name, "1")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [tmp_path / "build_repository", *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout

    return run


def write_recipe(folder: Path, name: str, version: str) -> None:
    recipe = folder / "packages" / name / "build"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(RECIPE.format(name=name, version=version))
    recipe.chmod(0o755)


def offered(repository: Path) -> list[str]:
    text = (repository / "dists/trixie/main/binary-amd64/Packages").read_text()
    lines = [
        line.partition(": ")[2] for line in text.splitlines() if line.startswith(("Package:", "Version:"))
    ]
    return [f"{name} {version}" for name, version in zip(lines[::2], lines[1::2], strict=True)]


def test_what_takes_long_is_built_apart_and_offered_later(build: Build, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    whole = (str(repository), str(tmp_path / "key"), "trixie")
    assert build("--missing", str(repository), "quick", "slow").split() == ["quick", "slow"]

    assert build(*whole, "quick").splitlines()[-1] == "built"
    assert offered(repository) == ["quick 1"]
    assert build("--missing", str(repository), "quick", "slow").split() == ["slow"]

    build("--packages-only", str(repository), "slow")
    assert build("--missing", str(repository), "quick", "slow") == ""
    assert offered(repository) == ["quick 1"]

    # A new recipe of one takes nothing of the other's away, though that is not asked for.
    write_recipe(tmp_path, "quick", "2")
    assert build(*whole, "quick").splitlines()[-1] == "built"
    assert len(list((repository / "pool/quick").iterdir())) == 1
    assert build("--missing", str(repository), "slow") == ""

    assert build(*whole, "quick slow").splitlines()[-1] == "built"
    assert offered(repository) == ["quick 2", "slow 1"]
    assert build(*whole, "quick slow").splitlines() == ["current"]


@pytest.mark.usefixtures("build")
def test_a_package_is_built_once_though_two_ask_for_it(tmp_path: Path) -> None:
    recipe = tmp_path / "packages/slow/build"
    recipe.write_text(
        recipe.read_text().replace("mkdir", f"echo built >> {tmp_path}/builds; sleep 1; mkdir", 1)
    )
    command = [str(tmp_path / "build_repository"), "--packages-only", str(tmp_path / "repository"), "slow"]
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_an_interrupted_build_leaves_nothing(build: Build, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    left = tmp_path / "repository.build.slow.abcdef"
    left.mkdir(parents=True)
    (left / "half").touch()
    build("--packages-only", str(repository), "slow")
    assert [path.name for path in tmp_path.glob("repository.build.*")] == []


def test_a_package_without_a_recipe_is_named(build: Build, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build("--missing", str(tmp_path / "repository"), "unheard-of")
    assert "there is no recipe" in caught.value.stderr
