#!/usr/bin/python
from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.alicerce_mongodb import (
    AUTHENTICATION_FAILED,
    CONNECTION_OPTIONS,
    NotYetError,
    OperationFailure,
    PyMongoError,
    RefusedError,
    connect,
    credentials,
    describe,
    require_pymongo,
    wait_for,
)
from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from pymongo import MongoClient

DOCUMENTATION = """
module: mongodb_replica_set
short_description: Form a MongoDB replica set, and keep its members, settings, oplogs and accounts as declared
description:
  - Runs on one member. Asks all of them first. The set is initiated only when every member answers and none
    has a configuration, so that an emptied data directory never begins a second set; and not where O(marker)
    tells that there has been one.
  - Otherwise all is done on whichever member is the primary. Members that the set lacks are added, one at a
    time. Then members that it has beyond O(members) are removed, one at a time and only while all of O(members)
    work; never the primary, whose office is moved first. Their data stay where they are.
  - The first account is made through the localhost exception, which ends with it.
options:
  replica_set: {type: str, required: true, description: Name of the set.}
  members: {type: list, elements: str, required: true, description: All members as C(host:port).}
  member: {type: str, required: true, description: "The member on this host, one of O(members)."}
  settings: {type: dict, default: {}, description: "Settings of the set, such as C(electionTimeoutMillis)."}
  oplog_mb: {type: int, description: "Size of each member's oplog in MiB, at least 990. A member that does not work is left out."}
  feature_compatibility_version:
    description: Version that the data are kept readable for, such as C(7.0); empty leaves it as it is.
    type: str
    default: ""
  admin_user: {type: str, required: true, description: "Account with the role C(root) in C(admin)."}
  admin_password: {type: str, required: true, description: Its password.}
  databases: {type: dict, default: {}, description: The database of each account; it may use that one only.}
  roles: {type: dict, default: {}, description: "Further accounts, each with a list of MongoDB's own roles in C(admin)."}
  passwords: {type: dict, default: {}, description: The password of each account.}
  ca_file: {type: path, required: true, description: Authority of the members' certificates.}
  certificate_file: {type: path, required: true, description: Key and certificate of this client.}
  marker: {type: path, required: true, description: File made on this host as soon as there is a set.}
  timeout: {type: int, default: 120, description: "Seconds to wait for members, a primary, the whole set."}
requirements: [pymongo]
"""

EXAMPLES = """
- name: Form the replica set
  mongodb_replica_set:
    replica_set: example
    members: [a.example:27017, b.example:27017, c.example:27017]
    member: a.example:27017
    admin_user: admin
    admin_password: "{{ lookup('secret', 'mongodb_admin') }}"
    databases: {shop: shop}
    passwords: {shop: "{{ lookup('secret', 'mongodb_shop') }}"}
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.pem
    marker: /var/lib/example/mongodb-formed
  run_once: true
"""

RETURN = """
actions: {type: list, elements: str, returned: always, description: What was changed.}
"""

# Another change of the configuration is under way, or the last one is not yet known to a majority.
RECONFIGURE_LATER = (103, 109, 308)
ACCOUNT_EXISTS = 51003
DATA_STATES = ("PRIMARY", "SECONDARY")
MIB = 1 << 20
DEFAULT_CONCERN: dict[str, Any] = {
    "defaultReadConcern": {"level": "majority"},
    "defaultWriteConcern": {"w": "majority", "wtimeout": 0},
}


