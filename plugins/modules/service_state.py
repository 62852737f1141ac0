"""Module: what a host says of one of our own services."""

from __future__ import annotations

import datetime
import http.client
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: service_state
short_description: Tell the state of one service on this host
description:
  - Reads only. Tells which release is installed and which one runs, which units are not as they should be,
    and whether the service is ready by its own word.
  - A unit is stale when something that it reads at its start is newer than the process, or when systemd
    has not read its file yet. So a restart that an earlier run did not get to is never forgotten.
options:
  service: {type: str, required: true, description: Name of the service.}
  home: {type: path, required: true, description: "Directory with C(releases/), the links C(current) and C(previous), and, during a change, C(changing)."}
  release: {type: str, default: "", description: The release that should run; empty for any.}
  units: {type: list, elements: str, required: true, description: The units that it should have.}
  inputs:
    description: Files that its units read when they start.
    type: list
    elements: path
    default: []
  reads_on_reload:
    description: Whether a reload is enough for its units to read O(inputs) again.
    type: bool
    default: false
  marker:
    description: File in a release's folder that is there once the release is installed.
    type: str
    default: environment
  ready:
    description: Where to ask whether it is ready; without it only the units are looked at.
    type: dict
    suboptions:
      host: {type: str, required: true, description: Name that is in its certificate.}
      port: {type: int, required: true, description: Port.}
      path: {type: str, required: true, description: Path that answers 200 when it is ready.}
      ca_file: {type: path, required: true, description: Certificate authority to verify it with.}
      certificate_file: {type: path, required: true, description: Certificate to show.}
      key_file: {type: path, required: true, description: Its key.}
  settle_seconds:
    description: How long a process must have been running to count as healthy.
    type: float
    default: 0
attributes:
  check_mode: {support: full, description: It only reads.}
author: [Alicerce]
"""

RETURN = """
service: {description: Name of the service., type: str, returned: always}
current: {description: "The release that C(current) points at, or empty.", type: str, returned: always}
previous: {description: "The release before it, that C(previous) points at, or empty.", type: str, returned: always}
releases: {description: "What is installed, the newest last.", type: list, elements: str, returned: always}
interrupted: {description: Whether a change has begun and not ended., type: bool, returned: always}
installed: {description: Whether the wanted release is installed., type: bool, returned: always}
stale: {description: "Units to restart, with reasons.", type: dict, returned: always}
reload: {description: "Units to reload, with reasons.", type: dict, returned: always}
obsolete: {description: Units that it should not have., type: list, elements: str, returned: always}
pending: {description: Whether anything has to be done., type: bool, returned: always}
healthy: {description: Whether all units run and it is ready., type: bool, returned: always}
detail: {description: "One line: what is wrong, or what runs.", type: str, returned: always}
"""

EXAMPLES = """
- name: Ask the service
  service_state:
    service: users
    home: /opt/alicerce/users
    units: [alicerce-users-web.service]
