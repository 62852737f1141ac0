"""Action plugin: the control node's half of issuing certificates; see the module of the same name."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Allowance for clocks that differ.
BACKDATED = datetime.timedelta(hours=1)


class Authority:
    """A certificate authority whose certificate is in a file and whose key is a secret; the file may hold others to be trusted, too."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        certificate: x509.Certificate,
        others: Sequence[x509.Certificate] = (),
    ) -> None:
        self.key = key
        self.certificate = certificate
        self.others = others

    @classmethod
    def open(
        cls, file: Path, key_pem: str, name: str, *, days: int, leaf_days: int, store: bool
    ) -> Authority:
        """Read the authority's certificate; make it anew when there is none or it would end too early.

        The key stays the same, so certificates that were issued under the former one keep holding.
        """
        key = cls._key(key_pem)
        authority = cls._read(file, key)
        if authority and authority._outlives(leaf_days):
            return authority
        if not store:
            return authority.renewed(days) if authority else cls.make(key_pem, name, days)
        with locked(file.parent):
            authority = cls._read(file, key)
            if authority is None or not authority._outlives(leaf_days):
                authority = authority.renewed(days) if authority else cls.make(key_pem, name, days)
                replace(file, authority.trusted())
        return authority

    @classmethod
    def make(cls, key_pem: str, name: str, days: int) -> Authority:
        """Make an authority whose certificate is in no file yet."""
        key = cls._key(key_pem)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return cls(key, cls._self_signed(key, subject, days))

    def renewed(self, days: int) -> Authority:
        """Return it with another certificate for the same key and name."""
        return Authority(self.key, self._self_signed(self.key, self.certificate.subject, days), self.others)

    @staticmethod
    def _key(key_pem: str) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AnsibleActionFail("The authority's secret is no key on an elliptic curve.")
        return key

    @classmethod
    def _read(cls, file: Path, key: ec.EllipticCurvePrivateKey) -> Authority | None:
        try:
            certificates = x509.load_pem_x509_certificates(file.read_bytes())
        except FileNotFoundError:
            return None
        own = [certificate for certificate in certificates if certificate.public_key() == key.public_key()]
        if not own:
            raise AnsibleActionFail(
                f"{file} does not belong to the secret certificate_authority_key. Put back the pair, or "
                "remove the file to have a new authority, which every host then gets its certificates from."
            )
        return cls(key, own[0], [certificate for certificate in certificates if certificate not in own])

    def _outlives(self, days: int) -> bool:
        left = self.certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        return left > datetime.timedelta(days=days)

    @staticmethod
    def _self_signed(key: ec.EllipticCurvePrivateKey, subject: x509.Name, days: int) -> x509.Certificate:
        return (
            _builder(subject, subject, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(key, hashes.SHA256())
        )

    def pem(self) -> str:
        """Return the authority's certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def trusted(self) -> str:
        """Return all that is to be trusted in PEM, the authority itself first."""
        others = [each.public_bytes(serialization.Encoding.PEM).decode() for each in self.others]
        return "".join([self.pem(), *others])

    def sign(self, request_pem: str, wanted: dict[str, Any], days: int) -> str:
        """Sign for a key that a request proves the possession of; names come from the control node alone."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        if not request.is_signature_valid:
            raise AnsibleActionFail(f"The request for {wanted['common_name']} is not signed by its key.")
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys(wanted["dns"])]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys(wanted["ip"])]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted["common_name"])])
        own_identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate = (
            _builder(subject, self.certificate.subject, request.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_identifier.value),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory on the control node, which is made where it is missing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace(file: Path, text: str) -> None:
    """Give a file that everybody may read another content, at once."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as stream:
        stream.write(text)
        os.fchmod(stream.fileno(), 0o644)
    Path(stream.name).replace(file)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: CertificatePublicKeyTypes, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(**uses: bool) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{use: uses.get(use, False) for use in every})


class ActionModule(ActionBase):  # type: ignore[misc]
    """Asks the host what it needs, signs it, and has it installed."""

    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "authority_file": {"type": "path", "required": True},
                "authority_name": {"type": "str", "required": True},
                "authority_days": {"type": "int", "default": 3650},
                "days": {"type": "int", "default": 365},
                "renew_before_days": {"type": "int", "default": 60},
                "issued_after": {"type": "str", "default": ""},
                "certificates": {"type": "dict", "required": True},
            }
        )
        if arguments["renew_before_days"] >= arguments["days"]:
            raise AnsibleActionFail("renew_before_days must be less than days, or every run renews.")
        begins_after = 0.0
        if arguments["issued_after"]:
            try:
                moment = datetime.datetime.fromisoformat(arguments["issued_after"])
            except ValueError as error:
                raise AnsibleActionFail(f"issued_after: {error}") from error
            if moment.tzinfo is None:
                raise AnsibleActionFail(f"issued_after: {arguments['issued_after']} has no zone")
            begins_after = (moment - BACKDATED).timestamp()
        check_mode = bool(task_vars.get("ansible_check_mode"))
        authority = Authority.open(
            Path(arguments["authority_file"]),
            self._authority_key(task_vars),
            arguments["authority_name"],
            days=arguments["authority_days"],
            leaf_days=arguments["days"],
            store=not check_mode,
        )
        certificates = {name: _with_defaults(wanted) for name, wanted in arguments["certificates"].items()}
        module_arguments = {
            "directory": arguments["directory"],
            "authority": authority.pem(),
            "trusted": authority.trusted(),
            "begins_after": begins_after,
            "renew_before_days": arguments["renew_before_days"],
            "certificates": certificates,
        }
        result: dict[str, Any] = self._execute_module(module_args=module_arguments, task_vars=task_vars)
        if result.get("failed"):
            return result
        requests = result.pop("requests")
        authority_changed = result.pop("authority_changed")
        if requests and not check_mode:
            signed = {
                name: authority.sign(entry["request"], certificates[name], arguments["days"])
                for name, entry in requests.items()
            }
            installed: dict[str, Any] = self._execute_module(
                module_args={**module_arguments, "signed": signed}, task_vars=task_vars
            )
            if installed.get("failed"):
                return installed
            result["paths"] += installed["paths"]
        existed = {name for name, entry in requests.items() if entry["existed"]}
        if authority_changed:
            existed |= set(certificates) - set(requests)
        return {
            **result,
            "changed": bool(result["paths"] or requests),
            "issued": {name: entry["reason"] for name, entry in requests.items()},
            "renewed": sorted(existed),
        }

    def _authority_key(self, task_vars: dict[str, Any]) -> str:
        lookup = lookup_loader.get("secret", loader=self._loader, templar=self._templar)
        [key] = lookup.run(["certificate_authority_key"], variables=task_vars, kind="ec_private_key")
        return str(key)


def _with_defaults(wanted: dict[str, Any]) -> dict[str, Any]:
    defaults = {"dns": [], "ip": [], "owner": "root", "group": "root", "mode": "0600", "pem": False}
    if unknown := set(wanted) - set(defaults) - {"common_name"}:
        raise AnsibleActionFail(f"certificates: unknown keys {sorted(unknown)}")
    if not 0 < len(wanted.get("common_name") or "") <= 64:
        raise AnsibleActionFail(f"common_name must have 1 to 64 characters: {wanted.get('common_name')!r}")
    return {**defaults, **wanted}
