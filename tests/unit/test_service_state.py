"""What service_state reads of a service's folder."""

import os
from pathlib import Path

from tests.unit.load import load_plugin

state = load_plugin("modules/service_state.py")


def install(home: Path, release: str, age: int) -> None:
    folder = home / "releases" / release
    folder.mkdir(parents=True)
    (folder / "environment").touch()
    moment = folder.stat().st_mtime - age
    os.utime(folder, (moment, moment))


def test_releases_are_told_by_age_and_only_as_a_whole(tmp_path: Path) -> None:
    install(tmp_path, "bbb", 10)
    install(tmp_path, "aaa", 5)
    install(tmp_path, "ccc", 20)
    (tmp_path / "releases" / "half").mkdir()
    assert state.releases_of(tmp_path, "environment") == ["ccc", "bbb", "aaa"]


def test_links_are_told_by_their_targets_name(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("releases/aaa")
    assert state.target_of(tmp_path / "current") == "aaa"
    assert state.target_of(tmp_path / "previous") == ""
