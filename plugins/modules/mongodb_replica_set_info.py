#!/usr/bin/python
from __future__ import annotations

from typing import Any

from ansible.module_utils.alicerce_mongodb import (
    AUTHENTICATION_FAILED,
    CONNECTION_OPTIONS,
    NotYetError,
    OperationFailure,
    PyMongoError,
    connect,
    credentials,
    describe,
    require_pymongo,
    wait_for,
)
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: mongodb_replica_set_info
short_description: Ask a member how its replica set is
description:
  - Returns the states of all members as O(member) sees them (C(replSetGetStatus)). Changes nothing.
  - With O(wait), waits until the set is whole, and fails when it is not by then.
  - A set is whole when every expected member works, one is primary, and no other lags by more than O(max_lag_seconds).
options:
  replica_set: {type: str, required: true, description: Name of the set.}
  members: {type: list, elements: str, required: true, description: Members as C(host:port).}
  member: {type: str, required: true, description: The one to ask.}
  admin_user: {type: str, required: true, description: "An account of C(admin) that may ask."}
  admin_password: {type: str, required: true, description: Its password.}
  ca_file: {type: path, required: true, description: Authority of the members' certificates.}
  certificate_file: {type: path, required: true, description: Key and certificate of this client.}
  wait: {type: int, default: 0, description: Seconds to wait for the whole set; 0 answers at once.}
  max_lag_seconds: {type: int, description: Lag behind the primary that a member of a whole set may have.}
  remedy: {type: str, default: "", description: "What to do about a set that is not whole, for the error."}
requirements: [pymongo]
"""

EXAMPLES = """
- name: Wait until the set is whole
  mongodb_replica_set_info:
    replica_set: example
    members: [a.example:27017, b.example:27017, c.example:27017]
    member: a.example:27017
    admin_user: admin
    admin_password: "{{ lookup('secret', 'mongodb_admin') }}"
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.pem
    wait: 60
"""

RETURN = """
whole: {type: bool, returned: always, description: Whether the set is whole.}
problems: {type: list, elements: str, returned: always, description: What is missing to it.}
primary: {type: str, returned: always, description: The primary or none.}
members: {type: dict, returned: always, description: State and lag in seconds of each member.}
unlisted_members: {type: list, elements: str, returned: always, description: Members not in O(members).}
feature_compatibility_version: {type: str, returned: always, description: "Version that the data are kept readable for, or empty."}
"""


def ask(params: dict[str, Any]) -> dict[str, Any]:
    login = credentials(params["admin_user"], params["admin_password"])
    # Asked before the log-in, since the copy may end between the two.
    had_data = has_data(params)
    try:
        with connect(params, params["member"], **login) as client:
            state = describe(
                client.admin.command("replSetGetStatus"), params["members"], params["max_lag_seconds"]
            )
            version = client.admin.command("getParameter", 1, featureCompatibilityVersion=1)
            return {
                **state,
                "feature_compatibility_version": version["featureCompatibilityVersion"]["version"],
            }
    except OperationFailure as error:
        # A member without data gets the accounts, too, from the others.
        if error.code == AUTHENTICATION_FAILED and not had_data:
            raise NotYetError(f"{params['member']} still copies its data from the others") from error
        raise


def has_data(params: dict[str, Any]) -> bool:
    """Tell whether the member is a primary or a secondary; it says so without an account."""
    with connect(params, params["member"]) as client:
        hello = client.admin.command("hello")
    return bool(hello["isWritablePrimary"] or hello["secondary"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_OPTIONS,
            "member": {"type": "str", "required": True},
            "wait": {"type": "int", "default": 0},
            "max_lag_seconds": {"type": "int"},
            "remedy": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    require_pymongo(module)
    params = module.params

    def whole() -> dict[str, Any]:
        answer = ask(params)
        if not answer["whole"]:
            raise NotYetError("; ".join(answer["problems"]))
        return answer

    try:
        answer = wait_for(whole, params["wait"]) if params["wait"] else ask(params)
    except (NotYetError, PyMongoError) as error:
        if params["wait"]:
            module.fail_json(
                msg=f"The replica set is not whole after {params['wait']} s: {error}. {params['remedy']}".strip()
            )
        answer = {
            "members": {},
            "primary": None,
            "problems": [f"{params['member']} does not answer: {str(error).partition(', Timeout:')[0]}"],
            "unlisted_members": [],
            "feature_compatibility_version": "",
            "whole": False,
        }
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
