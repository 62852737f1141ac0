"""Lookup plugin: secrets that are made at first use and kept encrypted on the control node."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import secrets
import string
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, get_file_vault_secret
from ansible.plugins.lookup import LookupBase
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

DOCUMENTATION = """
name: secret
short_description: A secret of the platform, made at first use
description:
  - Returns the secret of that name. When there is none yet, it is made and stored first, so that whoever
    looks up the same name gets the same value.
  - The provider C(file) keeps all of them in C(secrets.yml) under O(store_dir), encrypted with Ansible Vault.
    The key is O(key_file), made at first use beside it; a real site keeps it elsewhere, or names a program
    that prints it. C(scripts/secret) and C(ansible-vault view --vault-password-file) read it.
  - In check mode a missing secret is made, but not stored.
options:
  _terms:
    description: Names of secrets; lower-case letters, digits, C(_), C(-) and C(.).
    required: true
  kind:
    description: What to make when there is no such secret yet.
    type: str
    choices:
      password: Letters and digits, safe in URLs, shells and configuration files.
      hex: Random bytes as hexadecimal digits.
      base64: Random bytes in Base64.
      ec_private_key: A private key on the curve P-256, PKCS#8 in PEM.
    default: password
  length:
    description: Characters of a password; bytes, before they are encoded, of V(hex) and V(base64).
    type: int
    default: 32
  create:
    description: Whether to make a missing secret. Otherwise the lookup fails.
    type: bool
    default: true
  provider:
    description: Where secrets are kept.
    type: str
    choices: [file]
    default: file
    vars: [{name: secret_provider}]
  store_dir:
    description: Directory of the store on the control node.
    type: str
    required: true
    vars: [{name: secret_store_dir}]
  key_file:
    description:
      - Key of the store, or an executable that prints it. C(vault-password) under O(store_dir) by default.
    type: str
    vars: [{name: secret_store_key_file}]
"""

EXAMPLES = """
- name: Set the password of an account
  community.postgresql.postgresql_user:
    name: users
    password: "{{ lookup('secret', 'postgresql_users') }}"

- name: Read a secret that must exist already
  ansible.builtin.debug:
    msg: "{{ lookup('secret', 'jwt_private_key', create=false) }}"
"""

RETURN = """
_raw:
  description: The secrets, one a name.
  type: list
  elements: str
