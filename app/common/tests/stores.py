"""Fixtures: real stores on loopback, each started once a session and removed with it, and certificates."""

import contextlib
import datetime
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pika
import psycopg
import pytest
from alicerce_common import logs
from alicerce_common.config import ServiceSettings, Tls
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from redis import Redis

__all__ = [
    "broker_vhost",
    "database",
    "json_logs",
    "postgresql",
    "rabbitmq",
    "redis_server",
    "scratch",
    "tls_files",
]


@pytest.fixture(scope="session", autouse=True)
def json_logs() -> None:
    """Log as a service does: structlog's own default draws every local variable of a traceback."""
    logs.configure(ServiceSettings(**IDENTITY, service_name="test", log_level="WARNING"))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], *, timeout: float = 15.0, interval: float = 0.05) -> None:
    """Wait until the condition holds; a condition that raises does not hold yet."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            if condition():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "the condition does not come true in time"
        time.sleep(interval)


def closed(connection: psycopg.Connection | pika.BlockingConnection) -> bool:
    """Close a connection, which was opened only to see whether it can be."""
    connection.close()
    return True


def as_account(name: str) -> list[str]:
    """Return the prefix by which root runs a server that refuses to run as root."""
    return (
        ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"]
        if getpass.getuser() == "root"
        else []
    )


def find_program(name: str, *folders: str) -> str:
    program = shutil.which(name, path=os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"]))
    assert program, f"{name} is missing: install what scripts/apt-packages-check.txt lists"
    return program


@contextlib.contextmanager
def server(command: list[str], *, environment: dict[str, str] | None = None, log: Path) -> Iterator[None]:
    """Run a server in the foreground; it gets SIGTERM at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd="/")
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder with a short name (sockets) that every account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="alicerce-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Server:
    """Where a store listens, and its administrator."""

    port: int
    user: str = "admin"
    password: str = "admin-of-the-test"


