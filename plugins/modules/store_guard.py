"""Module: refuse to go on where a store's data on this host is not what the variables ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: store_guard
short_description: Refuse to go on where a store's data on this host is not what the variables ask for
description:
  - A store that finds no data under the name or version that it is told begins anew, beside the data it had.
    So this fails before anything is changed when the host has data, and none of it is what is asked for.
  - Reads only. Costs one task for both questions, whether there is data and whose it is.
options:
  store: {type: str, required: true, description: "Name of the store, for the error."}
  asked:
    description: What the variables ask for, as O(paths) or O(pattern) find it.
    type: str
    required: true
  paths:
    description: Glob of what only a host with data has; what its wildcards stand for, joined by C(/), is compared.
    type: path
  file: {type: path, description: A file to read instead. None is like one without a match.}
  pattern: {type: str, description: Regular expression for O(file) with one group that is compared.}
  package: {type: str, description: "Debian package, whose version is compared with O(version)."}
  version: {type: str, description: "Version that will be installed, with a C(*) at its end or without."}
  remedy: {type: str, required: true, description: "What to do about it, for the error."}
attributes:
  check_mode: {support: full, description: It only reads.}
author: [Alicerce]
"""

RETURN = """
found: {description: What was found., type: list, elements: str, returned: always}
data: {description: Whether there is what is asked for., type: bool, returned: always}
installed: {description: "Version of O(package), or empty.", type: str, returned: always}
"""

EXAMPLES = """
- name: Look for data
  store_guard:
    store: Example
    asked: main
    paths: /var/lib/example/*/data
    remedy: Set example_name back.
"""

DPKG_STATUS = Path("/var/lib/dpkg/status")


def in_paths(pattern: str) -> list[str]:
    """Return what the wildcards of a glob stand for in each path that matches, joined by slashes."""
    expression = "([^/]*)".join(re.escape(part) for part in pattern.split("*"))
    there = sorted(str(path) for path in Path("/").glob(pattern.lstrip("/")))
    matches = (re.fullmatch(expression, path) for path in there)
    return ["/".join(match.groups()) for match in matches if match]


def in_file(path: Path, pattern: str) -> list[str]:
    """Return what the pattern's group finds in a file."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return sorted({match.group(1) for match in re.finditer(pattern, text, re.MULTILINE)})


def installed_version(package: str, status: Path = DPKG_STATUS) -> str:
    """Return a package's upstream version from dpkg's records, or nothing."""
    for record in status.read_text().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", record, re.MULTILINE))
        if fields.get("Package") == package and fields.get("Status", "").endswith(" installed"):
            return str(fields["Version"]).rpartition(":")[2]
    return ""


def refusal_of_hop(installed: str, wanted: str) -> str:
    """Tell why the data of one version may not go to another: only the same major one, or the next, may have it."""
    before, after = ([int(n) for n in re.findall(r"\d+", text)[:2]] for text in (installed, wanted))
    if not before or not after:
        return ""
    if after[: len(before)] < before[: len(after)]:
        return f"{installed} is installed and {wanted} is older, which may not be able to read its data"
    if after[0] > before[0] + 1:
        return f"{installed} is installed, and {wanted} is more than one major version further"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "str", "required": True},
            "asked": {"type": "str", "required": True},
            "paths": {"type": "path"},
            "file": {"type": "path"},
            "pattern": {"type": "str"},
            "package": {"type": "str"},
            "version": {"type": "str"},
            "remedy": {"type": "str", "required": True},
        },
        required_one_of=[("paths", "file")],
        required_together=[("file", "pattern"), ("package", "version")],
        mutually_exclusive=[("paths", "file")],
        supports_check_mode=True,
    )
    wanted: dict[str, Any] = module.params
    found = in_paths(wanted["paths"]) if wanted["paths"] else in_file(Path(wanted["file"]), wanted["pattern"])
    # A store may leave what it could not use beside its place, under its own name with something behind a dot.
    others = [name for name in found if not name.startswith(wanted["asked"] + ".")]
    if others and wanted["asked"] not in found:
        module.fail_json(
            msg=f"{wanted['store']} on this host has data of {', '.join(others)}, but {wanted['asked']} is asked for. "
            f"Nothing was changed. {wanted['remedy']}",
            found=found,
        )
    installed = installed_version(wanted["package"]) if wanted["package"] else ""
    if refused := refusal_of_hop(installed, wanted["version"] or ""):
        module.fail_json(
            msg=f"{wanted['store']} on this host: {refused}. Nothing was changed. {wanted['remedy']}",
            installed=installed,
        )
    module.exit_json(changed=False, found=found, data=wanted["asked"] in found, installed=installed)


if __name__ == "__main__":
    main()
