"""The platform's authority, and when a host needs a certificate issued anew."""

import datetime
import getpass
import grp
import ipaddress
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.load import load_plugin

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
WANTED = {"common_name": "node-a.test", "dns": ["node-a.test", "node-a"], "ip": ["192.0.2.1", "::1"]}
MONTH = datetime.timedelta(days=30)


ACTION, MODULE = load_plugin("action/host_certificates.py"), load_plugin("modules/host_certificates.py")


def open_authority(directory: Path, key: ec.EllipticCurvePrivateKey | None = None, **options: Any) -> Any:
    key = key or ec.generate_private_key(ec.SECP256R1())
    options = {"days": 3650, "leaf_days": 365, "store": True} | options
    return ACTION.Authority.open(directory / "ca.crt", MODULE.pem_of(key).decode(), "Test CA", **options)


def issue(
    authority: Any, key: ec.EllipticCurvePrivateKey, wanted: dict[str, Any] = WANTED, days: int = 365
) -> bytes:
    signed: str = authority.sign(MODULE.request_of(key, wanted["common_name"]), wanted, days)
    return signed.encode()


@pytest.fixture
def authority(tmp_path: Path) -> Any:
    return open_authority(tmp_path)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_authority_is_kept(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first = open_authority(tmp_path, key)
    assert open_authority(tmp_path, key).certificate == first.certificate
    constraints = first.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)


def test_authority_that_would_end_first_is_renewed_under_the_same_key(
    tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    old = open_authority(tmp_path, ca_key, days=300, leaf_days=200)
    leaf = x509.load_pem_x509_certificate(issue(old, key, days=200))
    new = open_authority(tmp_path, ca_key)
    assert new.certificate != old.certificate
    leaf.verify_directly_issued_by(new.certificate)


def test_authority_of_another_key_is_refused(tmp_path: Path) -> None:
    open_authority(tmp_path)
    with pytest.raises(AnsibleActionFail, match="does not belong to the secret"):
        open_authority(tmp_path)


def test_check_mode_stores_no_authority(tmp_path: Path) -> None:
    open_authority(tmp_path, store=False)
    assert list(tmp_path.iterdir()) == []


def test_certificate(authority: Any, key: ec.EllipticCurvePrivateKey) -> None:
    certificate = x509.load_pem_x509_certificate(issue(authority, key))
    certificate.verify_directly_issued_by(authority.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == WANTED["dns"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(ip) for ip in WANTED["ip"]]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_names_come_from_the_control_node(authority: Any, key: ec.EllipticCurvePrivateKey) -> None:
    forged = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "users")]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("users")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = forged.public_bytes(MODULE.serialization.Encoding.PEM).decode()
    certificate = x509.load_pem_x509_certificate(authority.sign(pem, WANTED, 365).encode())
    assert MODULE.names_of(certificate) == ("node-a.test", {"node-a.test", "node-a", "192.0.2.1", "::1"})


def test_faults(authority: Any, key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = open_authority(tmp_path / "other")
    good = issue(authority, key)

    def fault(
        content: bytes | None, key: ec.EllipticCurvePrivateKey | None = key, wanted: dict[str, Any] = WANTED
    ) -> Any:
        return MODULE.fault_of(content, key, wanted, authority.certificate, MONTH)

    assert fault(good) is None
    assert fault(None) == "missing"
    assert fault(good, key=None) == "its key is missing or damaged"
    assert "damaged" in fault(good[:200])
    assert "another authority" in fault(issue(other, key))
    assert fault(good, key=ec.generate_private_key(ec.SECP256R1())) == "belongs to another key"
    assert fault(good, wanted={**WANTED, "dns": ["node-a.test"]}) == "has other names"
    assert fault(good, wanted={**WANTED, "ip": ["192.0.2.2", "::1"]}) == "has other names"
    assert fault(good, wanted={**WANTED, "common_name": "node-b"}) == "has other names"
    assert fault(issue(authority, key, days=29)).startswith("ends ")
    assert fault(issue(authority, key, days=31)) is None


def keep(directory: Path, authority: Any, **parameters: Any) -> Any:
    """Run the host's half, and once more with what the control node's half has signed; returns what the first said."""
    wanted = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name, "mode": "0400"}
    certificates = {"host": WANTED | wanted | {"pem": True}}
    given = {
        "directory": str(directory),
        "authority": authority.pem(),
        "trusted": authority.trusted(),
        "renew_before_days": 30,
        "begins_after": 0,
        "certificates": certificates,
        "signed": {},
    }
    given |= parameters
    module = SimpleNamespace(check_mode=False, params=given)
    first = MODULE.run(module)
    given["signed"] = {
        name: authority.sign(entry["request"], certificates[name], 365)
        for name, entry in first["requests"].items()
    }
    if given["signed"]:
        MODULE.run(module)
    return first