"""

UNIT_DIRECTORY = Path("/etc/systemd/system")
PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,UnitFileState,NeedDaemonReload,"
    "ExecMainStartTimestamp,StateChangeTimestamp"
)


def units_of(names: list[str]) -> dict[str, dict[str, str]]:
    """Return the properties of units as systemd tells them, times in UTC with microseconds."""
    answer = subprocess.run(
        ["systemctl", "show", "--timestamp=us+utc", f"--property={PROPERTIES}", "--", *names],
        check=True,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    ).stdout
    units = (
        dict(line.split("=", 1) for line in block.splitlines()) for block in answer.strip().split("\n\n")
    )
    return {unit["Id"]: unit for unit in units}


def moment_of(unit: dict[str, str], event: str = "ExecMainStart") -> float:
    """Return when an event of the unit was, in seconds of the epoch; 0 when it never was."""
    try:
        text = unit[f"{event}Timestamp"].removesuffix("UTC") + "+0000"
        return datetime.datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f %z").timestamp()
    except ValueError:
        return 0.0


def reason_to_restart(unit: dict[str, str], inputs: list[Path]) -> str:
    """Return why the unit has to be started again, or nothing."""
    if unit["LoadState"] != "loaded" or unit["NeedDaemonReload"] == "yes":
        return "systemd has not read its unit file yet"
    if unit["UnitFileState"] != "enabled":
        return "not enabled"
    if unit["ActiveState"] != "active":
        return f"{unit['ActiveState']} ({unit['SubState']})"
    return older_than(inputs, moment_of(unit))


def older_than(inputs: list[Path], moment: float) -> str:
    """Tell what has changed since that moment, or nothing."""
    newer = [str(path) for path in inputs if path.lstat().st_mtime > moment]
    return f"older than {', '.join(newer)}" if newer else ""


def ask(ready: dict[str, Any]) -> str:
    """Ask the service whether it is ready; return what is wrong, or nothing."""
    try:
        context = ssl.create_default_context(cafile=ready["ca_file"])
        context.load_cert_chain(ready["certificate_file"], ready["key_file"])
        connection = http.client.HTTPSConnection(ready["host"], ready["port"], timeout=5, context=context)
        try:
            connection.request("GET", ready["path"])
            answer = connection.getresponse()
            body = answer.read(2000).decode(errors="replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"{ready['path']} does not answer: {error}"
    return (
        "" if answer.status == http.client.OK else f"{ready['path']} answers {answer.status}: {body.strip()}"
    )


def unhealthy(unit: dict[str, str], settle_seconds: float) -> str:
    """Return why the unit does not count as running, or nothing."""
    if unit["ActiveState"] != "active":
        return f"{unit['ActiveState']} ({unit['SubState']}, {unit['Result']})"
    age = time.time() - moment_of(unit)
    return f"started {age:.1f} s ago" if age < settle_seconds else ""


def target_of(link: Path) -> str:
    """Return the name of what a link points at, or nothing."""
    return link.readlink().name if link.is_symlink() else ""


def releases_of(home: Path, marker: str) -> list[str]:
    """Return the releases that are installed as a whole, the newest last."""
    markers = sorted(home.glob(f"releases/*/{marker}"), key=lambda path: path.parent.stat().st_mtime)
    return [path.parent.name for path in markers]


def main() -> None:
    """Run the module."""
    file = {"type": "path", "required": True}
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "home": {"type": "path", "required": True},
            "release": {"type": "str", "default": ""},
            "units": {"type": "list", "elements": "str", "required": True},
            "inputs": {"type": "list", "elements": "path", "default": []},
            "reads_on_reload": {"type": "bool", "default": False},
            "marker": {"type": "str", "default": "environment"},
            "ready": {
                "type": "dict",
                "options": {
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "path": {"type": "str", "required": True},
                    "ca_file": file,
                    "certificate_file": file,
                    "key_file": {**file, "no_log": False},
                },
            },
            "settle_seconds": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    home, names = Path(wanted["home"]), wanted["units"]
    link = home / "current"
    current, previous = (target_of(home / name) for name in ("current", "previous"))
    interrupted = (home / "changing").exists()
    inputs = [Path(path) for path in wanted["inputs"]]
    missing = [str(path) for path in inputs if not path.exists()]
    if missing and not module.check_mode:
        module.fail_json(msg=f"{wanted['service']} needs what is not there: {', '.join(missing)}")
    inputs = [path for path in [*inputs, link] if path.exists()]
    try:
        units = units_of(names)
    except subprocess.CalledProcessError as error:
        module.fail_json(msg=f"systemctl show: {error.stderr.strip()}")
    reload = {}
    if wanted["reads_on_reload"]:
        # A reload goes through the state "reloading" and back: that is the last change of state.
        moments = {name: moment_of(units[name], "StateChange") for name in names}
        reload = {name: reason for name in names if (reason := older_than(inputs, moments[name]))}
        inputs = []
    stale = {
        name: reason
        for name in names
        if (reason := reason_to_restart(units[name], [*inputs, *UNIT_DIRECTORY.glob(name)]))
    }
    obsolete = sorted(
        path.name
        for path in UNIT_DIRECTORY.glob(f"alicerce-{wanted['service']}-*.service")
        if path.name not in names
    )
    faults = [
        f"{name}: {fault}" for name in names if (fault := unhealthy(units[name], wanted["settle_seconds"]))
    ]
    if wanted["ready"] and not faults and (fault := ask(wanted["ready"])):
        faults.append(fault)
    reasons = [f"{name}: {reason}" for name, reason in (stale | reload).items()]
    reasons += [f"{name}: no longer in the catalogue" for name in obsolete]
    if interrupted:
        reasons.append("a change was interrupted")
    if wanted["release"] and current != wanted["release"]:
        reasons.append(f"release {current or 'none'}, and should be {wanted['release']}")
    module.exit_json(
        changed=False,
        # Shown with --diff where a task says that this means a change.
        diff={"prepared": "".join(f"{reason}\n" for reason in reasons)},
        service=wanted["service"],
        current=current,
        previous=previous,
        releases=releases_of(home, wanted["marker"]),
        interrupted=interrupted,
        installed=bool(wanted["release"])
        and (home / "releases" / wanted["release"] / wanted["marker"]).exists(),
        stale=stale,
        reload=reload,
        obsolete=obsolete,
        pending=bool(reasons),
        healthy=not faults,
        detail="; ".join(faults) or f"release {current}, {len(names)} units active",
    )


if __name__ == "__main__":
    main()