@pytest.fixture(scope="session")
def postgresql(scratch: Path) -> Iterator[Server]:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folders = [str(path) for path in reversed(versions)]
    account = as_account("postgres")
    home = scratch / "postgresql"
    home.mkdir()
    if account:
        shutil.chown(home, "postgres", "postgres")
    found = Server(free_port(), user="postgres")
    data = home / "data"
    subprocess.run(
        [
            *account,
            find_program("initdb", *folders),
            "-D",
            str(data),
            "-U",
            found.user,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C.UTF-8",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    command = [*account, find_program("postgres", *folders), "-D", str(data), "-p", str(found.port)]
    for setting in (
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={home}",
        "fsync=off",
        "max_connections=60",
    ):
        command += ["-c", setting]
    with server(command, log=scratch / "postgresql.log"):
        wait_for(
            lambda: closed(
                psycopg.connect(host="127.0.0.1", port=found.port, user=found.user, dbname="postgres")
            )
        )
        yield found


@contextlib.contextmanager
def made_database(postgresql: Server) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(
        host="127.0.0.1", port=postgresql.port, user=postgresql.user, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(postgresql: Server) -> Iterator[str]:
    """The name of an empty database."""
    with made_database(postgresql) as name:
        yield name


@dataclass(frozen=True)
class RedisServer:
    """A primary and the Sentinel that names it."""

    port: int
    sentinel_port: int
    user: str = "tester"
    password: str = "redis-of-the-test"


@pytest.fixture(scope="session")
def redis_server(scratch: Path) -> Iterator[RedisServer]:
    program = find_program("redis-server")
    found = RedisServer(free_port(), free_port())
    acl = f"user {found.user} on >{found.password} ~* &* +@all"
    primary = scratch / "redis.conf"
    primary.write_text(f'bind 127.0.0.1\nport {found.port}\nsave ""\ndir {scratch}\n{acl}\n')
    sentinel = scratch / "sentinel.conf"
    sentinel.write_text(
        f"bind 127.0.0.1\nport {found.sentinel_port}\ndir {scratch}\n{acl}\n"
        f"sentinel monitor alicerce 127.0.0.1 {found.port} 1\n"
        f"sentinel auth-user alicerce {found.user}\nsentinel auth-pass alicerce {found.password}\n"
    )
    login: dict[str, Any] = {"username": found.user, "password": found.password}
    with (
        server([program, str(primary)], log=scratch / "redis.log"),
        server([program, str(sentinel), "--sentinel"], log=scratch / "sentinel.log"),
    ):
        wait_for(lambda: Redis(port=found.port, **login).ping())
        wait_for(lambda: Redis(port=found.sentinel_port, **login).ping())
        yield found


@pytest.fixture(scope="session")
def rabbitmq(scratch: Path) -> Iterator[Server]:
    account = as_account("rabbitmq")
    home = scratch / "rabbitmq"
    home.mkdir()
    if account:
        shutil.chown(home, "rabbitmq", "rabbitmq")
    found = Server(free_port())
    configuration = home / "rabbitmq.conf"
    configuration.write_text(
        f"listeners.tcp.1 = 127.0.0.1:{found.port}\n"
        f"default_user = {found.user}\ndefault_pass = {found.password}\n"
        "disk_free_limit.absolute = 10MB\nlog.console = true\nlog.console.level = warning\nlog.file = false\n"
    )
    environment = {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(configuration),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_NODENAME": f"test{found.port}@localhost",
        "RABBITMQ_PID_FILE": str(home / "pid"),
        # No epmd: it would outlive the test.
        "RABBITMQ_SERVER_START_ARGS": "-start_epmd false -erl_epmd_port 0",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    binary = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))[-1]
    with server([*account, str(binary)], environment=environment, log=scratch / "rabbitmq.log"):
        wait_for(lambda: closed(open_broker(found, "/")), timeout=120, interval=0.2)
        yield found


def open_broker(where: Server, vhost: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "127.0.0.1",
            where.port,
            vhost,
            pika.PlainCredentials(where.user, where.password),
            socket_timeout=2,
        )
    )


@dataclass(frozen=True)
class Topology:
    """What the role declares for services: an exchange, and a queue with its dead-letter queue."""

    server: Server
    exchange: str
    queue: str

    @contextlib.contextmanager
    def channel(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        connection = open_broker(self.server, "/")
        try:
            yield connection.channel()
        finally:
            connection.close()

    def depth(self, queue: str | None = None) -> int:
        with self.channel() as channel:
            declared = channel.queue_declare(queue or self.queue, passive=True)
            return int(declared.method.message_count)

    def take(self, queue: str | None = None) -> list[tuple[pika.BasicProperties, bytes]]:
        """Empty the queue."""
        found: list[tuple[pika.BasicProperties, bytes]] = []
        with self.channel() as channel:
            while True:
                method, properties, body = channel.basic_get(queue or self.queue, auto_ack=True)
                if method is None or properties is None or body is None:
                    return found
                found.append((properties, body))


@pytest.fixture
def broker_vhost(rabbitmq: Server) -> Iterator[Topology]:
    """An exchange and a queue of the test's own, as the role `rabbitmq` makes them."""
    mark = uuid.uuid4().hex[:8]
    made = Topology(rabbitmq, f"events-{mark}", f"queue-{mark}")
    with made.channel() as channel:
        channel.exchange_declare(made.exchange, "topic", durable=True)
        channel.queue_declare(f"{made.queue}.dead", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_declare(
            made.queue,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                "x-delivery-limit": 3,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": f"{made.queue}.dead",
            },
        )
        for pattern in ("account.*", "user.*"):
            channel.queue_bind(made.queue, made.exchange, pattern)
        yield made
        channel.queue_delete(made.queue)
        channel.queue_delete(f"{made.queue}.dead")
        channel.exchange_delete(made.exchange)


@pytest.fixture(scope="session")
def tls_files(scratch: Path) -> Tls:
    """A CA, and a certificate for localhost that serves on both ends."""
    folder = scratch / "tls"
    folder.mkdir()
    now = datetime.datetime.now(datetime.UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of the test")])

    def builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    authority = (
        builder(authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]), key.public_key())
        .add_extension(names, critical=False)
        .add_extension(usage, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = Tls(ca_file=folder / "ca.crt", certificate_file=folder / "host.crt", key_file=folder / "host.key")
    files.ca_file.write_bytes(authority.public_bytes(pem))
    files.certificate_file.write_bytes(certificate.public_bytes(pem))
    files.key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


IDENTITY: dict[str, Any] = {
    "service_release": "test",
    "host_name": "host",
    "availability_zone": "zone-a",
    "allow_plaintext": True,
}
"""What every settings class wants."""


def database_settings(postgresql: Server, database: str) -> dict[str, Any]:
    return {
        "database_hosts": f"127.0.0.1:{postgresql.port}",
        "database_name": database,
        "database_user": postgresql.user,
        "database_password": "not asked for on loopback",
    }


def broker_settings(topology: Topology) -> dict[str, Any]:
    return {
        "rabbitmq_hosts": f"127.0.0.1:{topology.server.port}",
        "rabbitmq_vhost": "/",
        "rabbitmq_user": topology.server.user,
        "rabbitmq_password": topology.server.password,
        "event_exchange": topology.exchange,
        "event_queue": topology.queue,
    }


def redis_settings(server: RedisServer) -> dict[str, Any]:
    return {
        "redis_sentinels": f"127.0.0.1:{server.sentinel_port}",
        "redis_primary_name": "alicerce",
        "redis_user": server.user,
        "redis_password": server.password,
    }


def environment(settings: dict[str, object], credentials: Path) -> dict[str, str]:
    """Return the environment of a program with these settings, its secrets laid down as files."""
    credentials.mkdir(exist_ok=True)
    found = {"CREDENTIALS_DIRECTORY": str(credentials)}
    for name, value in settings.items():
        if name.endswith("password") or name.endswith("private_key"):
            (credentials / name).write_text(str(value))
        else:
            found[name.upper()] = str(value)
    return {**os.environ, **found}