class ReplicaSet:
    def __init__(self, module: AnsibleModule) -> None:
        self.params = module.params
        self.check_mode = module.check_mode
        self.admin_login = credentials(module.params["admin_user"], module.params["admin_password"])
        self.actions: list[str] = []
        self.warnings: list[str] = []

    def reconcile(self) -> None:
        if not self.exists():
            self.actions.append("initiate the set")
            if self.check_mode:
                return
            self.initiate()
        with self.as_admin() as client:
            if self.actions and self.check_mode:
                return
            self.configure(client)
            self.set_feature_compatibility(client)
            self.set_default_concern(client)
            for name, database in self.params["databases"].items():
                self.set_account(client, name, [{"role": "readWrite", "db": database}])
            for name, roles in self.params["roles"].items():
                self.set_account(client, name, [{"role": role, "db": "admin"} for role in roles])
            if self.actions and not self.check_mode:
                wait_for(lambda: self.assert_whole(client), self.params["timeout"])
            self.resize_oplogs()
        marker = Path(self.params["marker"])
        if not self.check_mode and not marker.exists():
            marker.touch(mode=0o600)

    def exists(self) -> bool:
        """Tell whether there is a set already, for sure: raise an error when that cannot be told."""
        deadline = time.monotonic() + self.params["timeout"]
        while True:
            with ThreadPoolExecutor(len(self.params["members"])) as pool:
                answers = dict(
                    zip(self.params["members"], pool.map(self.hello, self.params["members"]), strict=True)
                )
            if any("setName" in answer for answer in answers.values()):
                return True
            silent = {name: answer["error"] for name, answer in answers.items() if "error" in answer}
            if not silent:
                break
            if time.monotonic() > deadline:
                raise RefusedError(
                    f"No member that answers belongs to a set, and these do not answer: {silent}. "
                    "They may hold the set's data: start them first."
                )
            time.sleep(0.5)
        if Path(self.params["marker"]).exists():
            raise RefusedError(
                f"There has been a set, since {self.params['marker']} exists, but no member has data. "
                "Bring the data back; or, to begin with an empty set, delete that file."
            )
        return False

    def hello(self, member: str) -> Any:
        try:
            with connect(self.params, member, serverSelectionTimeoutMS=3000) as client:
                return client.admin.command("hello")
        except PyMongoError as error:
            return {"error": str(error).partition(", Timeout:")[0]}

    def local(self) -> Any:
        """Connect to this host's member by loopback: only there the localhost exception holds."""
        port = self.params["member"].rpartition(":")[2]
        return connect(self.params, f"127.0.0.1:{port}")

    def initiate(self) -> None:
        # With one member at first: it is the primary at once, so that the first account can be made here.
        with self.local() as client:
            client.admin.command(
                "replSetInitiate",
                {
                    "_id": self.params["replica_set"],
                    "members": [{"_id": 0, "host": self.params["member"]}],
                    "settings": self.params["settings"],
                },
            )

    def as_admin(self) -> Any:
        """Log in on the primary, whichever member that is; make the account when there is none at all."""

        def log_in() -> Any:
            client = connect(self.params, **self.admin_login)
            try:
                client.admin.command("ping")
            except BaseException:
                client.close()
                raise
            return client

        try:
            return wait_for(log_in, self.params["timeout"])
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            refusal = error
        user = self.params["admin_user"]
        self.actions.append(f"make the account {user}")
        with self.local() as client:
            if not client.admin.command("hello")["isWritablePrimary"]:
                raise RefusedError(
                    f"The set refuses {user} with the password given. If there is no such account yet, "
                    "run this on the member that is the primary."
                ) from refusal
            if not self.check_mode:
                try:
                    client.admin.command(
                        "createUser",
                        user,
                        pwd=self.params["admin_password"],
                        roles=["root"],
                        mechanisms=["SCRAM-SHA-256"],
                    )
                except OperationFailure as error:
                    if error.code == ACCOUNT_EXISTS:  # made by another run, at the same moment
                        return connect(self.params, **self.admin_login)
                    raise RefusedError(
                        f"The set refuses {user} with the password given, and has accounts already."
                    ) from error
        return connect(self.params, **self.admin_login)

    def configure(self, client: MongoClient[Any]) -> None:
        """Bring settings and members of the set's configuration to what is declared."""
        current = client.admin.command("replSetGetConfig")["config"]
        present = [member["host"] for member in current["members"]]
        wrong = {k: v for k, v in self.params["settings"].items() if current["settings"].get(k) != v}
        if wrong:
            self.reconfigure(
                client, f"set {', '.join(sorted(wrong))}", lambda config: config["settings"].update(wrong)
            )
        for member in self.params["members"]:
            if member not in present:
                self.reconfigure(client, f"add {member}", partial(self.add, member=member))
        for member in sorted(set(present) - set(self.params["members"])):
            self.remove(client, member)

    def remove(self, client: MongoClient[Any], member: str) -> None:
        """Take a member from the set, which may neither lead it nor be missed by it."""
        if client.admin.command("hello")["me"] == member:
            raise RefusedError(
                f"{member} is no longer named as a member, but is the primary. Move its office first "
                "(playbooks/switchover.yml -e component=mongodb), then run this again."
            )
        action = f"remove {member}"

        def assert_dispensable() -> None:
            states = describe(client.admin.command("replSetGetStatus"), [])["members"]
            missed = [m for m in self.params["members"] if states.get(m, {}).get("state") not in DATA_STATES]
            if missed:
                raise NotYetError(f"cannot {action} before these work: {', '.join(missed)}")

        if not self.check_mode:
            wait_for(assert_dispensable, self.params["timeout"])
        self.reconfigure(
            client,
            action,
            lambda config: config.update(members=[m for m in config["members"] if m["host"] != member]),
        )

    @staticmethod
    def add(config: dict[str, Any], member: str) -> None:
        # A new member gets its vote from the server itself as soon as it has the data.
        used = max(m["_id"] for m in config["members"])
        config["members"].append({"_id": used + 1, "host": member})

    def reconfigure(
        self, client: MongoClient[Any], action: str, change: Callable[[dict[str, Any]], None]
    ) -> None:
        self.actions.append(action)
        if self.check_mode:
            return

        def attempt() -> None:
            config = client.admin.command("replSetGetConfig")["config"]
            change(config)
            config["version"] += 1
            try:
                client.admin.command("replSetReconfig", config)
            except OperationFailure as error:
                if error.code in RECONFIGURE_LATER:
                    raise NotYetError(str(error)) from error
                raise RefusedError(f"{action}: {error}") from error

        wait_for(attempt, self.params["timeout"])

    def resize_oplogs(self) -> None:
        wanted = self.params["oplog_mb"]
        for name in self.params["members"] if wanted else []:
            hello = self.hello(name)
            if not (hello.get("isWritablePrimary") or hello.get("secondary")):
                self.warnings.append(
                    f"The oplog of {name} was not looked at, since that member does not work."
                )
                continue
            with connect(self.params, name, **self.admin_login) as member:
                present = member.local.command("collStats", "oplog.rs")["maxSize"] / MIB
                if present != wanted:
                    self.actions.append(f"resize the oplog of {name} from {present:g} to {wanted} MiB")
                    if not self.check_mode:
                        member.admin.command("replSetResizeOplog", 1, size=float(wanted))

    def set_feature_compatibility(self, client: MongoClient[Any]) -> None:
        wanted = self.params["feature_compatibility_version"]
        answer = client.admin.command("getParameter", 1, featureCompatibilityVersion=1)
        if wanted in {"", answer["featureCompatibilityVersion"]["version"]}:
            return
        if len({self.hello(member).get("maxWireVersion") for member in self.params["members"]}) > 1:
            raise RefusedError(
                f"The feature compatibility version cannot become {wanted} while members of different versions "
                "run, or one is silent. Restart those that wait for it first (playbooks/restart_marked.yml)."
            )
        self.actions.append(f"set the feature compatibility version to {wanted}")
        if not self.check_mode:
            # Since 7.0 the server wants to hear that there may be no way back.
            confirm: dict[str, Any] = (
                {"confirm": True} if client.server_info()["versionArray"][0] >= 7 else {}
            )
            client.admin.command("setFeatureCompatibilityVersion", wanted, **confirm)

    def set_default_concern(self, client: MongoClient[Any]) -> None:
        current = client.admin.command("getDefaultRWConcern")
        if any(current.get(key) != value for key, value in DEFAULT_CONCERN.items()):
            self.actions.append("set the default read and write concern")
            if not self.check_mode:
                client.admin.command("setDefaultRWConcern", 1, **DEFAULT_CONCERN)

    def set_account(self, client: MongoClient[Any], name: str, roles: list[dict[str, str]]) -> None:
        password = self.params["passwords"][name]
        wanted: dict[str, Any] = {
            "pwd": password,
            "roles": roles,
            "mechanisms": ["SCRAM-SHA-256"],
        }
        users = client.admin.command("usersInfo", {"user": name, "db": "admin"})["users"]
        if not users:
            self.actions.append(f"make the account {name}")
            command = "createUser"
        elif users[0]["roles"] != wanted["roles"] or not self.password_holds(name, password):
            self.actions.append(f"change the account {name}")
            command = "updateUser"
        else:
            return
        if not self.check_mode:
            client.admin.command(command, name, **wanted)

    def password_holds(self, name: str, password: str) -> bool:
        try:
            with connect(self.params, **credentials(name, password)) as client:
                client.admin.command("ping")
        except OperationFailure as error:
            if error.code == AUTHENTICATION_FAILED:
                return False
            raise
        return True

    def assert_whole(self, client: MongoClient[Any]) -> None:
        state = describe(client.admin.command("replSetGetStatus"), self.params["members"])
        if not state["whole"]:
            raise NotYetError("; ".join(state["problems"]))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "member": {"type": "str", "required": True},
            "settings": {"type": "dict", "default": {}},
            "oplog_mb": {"type": "int"},
            "feature_compatibility_version": {"type": "str", "default": ""},
            "databases": {"type": "dict", "default": {}},
            "roles": {"type": "dict", "default": {}},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "marker": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    require_pymongo(module)
    replica_set = ReplicaSet(module)
    try:
        replica_set.reconcile()
    except (NotYetError, RefusedError, PyMongoError) as error:
        module.fail_json(msg=str(error), actions=replica_set.actions)
    for warning in replica_set.warnings:
        module.warn(warning)
    module.exit_json(changed=bool(replica_set.actions), actions=replica_set.actions)


if __name__ == "__main__":
    main()
