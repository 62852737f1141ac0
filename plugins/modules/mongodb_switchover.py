#!/usr/bin/python
from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible.module_utils.alicerce_mongodb import (
    CONNECTION_OPTIONS,
    NotYetError,
    PyMongoError,
    RefusedError,
    connect,
    credentials,
    describe,
    heir,
    require_pymongo,
    wait_for,
)
from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from pymongo import MongoClient

DOCUMENTATION = """
module: mongodb_switchover
short_description: Move the primary's office of a MongoDB replica set to another member
description:
  - Changes nothing where O(to) is the primary, and refuses where it may never be or the set is not whole.
  - Waits until O(to) has nearly all that the primary has, keeps the other secondaries from standing (C(replSetFreeze)),
    lets the primary step down, which waits for a secondary that has everything, and has O(to) stand at once. At the
    end, whatever it is, all may stand again.
options:
  replica_set: {type: str, required: true, description: Name of the set.}
  members: {type: list, elements: str, required: true, description: All members as C(host:port).}
  to:
    description: One of O(members); or nothing, for any other one, the nearest to the primary, the last of those equally near.
    type: str
    default: ""
  admin_user: {type: str, required: true, description: "An account of C(admin) that may ask and move."}
  admin_password: {type: str, required: true, description: Its password.}
  ca_file: {type: path, required: true, description: Authority of the members' certificates.}
  certificate_file: {type: path, required: true, description: Key and certificate of this client.}
  timeout: {type: int, default: 60, description: Seconds to wait for the whole set and for the one that shall lead to catch up.}
requirements: [pymongo]
"""

EXAMPLES = """
- name: Move the office
  mongodb_switchover:
    replica_set: example
    members: [a.example:27017, b.example:27017, c.example:27017]
    to: b.example:27017
    admin_user: admin
    admin_password: "{{ lookup('secret', 'mongodb_admin') }}"
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.pem
  run_once: true
"""

RETURN = """
primary: {type: str, returned: success, description: The primary before.}
to: {type: str, returned: success, description: The one that has the office now, or would have it.}
"""

ATTEMPTS = 3
# Seconds for which nobody else may stand; and which a primary, that takes no writes meanwhile, waits for a secondary.
FROZEN = 30
CATCH_UP = 5
# Seconds of lag with which the primary is asked to step down: what it takes to catch up, clients wait.
NEAR = 1


class Switchover:
    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.login = credentials(params["admin_user"], params["admin_password"])

    def on(self, member: str) -> MongoClient[Any]:
        client: MongoClient[Any] = connect(self.params, member, **self.login)
        return client

    def plan(self, to: str) -> tuple[str, str, list[str]]:
        """Tell who leads, who shall, and who else works."""
        with connect(self.params, **self.login) as client:
            state = describe(client.admin.command("replSetGetStatus"), self.params["members"])
            config = client.admin.command("replSetGetConfig")["config"]
        if not state["whole"]:
            raise NotYetError(f"the set is not whole: {'; '.join(state['problems'])}")
        primary = state["primary"]
        to = heir(state, config, self.params["members"], to)
        lag = state["members"][to]["lag_seconds"]
        if lag is None or lag > NEAR:
            raise NotYetError(f"{to} lags by {lag} s")
        others = [name for name, m in state["members"].items() if m["state"] == "SECONDARY" and name != to]
        return primary, to, others

    def move(self, primary: str, to: str, others: list[str]) -> None:
        try:
            for member in others:
                self.freeze(member, FROZEN)
            with self.on(primary) as old, self.on(to) as new:
                new.admin.command("ping")
                old.admin.command("replSetStepDown", FROZEN, secondaryCatchUpPeriodSecs=CATCH_UP)
                wait_for(partial(self.stand, new, to), CATCH_UP)
        finally:
            for member in [*others, primary]:
                # A primary that stayed has nothing to be freed from; and all is over after some seconds anyway.
                with contextlib.suppress(PyMongoError):
                    self.freeze(member, 0)

    def freeze(self, member: str, seconds: int) -> None:
        with self.on(member) as client:
            client.admin.command("replSetFreeze", seconds)

    @staticmethod
    def stand(client: MongoClient[Any], member: str) -> None:
        """Have a member stand for the office, unless it has it."""
        if not client.admin.command("hello")["isWritablePrimary"]:
            client.admin.command("replSetStepUp", 1)
            raise NotYetError(f"{member} does not take writes yet")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "to": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    require_pymongo(module)
    switchover = Switchover(module.params)
    timeout = module.params["timeout"]
    before = to = ""
    reasons: list[str] = []
    try:
        for _ in range(ATTEMPTS + 1):
            primary, to, others = wait_for(partial(switchover.plan, to or module.params["to"]), timeout)
            before = before or primary
            if primary == to or module.check_mode:
                module.exit_json(changed=before != to, primary=before, to=to)
            if len(reasons) == ATTEMPTS:
                break
            try:
                switchover.move(primary, to, others)
            except (NotYetError, PyMongoError) as error:
                reasons.append(str(error))
            else:
                reasons.append("it lost the office again")
    except (NotYetError, RefusedError, PyMongoError) as error:
        module.fail_json(msg=f"The primary's office did not move: {error}")
    module.fail_json(
        msg=f"{to} did not become the primary in {ATTEMPTS} attempts, {primary} is it: {'; '.join(reasons)}"
    )


if __name__ == "__main__":
    main()
