"""Module: lay down a set of small files in one call."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: file_set
short_description: Lay down a set of small files in one call
description:
  - Writes files whose content is given, makes the directories that are given, and removes what does
    not belong into them. What takes one call of C(template) or C(copy) a file takes one for all of them.
  - Each file is replaced as a whole (written beside its place, then renamed), with its mode and owner.
options:
  directories:
    description: Directories to make before the files, parents first.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {type: path, required: true, description: Absolute path.}
      mode: {type: str, default: "0755", description: Octal mode.}
      owner: {type: str, default: root, description: Name of the owner.}
      group: {type: str, default: root, description: Name of the group.}
      exclusive:
        description: Remove regular files in it that O(files) does not name. Sub-directories stay.
        type: bool
        default: false
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {type: path, required: true, description: Absolute path.}
      content: {type: str, required: true, description: The whole content.}
      mode: {type: str, default: "0644", description: Octal mode.}
      owner: {type: str, default: root, description: Name of the owner.}
      group: {type: str, default: root, description: Name of the group.}
      validate:
        description: Command that checks the new file before it takes its place; C(%s) is its path.
        type: str
attributes:
  check_mode: {support: full, description: Tells what it would change.}
  diff_mode: {support: full, description: Shows contents; tasks with secrets set C(diff) to false.}
author: [Alicerce]
"""

RETURN = """
paths:
  description: What was written, changed in its attributes, or removed.
  returned: always
  type: list
  elements: str
"""

EXAMPLES = """
- name: Configure the service
  file_set:
    directories:
      - {path: /etc/alicerce/users}
    files:
      - path: /etc/alicerce/users/environment
        content: "{{ lookup('ansible.builtin.template', 'environment.j2') }}"
        mode: "0640"
"""


class Attributes:
    """Mode and owner that a path shall have."""

    def __init__(self, entry: dict[str, Any], new_accounts: bool) -> None:
        self.mode = int(entry["mode"], 8)
        try:
            self.uid = pwd.getpwnam(entry["owner"]).pw_uid
            self.gid = grp.getgrnam(entry["group"]).gr_gid
        except KeyError:
            if not new_accounts:
                raise
            self.uid = self.gid = -1  # check mode, and the account is still to be made

    def hold(self, path: Path) -> bool:
        """Whether the path has them."""
        state = path.lstat()
        return (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) == (self.mode, self.uid, self.gid)

    def set(self, path: Path) -> None:
        """Give them to the path; the owner first, since a change of owner clears set-id bits."""
        os.chown(path, self.uid, self.gid)
        path.chmod(self.mode)


def read(path: Path) -> str | None:
    """Return the content of a regular file, or nothing when there is none."""
    return path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else None


def write(path: Path, content: str, attributes: Attributes, validate: str | None) -> None:
    """Replace the file in one step: a reader sees the old or the new one. Raises ValueError when invalid."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchown(handle, attributes.uid, attributes.gid)
            os.fchmod(handle, attributes.mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        if validate:
            check(path, name, validate)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check(path: Path, name: str, command: str) -> None:
    """Let a program check the new file; raises ValueError with its words."""
    words = [part.replace("%s", name) for part in shlex.split(command)]
    done = subprocess.run(words, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise ValueError(f"{path} would be invalid: {done.stdout.strip()}")


class FileSet:
    """The set, and what was changed to reach it."""

    def __init__(self, params: dict[str, Any], dry: bool) -> None:
        self.params = params
        self.dry = dry
        self.changed: list[str] = []
        self.diff: list[dict[str, str]] = []

    def _change(self, path: Path, act: Callable[[], object]) -> None:
        if not self.dry:
            act()
        self.changed.append(str(path))

    def lay_down(self) -> None:
        """Make, write, then remove."""
        for entry in self.params["directories"]:
            self._directory(Path(entry["path"]), Attributes(entry, self.dry))
        for entry in self.params["files"]:
            self._file(Path(entry["path"]), entry, Attributes(entry, self.dry))
        named = {entry["path"] for entry in self.params["files"]}
        for entry in self.params["directories"]:
            if entry["exclusive"] and Path(entry["path"]).is_dir():
                for path in sorted(Path(entry["path"]).iterdir()):
                    if str(path) not in named and not path.is_dir():
                        self._change(path, path.unlink)

    def _directory(self, path: Path, wanted: Attributes) -> None:
        if path.is_dir() and wanted.hold(path):
            return

        def make() -> None:
            path.mkdir(exist_ok=True)
            wanted.set(path)

        self._change(path, make)

    def _file(self, path: Path, entry: dict[str, Any], wanted: Attributes) -> None:
        before, after = read(path), entry["content"]
        if before != after:
            self._change(path, lambda: write(path, after, wanted, entry["validate"]))
            header = {"before_header": str(path), "after_header": str(path)}
            self.diff.append({**header, "before": before or "", "after": after})
        elif not wanted.hold(path):
            self._change(path, lambda: wanted.set(path))


def main() -> None:
    """Run the module."""
    attributes = {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **attributes,
                    "mode": {"type": "str", "default": "0755"},
                    "exclusive": {"type": "bool", "default": False},
                },
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    **attributes,
                    "mode": {"type": "str", "default": "0644"},
                    "content": {"type": "str", "required": True},
                    "validate": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    files = FileSet(module.params, module.check_mode)
    try:
        files.lay_down()
    except KeyError as error:
        module.fail_json(msg=f"No such account or group on this host: {error}", paths=files.changed)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Cannot lay down the files: {error}", paths=files.changed)
    module.exit_json(changed=bool(files.changed), paths=files.changed, diff=files.diff)


if __name__ == "__main__":
    main()
