"""Module: the lock that whoever works on the platform holds."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

from ansible.module_utils.alicerce_etcd import Etcd, EtcdError
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: operation_lock
short_description: Take, renew and free the lock of those who work on the platform
description:
  - The lock is a key in etcd, so that all control nodes share it. It is made by a transaction, only where there is none, and ends with its lease.
  - It belongs to one process of a control node. The same process takes it as often as it likes, which renews it; who frees it with another O(work) than it was taken with
    renews it, too, so that work may be part of other work.
  - The action plugin of the same name says who asks (O(holder)), and takes over what a process of its own control node has left that is gone.
  - In check mode it only reads.
options:
  endpoints: {type: list, elements: str, required: true, description: Client URLs of the members; the first one that answers is asked.}
  ca_file: {type: path, required: true, description: Certificate authority to verify the members with.}
  certificate_file: {type: path, required: true, description: Certificate to show.}
  key_file: {type: path, required: true, description: Its key.}
  account: {type: str, required: true, description: Account that may read and write O(key).}
  password: {type: str, required: true, description: Its password.}
  key: {type: str, required: true, description: The key.}
  state:
    type: str
    choices: [taken, freed, read]
    default: taken
    description: C(taken) takes or renews it, C(freed) gives it back, C(read) tells who has it.
  work: {type: str, default: "", description: What is done.}
  minutes: {type: int, default: 15, description: After how long without being renewed it ends by itself.}
  holder: {type: dict, default: {}, description: Who asks; the action plugin fills it in.}
  instead_of: {type: str, default: "", description: Revision of the lock that is known to be left over; the action plugin fills it in.}
  break_lock: {type: bool, default: false, description: Take it, whoever has it.}
  timeout: {type: float, default: 10, description: Seconds that one call may take.}
attributes:
  check_mode: {support: full, description: Reads only.}
author: [Alicerce]
"""

RETURN = """
reached: {type: bool, returned: always, description: Whether etcd has answered.}
mine: {type: bool, returned: reached, description: Whether the lock is this process's now.}
holder: {type: dict, returned: reached, description: Who has it, or had it when somebody else's stood in the way; empty when nobody has it.}
revision: {type: str, returned: reached, description: Revision of what was found.}
"""

EXAMPLES = """
- name: Take the lock
  operation_lock:
    endpoints: [https://node-a.example:2379]
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.crt
    key_file: /etc/ssl/host.key
    account: operations
    password: "{{ lookup('secret', 'etcd_operations') }}"
    key: /operations/lock
    work: Restart of etcd
"""

PROCESS = ("machine", "boot", "pid", "started")
"""What tells one process from all others."""
ATTEMPTS = 5
"""How often the lock may change under our hands."""

Found = dict[str, Any]


def coded(text: str) -> str:
    """Return a text as the gateway wants keys and values."""
    return base64.b64encode(text.encode()).decode()


class Lock:
    """The lock, as one process sees it."""

    def __init__(self, etcd: Etcd, key: str, holder: Found, work: str, minutes: int) -> None:
        self.etcd = etcd
        self.key = coded(key)
        self.holder = holder
        self.work = work
        self.seconds = minutes * 60

    def read(self) -> Found:
        """Return {mine, holder, revision, lease}; the holder is empty when nobody has it."""
        entries = self.etcd.call("kv/range", key=self.key).get("kvs", [])
        if not entries:
            return {"mine": False, "holder": {}, "revision": "0", "lease": "0"}
        holder = json.loads(base64.b64decode(entries[0]["value"]))
        return {
            "mine": all(holder.get(name) == self.holder.get(name) for name in PROCESS),
            "holder": holder,
            "revision": entries[0]["mod_revision"],
            "lease": entries[0].get("lease", "0"),
        }

    def renew(self, found: Found) -> bool:
        """Make the lease last from now on; False when it has ended meanwhile."""
        answer = self.etcd.call("lease/keepalive", ID=found["lease"])
        return int(answer.get("result", {}).get("TTL", 0)) > 0

    def swap(self, found: Found, request: dict[str, Any]) -> bool:
        """Do something with the key, provided that it is still as it was found."""
        unchanged = {"key": self.key, "target": "MOD", "result": "EQUAL", "mod_revision": found["revision"]}
        answer = self.etcd.call("kv/txn", compare=[unchanged], success=[request])
        return bool(answer.get("succeeded"))

    def put(self, found: Found) -> bool:
        """Write ourselves into the key, with a lease of our own."""
        lease = self.etcd.call("lease/grant", TTL=self.seconds)["ID"]
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        value = json.dumps(self.holder | {"work": self.work, "since": now})
        done = self.swap(found, {"request_put": {"key": self.key, "value": coded(value), "lease": lease}})
        if not done:
            self.etcd.call("lease/revoke", ID=lease)
        return done

    def take(self, instead_of: str = "", *, break_lock: bool = False) -> Found:
        """Take or renew it, where nobody else has it."""
        for _ in range(ATTEMPTS):
            found = self.read()
            if found["mine"]:
                if self.renew(found):
                    return found
            elif found["holder"] and found["revision"] != instead_of and not break_lock:
                return found
            elif self.put(found):
                return self.read()
        raise EtcdError("the lock changes hands all the time")

    def free(self) -> Found:
        """Give it back, where it was taken for this work."""
        for _ in range(ATTEMPTS):
            found = self.read()
            if not found["mine"]:
                return found
            if found["holder"].get("work") != self.work:
                if self.renew(found):
                    return found
            elif self.swap(found, {"request_delete_range": {"key": self.key}}):
                self.etcd.call("lease/revoke", ID=found["lease"])
                return self.read()
        raise EtcdError("the lock changes hands all the time")


def log_in(etcd: Etcd, account: str, password: str) -> None:
    """Use an account from now on."""
    token = etcd.authenticate(account, password)
    if token is None:
        raise EtcdError(f"etcd refuses the account {account}, which site.yml --tags etcd would make")
    etcd.token = token


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "endpoints": {"type": "list", "elements": "str", "required": True},
            "ca_file": {"type": "path", "required": True},
            "certificate_file": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "account": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "key": {"type": "str", "required": True, "no_log": False},
            "state": {"type": "str", "choices": ["taken", "freed", "read"], "default": "taken"},
            "work": {"type": "str", "default": ""},
            "minutes": {"type": "int", "default": 15},
            "holder": {"type": "dict", "default": {}},
            "instead_of": {"type": "str", "default": ""},
            "break_lock": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        etcd = Etcd.of(wanted)
        log_in(etcd, wanted["account"], wanted["password"])
        lock = Lock(etcd, wanted["key"], wanted["holder"], wanted["work"], wanted["minutes"])
        if wanted["state"] == "read" or module.check_mode:
            found = lock.read()
        elif wanted["state"] == "taken":
            found = lock.take(wanted["instead_of"], break_lock=wanted["break_lock"])
        else:
            found = lock.free()
    except (EtcdError, OSError) as error:
        module.exit_json(changed=False, reached=False, why=str(error))
    module.exit_json(changed=False, reached=True, **found)


if __name__ == "__main__":
    main()
