"""The filter `ssh_public_key`: what ssh-keygen itself derives from the key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.load import load_plugin

module = load_plugin("filter/ssh_public_key.py")


def test_it_is_the_key_that_ssh_keygen_derives(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "key"
    file.write_bytes(pem)
    file.chmod(0o600)
    said = subprocess.run(["ssh-keygen", "-y", "-f", str(file)], check=True, capture_output=True, text=True)
    assert module.ssh_public_key(pem.decode()) == said.stdout.strip()


def test_something_else_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="no private key"):
        module.ssh_public_key("nothing")