def pair(directory: Path) -> tuple[bytes, bytes]:
    """Return key and certificate, which belong together and stand in one file, too."""
    key, certificate = (directory / "host.key").read_bytes(), (directory / "host.crt").read_bytes()
    public = MODULE.key_of(directory / "host.key").public_key()
    assert x509.load_pem_x509_certificate(certificate).public_key() == public
    assert (directory / "host.pem").read_bytes().startswith(key + certificate)
    assert not (directory / "host.key.new").exists()
    return key, certificate


def test_an_old_certificate_gets_a_new_key_and_a_young_one_stays(authority: Any, tmp_path: Path) -> None:
    keep(tmp_path, authority)
    old = pair(tmp_path)
    begin = x509.load_pem_x509_certificate(old[1]).not_valid_before_utc.timestamp()
    assert keep(tmp_path, authority, begins_after=begin)["requests"] == {}

    told = keep(tmp_path, authority, begins_after=begin + 0.5)
    assert told["requests"]["host"]["reason"] == "older than asked for"
    new = pair(tmp_path)
    assert new[0] != old[0]
    assert new[1] != old[1]


def test_the_former_pair_is_whole_until_the_new_one_is(authority: Any, tmp_path: Path) -> None:
    keep(tmp_path, authority)
    old = (tmp_path / "host.key").read_bytes(), (tmp_path / "host.crt").read_bytes()
    interrupted = SimpleNamespace(sign=lambda *_: 1 / 0, pem=authority.pem, trusted=authority.trusted)
    with pytest.raises(ZeroDivisionError):
        keep(tmp_path, interrupted, begins_after=1e11)
    assert ((tmp_path / "host.key").read_bytes(), (tmp_path / "host.crt").read_bytes()) == old
    waiting = (tmp_path / "host.key.new").read_bytes()
    assert stat.S_IMODE((tmp_path / "host.key.new").stat().st_mode) == 0o600
    keep(tmp_path, authority, begins_after=1e11)
    assert pair(tmp_path)[0] == waiting


def test_hosts_trust_what_the_file_has_and_take_certificates_of_the_one_that_signs(
    authority: Any, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = open_authority(tmp_path / "other")
    authority.others = [other.certificate]
    host = tmp_path / "host"
    assert keep(host, authority)["authority_changed"] is False
    assert x509.load_pem_x509_certificates((host / "ca.crt").read_bytes()) == [
        authority.certificate,
        other.certificate,
    ]
    authority.others = []
    told = keep(host, authority)
    assert told["authority_changed"] is True
    assert told["requests"] == {}
    assert keep(host, authority)["changed"] is False


def test_files_have_their_attributes_and_change_once(tmp_path: Path) -> None:
    owner, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    file = tmp_path / "x.key"
    for expected in ([str(file)], []):
        files = MODULE.Files(check_mode=False)
        files.file(file, b"secret", owner, group, "0400")
        assert files.changed == expected
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    checking = MODULE.Files(check_mode=True)
    assert checking.file(file, b"another", owner, group, "0400")
    assert checking.changed == [str(file)]
    assert file.read_bytes() == b"secret"
