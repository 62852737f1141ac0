"""What the MongoDB modules share: connections, and a replica set's state in its own words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure, PyMongoError
except ImportError:
    MongoClient = None  # type: ignore[assignment,misc]
    OperationFailure = PyMongoError = Exception  # type: ignore[assignment,misc]

T = TypeVar("T")

AUTHENTICATION_FAILED = 18
WORKING_STATES = ("PRIMARY", "SECONDARY", "ARBITER")

CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "replica_set": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str", "required": True},
    "admin_user": {"type": "str", "required": True},
    "admin_password": {"type": "str", "required": True, "no_log": True},
    "ca_file": {"type": "path", "required": True},
    "certificate_file": {"type": "path", "required": True},
}


class NotYetError(Exception):
    """Something that is waited for has not come yet; the message says what."""


class RefusedError(Exception):
    """The state of the set forbids to go on; the message says why."""


def require_pymongo(module: AnsibleModule) -> None:
    """Stop the module with a clear message when the host lacks pymongo."""
    if MongoClient is None:
        module.fail_json(msg=missing_required_lib("pymongo"))


def wait_for(what: Callable[[], T], timeout: float) -> T:
    """Call until it raises neither NotYetError nor a driver's error; after so many seconds raise that."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return what()
        except (NotYetError, PyMongoError) as error:
            refused = getattr(error, "code", None) == AUTHENTICATION_FAILED
            if refused or time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def connect(params: dict[str, Any], member: str | None = None, **options: Any) -> MongoClient[Any]:
    """Open a client to one member, or else to the whole set; every operation gives up after a few seconds."""
    if member:
        options["directConnection"] = True
    else:
        options["replicaSet"] = params["replica_set"]
    return MongoClient(
        [member] if member else params["members"],
        tls=True,
        tlsCAFile=params["ca_file"],
        tlsCertificateKeyFile=params["certificate_file"],
        appname="ansible",
        **{"serverSelectionTimeoutMS": 5000, "connectTimeoutMS": 3000, "socketTimeoutMS": 60000, **options},
    )


def credentials(user: str, password: str) -> dict[str, str]:
    """Give the options with which a client logs in."""
    return {"username": user, "password": password, "authSource": "admin", "authMechanism": "SCRAM-SHA-256"}


def describe(status: dict[str, Any], expected: list[str], max_lag: int | None = None) -> dict[str, Any]:
    """Sum up an answer of replSetGetStatus: states, lag in seconds behind the primary, what a whole set lacks."""
    members = {}
    primaries = [member for member in status["members"] if member["stateStr"] == "PRIMARY"]
    for member in status["members"]:
        lag = None
        if primaries and member.get("optimeDate"):
            lag = max(0, int((primaries[0]["optimeDate"] - member["optimeDate"]).total_seconds()))
        members[member["name"]] = {"state": member["stateStr"], "lag_seconds": lag}
    problems = [f"{name} is {m['state']}" for name, m in members.items() if m["state"] not in WORKING_STATES]
    problems += [f"{name} is not a member" for name in expected if name not in members]
    if max_lag is not None:
        problems += [
            f"{name} lags by {m['lag_seconds']} s"
            for name, m in members.items()
            if m["state"] == "SECONDARY" and m["lag_seconds"] is not None and m["lag_seconds"] > max_lag
        ]
    if len(primaries) != 1:
        problems.append(f"there are {len(primaries)} primaries" if primaries else "there is no primary")
    return {
        "members": members,
        "primary": primaries[0]["name"] if len(primaries) == 1 else None,
        "problems": problems,
        "unlisted_members": sorted(set(members) - set(expected)),
        "whole": not problems,
    }


def heir(state: dict[str, Any], config: dict[str, Any], members: list[str], to: str) -> str:
    """Choose who shall be the primary: whoever is named, or else the other one that lags least, the last of equals."""
    able = {m["host"] for m in config["members"] if m["priority"] > 0 and not m["arbiterOnly"]}
    others = [m for m in members if m in able and m != state["primary"]]
    if to:
        if to not in {state["primary"], *others}:
            raise RefusedError(f"{to} may not be the primary; these may: {', '.join(others) or 'none'}")
        return to
    if not others:
        raise RefusedError("no other member may be the primary")
    return min(reversed(others), key=lambda name: state["members"][name]["lag_seconds"] or 0)
