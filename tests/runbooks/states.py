"""The states of the platform that runbooks are for. Each is entered before the runbook, and left afterwards, whatever came of it.

A state yields what the runbook's commands find in their environment, above all HOST.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import secrets
import time
from collections.abc import Callable, Iterator

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.failure.faults import POISON
from tests.failure.platform import Platform, PlatformError, container_of, lab_name, must, run

State = Callable[[Platform], contextlib.AbstractContextManager[dict[str, str]]]
STATES: dict[str, State] = {}


def state(function: Callable[[Platform], Iterator[dict[str, str]]]) -> State:
    """Register a state under its function's name."""
    made = contextlib.contextmanager(function)
    STATES[function.__name__] = made
    return made


def await_all_whole(timeout: float = 300) -> None:
    """Wait until everything calls itself whole."""
    deadline = time.monotonic() + timeout
    while (said := run("make", "--silent", "status", "FORMAT=json")).returncode:
        if time.monotonic() > deadline:
            try:
                problems = json.loads(said.stdout)["problems"]
            except ValueError:
                problems = said.stdout + said.stderr
            raise PlatformError(f"not whole after {timeout:.0f} s: {problems}")
        time.sleep(3)


def sign_up(platform: Platform, people: int) -> None:
    """Have people sign up, each of whom makes events."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = platform.info["ca_file"]
        for _ in range(people):
            who = {
                "email": f"runbook-{secrets.token_hex(6)}@mail.example.com",
                "password": secrets.token_urlsafe(16),
                "name": "Rita Roteiro",
            }
            answer = session.post(platform.info["edge"]["url"] + "/api/v1/auth/signup", json=who, timeout=20)
            if answer.status_code != 201:
                raise PlatformError(f"sign-up: {answer.status_code} {answer.text}")


@state
def whole(platform: Platform) -> Iterator[dict[str, str]]:
    """Nothing is wrong."""
    yield {"HOST": platform.members("edge")[0]}


@state
def zone_lost(platform: Platform) -> Iterator[dict[str, str]]:
    """Every host of a zone that the others can do without is cut from power: not the one of the observability host."""
    watched = {platform.hosts[host]["zone"] for host in platform.members("observability")}
    host = next(name for name in platform.members("edge") if platform.hosts[name]["zone"] not in watched)
    must("podman", "kill", container_of(host))
    try:
        yield {"HOST": host, "ZONE": platform.hosts[host]["zone"], "LAB": lab_name()}
    finally:
        must("podman", "start", container_of(host))


@state
def queue_growing(platform: Platform) -> Iterator[dict[str, str]]:
    """Nobody reads enrichment's queue, while people sign up."""
    hosts = platform.members("enrichment")
    try:
        for host in hosts:
            platform.ssh(host, "systemctl stop alicerce-enrichment-worker")
        sign_up(platform, 3)
        yield {"HOST": hosts[0]}
    finally:
        for host in hosts:
            platform.ssh(host, "systemctl start alicerce-enrichment-worker")


@state
def poison_events(platform: Platform) -> Iterator[dict[str, str]]:
    """Three messages have come that are no events."""
    host = platform.members("rabbitmq")[0]
    purge = "rabbitmqctl --quiet purge_queue --vhost alicerce enrichment.user-events.dead"
    try:
        platform.feed(host, "/opt/alicerce/users/current/venv/bin/python", POISON)
        yield {"HOST": host, "QUEUE": "enrichment.user-events"}
    finally:
        platform.ssh(host, purge)


@state
def disk_full(platform: Platform) -> Iterator[dict[str, str]]:
    """A host's disk is all but full. Of a file system of its own, in memory: the lab's hosts share this machine's disk, which must not be filled."""
    host = platform.members("edge")[0]
    folder = "/var/log/alicerce-full"
    try:
        platform.ssh(host, f"mkdir -p {folder} && mount -t tmpfs -o size=64m tmpfs {folder}")
        platform.ssh(host, f"fallocate --length 62M {folder}/debug.log")
        yield {"HOST": host, "FOLDER": folder}
    finally:
        platform.ssh(host, f"if mountpoint --quiet {folder}; then umount {folder}; fi; rm -rf {folder}")


def expired(certificate: str) -> str:
    """Return a certificate for the same key and names, from the platform's authority, that has ended yesterday."""
    authority = load_pem_private_key(must("scripts/secret", "certificate_authority_key").encode(), None)
    assert isinstance(authority, ec.EllipticCurvePrivateKey)
    old = x509.load_pem_x509_certificate(certificate.encode())
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=old.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - dt.timedelta(days=30),
        not_valid_after=now - dt.timedelta(days=1),
        extensions=list(old.extensions),
    )
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@state
def certificate_expired(platform: Platform) -> Iterator[dict[str, str]]:
    """The certificate of the edge that holds the virtual IP has ended."""
    address = str(platform.info["edge"]["address"])
    host = next(
        name
        for name in platform.members("edge")
        if json.loads(platform.ssh(name, f"ip -json -4 address show to {address}/32"))
    )
    tls = "/etc/alicerce/tls"
    ended = expired(platform.ssh(host, f"cat {tls}/edge.crt"))
    try:
        # Into the files that are there, which keep their owner and mode.
        platform.feed(
            host,
            "bash",
            f"cat > {tls}/edge.crt <<'END'\n{ended}END\n"
            f"cat {tls}/edge.key {tls}/edge.crt {tls}/ca.crt > {tls}/edge.new\n"
            f"cat {tls}/edge.new > {tls}/edge.pem; rm {tls}/edge.new; systemctl reload haproxy\n",
        )
        yield {"HOST": host, "ADDRESS": address, "NAME": str(platform.info["edge"]["name"])}
    finally:
        platform.ansible("site.yml", "--tags", "certificates", further=False)
