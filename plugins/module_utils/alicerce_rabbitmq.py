"""What the RabbitMQ modules share: the command line tool on a node, and the form of a password."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

SALT_BYTES = 4
ALGORITHM = "rabbit_password_hashing_sha256"


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Return the hash as RabbitMQ keeps it: base64(salt + SHA-256(salt + password))."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class Tool:
    """rabbitmqctl on one running node."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.program = module.get_bin_path("rabbitmqctl", required=True)

    def call(self, *arguments: str) -> str:
        """Run a command and return what it prints; the module fails when it does."""
        _, output, _ = self.module.run_command([self.program, "--quiet", *arguments], check_rc=True)
        return str(output)

    def load(self, definitions: dict[str, list[dict[str, Any]]]) -> None:
        """Import definitions by a file of RabbitMQ's account: standard input hangs under su, and no password stands in a process list."""
        account = pwd.getpwnam("rabbitmq")
        descriptor, name = tempfile.mkstemp(dir=account.pw_dir, suffix=".json")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                os.fchown(descriptor, account.pw_uid, account.pw_gid)
                json.dump(definitions, stream)
            self.call("import_definitions", name)
        finally:
            Path(name).unlink(missing_ok=True)
