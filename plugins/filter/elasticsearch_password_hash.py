"""Filter plugin: a password as Elasticsearch's file realm keeps it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

DOCUMENTATION = """
name: elasticsearch_password_hash
short_description: A password as the file C(users) of Elasticsearch has it
description:
  - PBKDF2 with HMAC-SHA-512, 32 bytes of salt and of hash, as Elasticsearch's class C(Hasher) reads it. The salt is made from O(salt) and O(account), so that a re-run gives the same hash.
positional: account
options:
  _input: {description: The password., type: str, required: true}
  account: {description: Name of the account., type: str, required: true}
  salt: {description: "A secret that all accounts share, such that no other site has the same hash for the same password.", type: str, required: true}
"""

EXAMPLES = """
- name: Show a line of users
  ansible.builtin.debug:
    msg: "log_reader:{{ lookup('secret', 'elasticsearch_log_reader') | elasticsearch_password_hash('log_reader', salt=lookup('secret', 'elasticsearch_salt')) }}"
"""

RETURN = """
_value: {description: Scheme and cost with salt and hash in Base64., type: str}
"""

COST = 10000
"""Rounds. Passwords are 32 random characters, so that more of them would only make log-ins slower."""
BYTES = 32


def elasticsearch_password_hash(password: str, account: str, salt: str) -> str:
    """Return the hash; raises AnsibleFilterError without a password or salt."""
    if not password or not salt:
        raise AnsibleFilterError(f"The account {account!r} needs a password and a salt")
    own_salt = hashlib.sha256(f"{salt}:{account}".encode()).digest()
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), own_salt, COST, BYTES)
    return f"{{PBKDF2}}{COST}${base64.b64encode(own_salt).decode()}${base64.b64encode(digest).decode()}"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return them by name."""
        return {"elasticsearch_password_hash": elasticsearch_password_hash}
