"""Filter plugin: the public half of a private key, as sshd's authorized_keys wants it."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

DOCUMENTATION = """
name: ssh_public_key
short_description: The public key of a private key, in OpenSSH's form
description:
  - Makes the line of C(authorized_keys), without a comment, from a private key in PEM. So the key is made once,
    by the lookup C(secret), and both ends of the connection derive from it what they need.
options:
  _input: {description: The private key in PEM., type: str, required: true}
"""

EXAMPLES = """
- name: Show the public key
  ansible.builtin.debug:
    msg: "{{ lookup('secret', 'backup_mongodb_ssh_key', kind='ec_private_key') | ssh_public_key }}"
"""

RETURN = """
_value: {description: Type and key in Base64., type: str}
"""


def ssh_public_key(private_key: str) -> str:
    """Return type and key in Base64; raises AnsibleFilterError when it is no private key in PEM."""
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
        public = key.public_key()
        encoded: bytes = public.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise AnsibleFilterError(f"It is no private key in PEM that OpenSSH knows: {error}") from error
    return encoded.decode()


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[[str], str]]:
        """Return them by name."""
        return {"ssh_public_key": ssh_public_key}
