"""Module: replace a directory of configuration as a whole, when the program that reads it accepts it."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: config_directory
short_description: Replace a directory of configuration as a whole
description:
  - Brings a flat directory to exactly the given files. They are written to a new directory beside it, checked
    there all together, and only then exchanged with the live one in one step. So a rejected configuration
    never replaces the live one, and no reader ever sees half of a change.
  - Files that are not given are removed. Supports check mode, in which the check runs too, and diff mode.
options:
  path: {description: Absolute path of the directory., type: path, required: true}
  files:
    description: Contents by file name.
    type: dict
    required: true
  validate:
    description:
      - Command that checks the new directory, run in it; C(%s) is its path. In check mode it is left out when
        the program is not there yet.
    type: list
    elements: str
    required: true
  owner: {description: Owner of the directory and its files., type: str, default: root}
  group: {description: Group of the directory and its files., type: str, default: root}
  mode:
    description: Mode of the files. Whoever may read them may enter the directory.
    type: str
    default: "0644"
"""

EXAMPLES = """
- name: Configure HAProxy
  config_directory:
    path: /etc/haproxy/conf.d
    files:
      10-edge.cfg: "{{ lookup('ansible.builtin.template', 'edge.cfg.j2') }}"
    validate: [haproxy, -c, -f, "%s"]
  notify: Reload HAProxy
"""

RETURN = """
files:
  description: Names of the files that were added, changed or removed.
  type: list
  elements: str
  returned: always
"""

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def read(directory: Path) -> dict[str, str]:
    """Return the texts of a directory's files by name; none when there is no directory."""
    files = directory.iterdir() if directory.is_dir() else []
    return {file.name: file.read_text(encoding="utf-8", errors="surrogateescape") for file in files}


def exchange(new: Path, live: Path) -> None:
    """Put `new` in the place of `live`, which need not exist, in one step."""
    if not live.exists():
        new.rename(live)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(live), RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(live))


def set_attributes(module: AnsibleModule, directory: Path, names: Iterable[str]) -> bool:
    """Set owner, group and modes; true when that changed something."""
    mode = int(module.params["mode"], 8)
    changed = False
    for target in [directory, *(directory / name for name in names)]:
        wanted = mode | (mode & 0o444) >> 2 if target is directory else mode
        changed = module.set_mode_if_different(str(target), wanted, changed)
        changed = module.set_owner_if_different(str(target), module.params["owner"], changed)
        changed = module.set_group_if_different(str(target), module.params["group"], changed)
    return changed


def check(module: AnsibleModule, directory: Path) -> None:
    """Fail unless the program accepts the configuration in the directory."""
    command = [word.replace("%s", str(directory)) for word in module.params["validate"]]
    if module.check_mode and not module.get_bin_path(command[0]):
        return
    code, out, err = module.run_command(command, cwd=str(directory))
    if code != 0:
        said = (err or out).strip()
        module.fail_json(
            msg=f"{module.params['path']} stays as it was: {command[0]} rejects the new one: {said}", rc=code
        )


def replace(module: AnsibleModule, live: Path, texts: dict[str, str]) -> None:
    """Write the files beside the live directory, check them and exchange the two."""
    live.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # On the same file system as the live one; what is under this name afterwards is the old one.
    new = Path(tempfile.mkdtemp(prefix=f".{live.name}.", dir=live.parent))
    try:
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8", errors="surrogateescape")
        if not module.check_mode:
            set_attributes(module, new, texts)
        check(module, new)
        if not module.check_mode:
            exchange(new, live)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "validate": {"type": "list", "elements": "str", "required": True},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str", "default": "0644"},
        },
        supports_check_mode=True,
    )
    live = Path(module.params["path"])
    after = {str(name): str(text) for name, text in module.params["files"].items()}
    if any(Path(name).name != name or name.startswith(".") for name in after):
        module.fail_json(msg=f"files must be plain names: {sorted(after)}")
    before = read(live)
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    changed = bool(differing) or not live.is_dir()
    if changed:
        replace(module, live, after)
    else:
        changed = set_attributes(module, live, after)
    diff = [
        {
            "before_header": str(live / name),
            "after_header": str(live / name),
            "before": before.get(name, ""),
            "after": after.get(name, ""),
        }
        for name in differing
    ]
    module.exit_json(changed=changed, files=differing, diff=diff)


if __name__ == "__main__":
    main()
