"""Module: accounts of an etcd cluster."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.alicerce_etcd import NOT_ENABLED, Etcd, EtcdError, key_range
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: etcd_accounts
short_description: Keep the accounts of an etcd cluster and switch authentication on
description:
  - Makes each account with a role of the same name that may read and write its key prefixes and nothing
    else, makes C(root), and switches authentication on. Talks to the JSON gateway of etcd 3, so that no
    secret stands in a process list.
  - Passwords are tried, and set only when they do not hold.
options:
  endpoints:
    description: Client URLs of the members; the first one that answers is asked.
    type: list
    elements: str
    required: true
  ca_file: {type: path, required: true, description: Certificate authority to verify the members with.}
  certificate_file: {type: path, required: true, description: Certificate to show.}
  key_file: {type: path, required: true, description: Its key.}
  root_password: {type: str, required: true, description: Password of C(root).}
  accounts:
    description: The accounts besides C(root). Others are left as they are.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {type: str, required: true, description: Name of the account and of its role.}
      password: {type: str, required: true, description: Its password.}
      key_prefixes: {type: list, elements: str, required: true, description: Prefixes that it may read and write.}
  timeout: {type: float, default: 10, description: Seconds that one call may take.}
attributes:
  check_mode: {support: full, description: Tells what it would change.}
author: [Alicerce]
"""

RETURN = """
changes: {description: What was changed., type: list, elements: str, returned: always}
"""

EXAMPLES = """
- name: Give Patroni its account
  etcd_accounts:
    endpoints: [https://node-a.example:2379]
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.crt
    key_file: /etc/ssl/host.key
    root_password: "{{ lookup('secret', 'etcd_root') }}"
    accounts:
      - name: patroni
        password: "{{ lookup('secret', 'etcd_patroni') }}"
        key_prefixes: [/patroni/]
"""


class Accounts:
    """What the accounts shall be, and what was changed to reach it."""

    def __init__(self, etcd: Etcd, dry: bool) -> None:
        self.etcd = etcd
        self.dry = dry
        self.changes: list[str] = []

    def change(self, what: str, method: str, **body: Any) -> None:
        """Call a method that changes something, unless this is a dry run."""
        self.changes.append(what)
        if not self.dry:
            self.etcd.call(method, **body)

    def settle(self, root_password: str, accounts: list[dict[str, Any]]) -> None:
        """Make the cluster's accounts what they shall be."""
        enabled = True
        try:
            self.etcd.token = self.etcd.authenticate("root", root_password) or ""
        except EtcdError as error:
            if error.code != NOT_ENABLED:
                raise
            enabled = False
        if enabled and not self.etcd.token:
            raise EtcdError(
                "the cluster refuses the password of root: restore the secret etcd_root of this cluster, "
                "or change it with `etcdctl user passwd root`"
            )
        users = set(self.etcd.call("auth/user/list").get("users", []))
        roles = set(self.etcd.call("auth/role/list").get("roles", []))
        for account in accounts:
            self.role(account["name"], account["key_prefixes"], exists=account["name"] in roles)
            self.user(account["name"], account["password"], exists=account["name"] in users, enabled=enabled)
        if not enabled:
            if "root" not in roles:
                self.change("add role root", "auth/role/add", name="root")
            self.user("root", root_password, exists="root" in users, enabled=False)
            self.change("switch authentication on", "auth/enable")

    def role(self, name: str, prefixes: list[str], exists: bool) -> None:
        """Make the role, with exactly these prefixes."""
        permissions = []
        if exists:
            permissions = self.etcd.call("auth/role/get", role=name).get("perm", [])
        else:
            self.change(f"add role {name}", "auth/role/add", name=name)
        wanted = {(*key_range(prefix), "READWRITE"): prefix for prefix in prefixes}
        # The gateway leaves out what has its default value.
        held = {(p.get("key", ""), p.get("range_end", ""), p.get("permType", "READ")) for p in permissions}
        for key, end, _ in held - set(wanted):
            self.change(f"revoke keys of role {name}", "auth/role/revoke", role=name, key=key, range_end=end)
        for key, end, kind in set(wanted) - held:
            permission = {"permType": kind, "key": key, "range_end": end}
            self.change(
                f"grant {wanted[key, end, kind]} to role {name}",
                "auth/role/grant",
                name=name,
                perm=permission,
            )

    def user(self, name: str, password: str, exists: bool, enabled: bool) -> None:
        """Make the user, with this password and the role of its name."""
        roles = []
        if not exists:
            self.change(f"add user {name}", "auth/user/add", name=name, password=password)
        else:
            roles = self.etcd.call("auth/user/get", name=name).get("roles", [])
            # Nobody can be authenticated as long as authentication is off.
            if not enabled or not self.etcd.authenticate(name, password):
                self.change(f"set the password of {name}", "auth/user/changepw", name=name, password=password)
        if name not in roles:
            self.change(f"grant role {name} to user {name}", "auth/user/grant", user=name, role=name)
        for role in set(roles) - {name}:
            self.change(f"revoke role {role} from user {name}", "auth/user/revoke", name=name, role=role)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "endpoints": {"type": "list", "elements": "str", "required": True},
            "ca_file": {"type": "path", "required": True},
            "certificate_file": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "root_password": {"type": "str", "required": True, "no_log": True},
            "accounts": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                    "key_prefixes": {"type": "list", "elements": "str", "required": True, "no_log": False},
                },
            },
            "timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        accounts = Accounts(Etcd.of(wanted), module.check_mode)
        accounts.settle(wanted["root_password"], wanted["accounts"])
    except (EtcdError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(accounts.changes), changes=accounts.changes)


if __name__ == "__main__":
    main()
