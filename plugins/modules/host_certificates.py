"""Module: the host's half of issuing certificates; the action plugin of the same name drives it."""

from __future__ import annotations

import datetime
import grp
import ipaddress
import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID
except ImportError:
    x509 = None  # type: ignore[assignment]

DOCUMENTATION = """
module: host_certificates
short_description: Keep a host's keys and certificates of the platform's certificate authority
description:
  - Makes the missing private keys on the host, which they never leave, and has certificates signed on the
    control node.
  - The authority's own key is the secret C(certificate_authority_key); its certificate is made at first use.
  - A certificate is issued anew when it is missing or damaged, belongs to another key or authority, has other
    names than asked for, or ends within O(renew_before_days). The key stays the same. One that was issued
    before O(issued_after) is issued anew for a new key, which takes the former one's place together with it.
  - The file O(authority_file) may hold further authorities, which hosts are to trust as well. The one whose key
    is the secret signs.
  - A run without anything to do takes one round trip to the host. Needs python3-cryptography on both ends.
options:
  directory: {description: Where the files stand; it is made., type: path, required: true}
  authority_file:
    description: The authority's certificate on the control node.
    type: path
    required: true
  authority_name: {description: Common name of the authority., type: str, required: true}
  authority_days: {description: Days that the authority's certificate holds., type: int, default: 3650}
  days: {description: Days that a certificate holds., type: int, default: 365}
  renew_before_days:
    description: Days before its end from which a certificate is renewed.
    type: int
    default: 60
  issued_after:
    description: Moment from which on a certificate must have been issued, in ISO 8601 with its zone; empty for any.
    type: str
    default: ""
  certificates:
    description: What the host needs, by the base name of the files C(.key), C(.crt) and C(.pem).
    type: dict
    required: true
    suboptions:
      common_name: {description: Common name of the subject., type: str, required: true}
      dns: {description: Names., type: list, elements: str, default: []}
      ip: {description: Addresses., type: list, elements: str, default: []}
      owner: {description: Owner of the key., type: str, default: root}
      group: {description: Group of the key., type: str, default: root}
      mode: {description: Mode of the key., type: str, default: "0600"}
      pem:
        description: Whether to write key, certificate and authority into one C(.pem) too.
        type: bool
        default: false
attributes:
  check_mode: {support: full, description: Tells what it would issue.}
"""

EXAMPLES = """
- name: Issue the host's certificate
  host_certificates:
    directory: /etc/alicerce/tls
    authority_file: "{{ secret_store_dir }}/ca.crt"
    authority_name: Alicerce CA
    certificates:
      host: {common_name: node-a.example.org, dns: [node-a.example.org], ip: [192.0.2.11], pem: true}
"""

RETURN = """
issued: {description: Why each certificate was issued, by its name., type: dict, returned: always}
renewed:
  description: Names of those that a running program may still hold in their former state.
  type: list
  elements: str
  returned: always
"""


def read(path: Path) -> bytes | None:
    """Return the content of a file, None when there is none."""
    return path.read_bytes() if path.is_file() else None