"""

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def check_name(name: str) -> None:
    """Raise AnsibleLookupError when no secret may be called so."""
    if not NAME.fullmatch(name):
        raise AnsibleLookupError(f"{name!r} is no name of a secret: it must match {NAME.pattern}")


def _make_password(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _make_base64(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode()


def _make_ec_private_key(_length: int) -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


MAKERS: dict[str, Callable[[int], str]] = {
    "password": _make_password,
    "hex": secrets.token_hex,
    "base64": _make_base64,
    "ec_private_key": _make_ec_private_key,
}


class FileStore:
    """Secrets in one YAML file, encrypted with Ansible Vault."""

    _cache: ClassVar[dict[Path, tuple[tuple[int, int, int], dict[str, str]]]] = {}

    def __init__(self, directory: Path, key_file: Path | None = None) -> None:
        self.directory = directory
        self.file = directory / "secrets.yml"
        self.key_file = key_file or directory / "vault-password"

    def names(self) -> list[str]:
        """Return the names of all secrets in the store."""
        return sorted(self._read())

    def get(self, name: str) -> str | None:
        """Return the secret of that name, None when there is none."""
        return self._read().get(name)

    def get_or_create(self, name: str, make: Callable[[], str]) -> str:
        """Return the secret of that name; the first caller, of however many at once, makes it."""
        if (value := self.get(name)) is not None:
            return value
        with self._lock():
            values = self._read()
            if name not in values:
                values = {**values, name: make()}
                self._write(values)
            return values[name]

    def put(self, name: str, value: str, *, replace: bool = False) -> None:
        """Store a secret that is made elsewhere. Raises AnsibleLookupError when there is another one of that name, unless it may be replaced."""
        check_name(name)
        with self._lock():
            values = self._read()
            if not replace and values.get(name, value) != value:
                raise AnsibleLookupError(
                    f"there is a {name!r} in {self.file} already; say --replace to replace it"
                )
            self._write({**values, name: value})

    def rename(self, old: str, new: str) -> None:
        """Let a secret take another one's place, at once. Raises AnsibleLookupError when there is none of that name."""
        check_name(new)
        with self._lock():
            values = dict(self._read())
            if old not in values:
                raise AnsibleLookupError(f"there is no {old!r} in {self.file}")
            values[new] = values.pop(old)
            self._write(values)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _vault(self) -> VaultLib:
        secret: VaultSecret = get_file_vault_secret(filename=str(self.key_file), loader=DataLoader())
        secret.load()
        return VaultLib([("default", secret)])

    def _read(self) -> dict[str, str]:
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return {}
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        cached = self._cache.get(self.file)
        if cached and cached[0] == version:
            return cached[1]
        try:
            text = self._vault().decrypt(self.file.read_bytes())
        except AnsibleError as error:
            raise AnsibleLookupError(
                f"The secrets in {self.file} cannot be read with the key {self.key_file}: {error}. "
                "Put back the key that they were encrypted with (secret_store_key_file)."
            ) from error
        values = yaml.safe_load(text) or {}
        self._cache[self.file] = (version, values)
        return values

    def _write(self, values: dict[str, str]) -> None:
        if not self.key_file.exists():
            # _read has failed before this line when there are secrets that a lost key had encrypted.
            self.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(self.key_file, secrets.token_urlsafe(48).encode() + b"\n")
        text = yaml.safe_dump(values, default_flow_style=False)
        self._replace(self.file, self._vault().encrypt(text))

    @staticmethod
    def _replace(file: Path, content: bytes) -> None:
        # mkstemp makes the file with mode 0600.
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


PROVIDERS = {"file": FileStore}


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup; see DOCUMENTATION."""

    def run(
        self,
        terms: list[str],
        variables: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Return the secrets that the terms name."""
        variables = variables or {}
        if not variables.get("inventory_dir"):
            variables = {**variables, **_of_first_host(variables)}
        self.set_options(var_options=variables, direct=kwargs)
        store_dir = self._template("store_dir", variables)
        key_file = self._template("key_file", variables)
        store = PROVIDERS[self._template("provider", variables)](
            Path(store_dir).expanduser().absolute(),
            Path(key_file).expanduser().absolute() if key_file else None,
        )
        return [self._secret(store, str(name), bool(variables.get("ansible_check_mode"))) for name in terms]

    def _secret(self, store: FileStore, name: str, check_mode: bool) -> str:
        check_name(name)
        value = store.get(name)
        if value is not None:
            return value
        if not self.get_option("create"):
            raise AnsibleLookupError(f"There is no secret {name!r} in {store.file}, and create=false.")
        length = self.get_option("length")
        if length < 1:
            raise AnsibleLookupError(f"length must be positive, not {length}")
        maker = MAKERS[self.get_option("kind")]
        if check_mode:
            return maker(length)
        return store.get_or_create(name, lambda: maker(length))

    def _template(self, option: str, variables: dict[str, Any]) -> Any:
        templar = self._templar.copy_with_new_env(available_variables=variables)
        return templar.template(self.get_option(option))


def _of_first_host(variables: dict[str, Any]) -> dict[str, Any]:
    """Return what the implicit localhost lacks, as the first host of the inventory sees it."""
    groups = variables.get("groups") or {}
    for host in [*groups.get("platform", []), *groups.get("all", [])]:
        seen = variables["hostvars"][host]
        names = ("inventory_dir", "secret_provider", "secret_store_dir", "secret_store_key_file")
        return {name: seen[name] for name in names if name in seen}
    return {}