class Files:
    """Writes files and keeps track of what changed."""

    def __init__(self, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.changed: list[str] = []

    def directory(self, path: Path) -> None:
        """Make the directory."""
        if not path.is_dir():
            self.changed.append(str(path))
            if not self.check_mode:
                path.mkdir(mode=0o755, parents=True)

    def file(self, path: Path, content: bytes, owner: str, group: str, mode: str) -> bool:
        """Bring a file to its content and attributes; true when the content was another."""
        same = read(path) == content
        try:
            wanted = int(mode, 8), pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
        except KeyError:
            if not self.check_mode:
                raise
            self.changed.append(str(path))
            return not same
        if same:
            status = path.stat()
            if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == wanted:
                return False
        self.changed.append(str(path))
        if not self.check_mode:
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    os.fchown(descriptor, *wanted[1:])
                    os.fchmod(descriptor, wanted[0])
                    stream.write(content)
                    stream.flush()
                    os.fsync(descriptor)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        return not same


def key_of(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """Return the private key in a file, None when there is none that can be used."""
    try:
        key = serialization.load_pem_private_key(read(path) or b"", password=None)
    except ValueError:
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def names_of(certificate: x509.Certificate) -> tuple[str, set[str]]:
    """Return the common name and the alternative names of a certificate."""
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return str(common_names[0].value), set()
    return str(common_names[0].value), {str(name.value) for name in extension}


def moment_of(certificate: x509.Certificate, bound: str) -> datetime.datetime:
    """Return not_valid_before or not_valid_after, which are naive and in UTC where cryptography is Debian 12's."""
    aware: datetime.datetime | None = getattr(certificate, f"{bound}_utc", None)
    naive: datetime.datetime | None = None if aware else getattr(certificate, bound)
    return aware or naive.replace(tzinfo=datetime.timezone.utc)  # type: ignore[union-attr]  # noqa: UP017


def is_older(content: bytes | None, begins_after: float) -> bool:
    """Tell whether a certificate begins before a moment in seconds of the epoch; one that cannot be read has no age."""
    try:
        certificate = x509.load_pem_x509_certificate(content or b"")
    except ValueError:
        return False
    return moment_of(certificate, "not_valid_before").timestamp() < begins_after


def fault_of(  # noqa: PLR0911 -- one return a fault
    content: bytes | None,
    key: ec.EllipticCurvePrivateKey | None,
    wanted: dict[str, Any],
    authority: x509.Certificate,
    renew_before: datetime.timedelta,
) -> str | None:
    """Tell why a certificate must be issued, None when it is good."""
    if content is None:
        return "missing"
    if key is None:
        return "its key is missing or damaged"
    try:
        certificate = x509.load_pem_x509_certificate(content)
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return "issued by another authority"
    except (ValueError, TypeError):
        return "damaged or issued by another authority"
    if certificate.public_key() != key.public_key():
        return "belongs to another key"
    alternatives = set(wanted["dns"]) | {str(ipaddress.ip_address(address)) for address in wanted["ip"]}
    if names_of(certificate) != (wanted["common_name"], alternatives):
        return "has other names"
    end = moment_of(certificate, "not_valid_after")
    if end - datetime.datetime.now(datetime.timezone.utc) < renew_before:  # noqa: UP017
        return f"ends {end:%Y-%m-%d}"
    return None


def request_of(key: ec.EllipticCurvePrivateKey, common_name: str) -> str:
    """Return a signing request, whose only purpose is to prove that the host has the key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def run(module: AnsibleModule) -> dict[str, Any]:
    """Make keys, tell which certificates must be signed, install those that are given."""
    files = Files(module.check_mode)
    directory = Path(module.params["directory"])
    authority_pem = module.params["authority"].encode()
    authority = x509.load_pem_x509_certificate(authority_pem)
    renew_before = datetime.timedelta(days=module.params["renew_before_days"])
    files.directory(directory)
    before = read(directory / "ca.crt")
    authority_changed = files.file(
        directory / "ca.crt", module.params["trusted"].encode(), "root", "root", "0644"
    )
    requests: dict[str, dict[str, Any]] = {}
    for name, wanted in module.params["certificates"].items():
        path = directory / f"{name}.crt"
        key_path = directory / f"{name}.key"
        # Waits there for its certificate: the former pair is whole until then.
        new_key_path = directory / f"{name}.key.new"
        key, new_key = key_of(key_path), key_of(new_key_path)
        content = read(path)
        attributes = (wanted["owner"], wanted["group"], wanted["mode"])
        if name in module.params["signed"]:
            content = module.params["signed"][name].encode()
            if new_key and new_key.public_key() == x509.load_pem_x509_certificate(content).public_key():
                key = new_key
        else:
            fault = fault_of(content, key, wanted, authority, renew_before)
            if key and not fault and is_older(content, module.params["begins_after"]):
                fault = "older than asked for"
                new_key = new_key or ec.generate_private_key(ec.SECP256R1())
                files.file(new_key_path, pem_of(new_key), "root", "root", "0600")
                requests[name] = {
                    "reason": fault,
                    "existed": True,
                    "request": request_of(new_key, wanted["common_name"]),
                }
                continue
            if fault:
                requests[name] = {"reason": fault, "existed": content is not None, "request": None}
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
        key_pem = (read(key_path) if key_of(key_path) and key is not new_key else None) or pem_of(key)
        files.file(key_path, key_pem, *attributes)
        if content is None or name in requests:
            requests[name]["request"] = request_of(key, wanted["common_name"])
            continue
        files.file(path, content, "root", "root", "0644")
        if wanted["pem"]:
            files.file(directory / f"{name}.pem", key_pem + content + authority_pem, *attributes)
        if not module.check_mode:
            new_key_path.unlink(missing_ok=True)
    return {
        "changed": bool(files.changed),
        "paths": files.changed,
        "requests": requests,
        "authority_changed": authority_changed and before is not None,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "authority": {"type": "str", "required": True},
            "trusted": {"type": "str", "required": True},
            "begins_after": {"type": "float", "default": 0},
            "renew_before_days": {"type": "int", "required": True},
            "certificates": {"type": "dict", "required": True},
            "signed": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    if x509 is None:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        module.exit_json(**run(module))
    except KeyError as error:
        module.fail_json(msg=f"No such account or group on this host: {error}")
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Cannot keep the certificates: {error}")


if __name__ == "__main__":
    main()
