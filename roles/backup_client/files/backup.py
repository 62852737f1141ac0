#!/usr/bin/env python3
"""Back up a store into an encrypted repository, and bring it back. Settings stand in /etc/alicerce/backup/<component>.json.

backup COMPONENT open               make the repository; prints "opened", or "open" when there is one
backup COMPONENT turn               exit 0 when it is this member's turn, 1 when it is another's
backup COMPONENT make               store a snapshot of the store, and drop those that are too old
backup COMPONENT list               print the snapshots as JSON, the newest last
backup COMPONENT restore SNAPSHOT   put the store back to a snapshot (an id, or "latest"); reads from stdin how to log in, as JSON
backup COMPONENT dump               write the store's content to stdout
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

SETTINGS_DIR = Path(os.environ.get("ALICERCE_BACKUP_DIR", "/etc/alicerce/backup"))
NO_REPOSITORY = 10
"""What restic exits with when there is no repository."""
CANNOT_TELL = 255
"""What a condition of a unit exits with when the unit shall fail; with less it would be skipped."""


class BackupError(Exception):
    """Something stands in the way; the message says what."""


class MongoDB:
    """Its databases, as they were at one moment: all reads are of one snapshot, which a secondary serves too.

    The dump is a row of records, each one byte for its kind and one BSON document: a collection (C) with its options and
    indexes, then its documents (D), and last an end (E) with the number of all, so that a dump that broke off is known.
    Accounts are not in it: the deployment makes them.
    """

    file_name = "mongodb.bson"
    own_databases = ("admin", "config", "local")
    batch_bytes = 8 << 20

    def __init__(self, settings: dict[str, Any], secrets: Path) -> None:
        self.settings = settings
        self.secrets = secrets

    def client(self, **options: Any) -> Any:
        """Connect as TLS and the set ask for it; documents stay as they are on the wire."""
        from bson.raw_bson import RawBSONDocument  # noqa: PLC0415 -- only the hosts of MongoDB have it
        from pymongo import MongoClient  # noqa: PLC0415

        return MongoClient(
            tls=True,
            tlsCAFile=self.settings["ca_file"],
            tlsCertificateKeyFile=self.settings["certificate_file"],
            document_class=RawBSONDocument,
            appname="backup",
            serverSelectionTimeoutMS=5000,
            **options,
        )

    def states(self) -> Iterator[tuple[str, Any]]:
        """Yield what each member that answers says of itself."""
        from pymongo.errors import PyMongoError  # noqa: PLC0415

        for member in self.settings["members"]:
            with contextlib.suppress(PyMongoError), self.client(host=member, directConnection=True) as client:
                yield member, client.admin.command("hello")

    def turn(self) -> bool:
        """Tell whether this is the first of the secondaries, or the primary when there is none."""
        states = dict(self.states())
        secondaries = [member for member, state in states.items() if state.get("secondary")]
        primaries = [member for member, state in states.items() if state.get("isWritablePrimary")]
        if not secondaries + primaries:
            raise BackupError("no member is a primary or a secondary")
        return bool((secondaries + primaries)[0] == self.settings["member"])

    def dump(self, out: IO[bytes]) -> None:
        """Write the databases to a stream."""
        import bson  # noqa: PLC0415

        count = 0
        login = {"username": "backup", "password": (self.secrets / "mongodb").read_text().strip()}
        with (
            self.client(
                host=self.settings["member"],
                directConnection=True,
                readPreference="secondaryPreferred",
                **login,
            ) as client,
            client.start_session(snapshot=True) as session,
        ):
            for name in sorted(set(client.list_database_names()) - set(self.own_databases)):
                database = client[name]
                for about in sorted(
                    database.list_collections(), key=lambda found: (found["type"] == "view", found["name"])
                ):
                    if about["name"].startswith("system."):
                        continue
                    collection = database[about["name"]]
                    has_rows = about["type"] != "view"
                    head = {
                        "database": name,
                        "name": about["name"],
                        "options": about.get("options", {}),
                        "indexes": list(collection.list_indexes()) if has_rows else [],
                    }
                    out.write(b"C" + bson.encode(head))
                    if not has_rows:
                        continue
                    # A capped collection knows no reads of the past.
                    capped = bool(head["options"].get("capped"))
                    for document in collection.find(session=None if capped else session, batch_size=1000):
                        out.write(b"D" + document.raw)
                        count += 1
        out.write(b"E" + bson.encode({"documents": count}))

    @staticmethod
    def records(source: IO[bytes]) -> Iterator[tuple[bytes, Any]]:
        """Read the records of a dump. Raises BackupError when it broke off."""
        from bson.raw_bson import RawBSONDocument  # noqa: PLC0415

        count = 0
        while kind := source.read(1):
            size = source.read(4)
            document = RawBSONDocument(size + source.read(int.from_bytes(size, "little") - 4))
            if kind == b"E":
                if document["documents"] != count:
                    raise BackupError(f"the dump tells of {document['documents']} documents and has {count}")
                return
            count += kind == b"D"
            yield kind, document
        raise BackupError("the dump has no end; the store has a part of it now")

    def load(self, source: IO[bytes], login: dict[str, str]) -> dict[str, int]:
        """Replace the databases that are in a dump; return how many documents each collection has got."""
        counts: dict[str, int] = {}
        dropped: set[str] = set()
        with self.client(host=self.settings["members"], w="majority", **login) as client:
            collection: Any = None
            rows: list[Any] = []
            size = 0

            def write() -> None:
                nonlocal rows, size
                if rows:
                    collection.insert_many(rows, ordered=False, bypass_document_validation=True)
                    counts[collection.full_name] += len(rows)
                rows, size = [], 0

            for kind, document in self.records(source):
                if kind == b"C":
                    write()
                    if document["database"] not in dropped:
                        client.drop_database(document["database"])
                        dropped.add(document["database"])
                    collection = self.make(client[document["database"]], document)
                    counts[collection.full_name] = 0
                    continue
                rows.append(document)
                size += len(document.raw)
                if size > self.batch_bytes:
                    write()
            write()
        return counts

    @staticmethod
    def make(database: Any, head: Any) -> Any:
        """Make a collection with its options and indexes."""
        database.command({"create": head["name"], **head["options"]})
        indexes = [
            {key: value for key, value in index.items() if key not in {"v", "ns"}}
            for index in head["indexes"]
            if index["name"] != "_id_"
        ]
        if indexes:
            database.command({"createIndexes": head["name"], "indexes": indexes})
        return database[head["name"]]


class RabbitMQ:
    """Its definitions: virtual hosts, accounts, exchanges, queues, bindings, policies; not the messages."""

    file_name = "definitions.json"

    def __init__(self, settings: dict[str, Any], _secrets: Path) -> None:
        self.settings = settings

    @staticmethod
    def control(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run rabbitmqctl."""
        return subprocess.run(["/usr/sbin/rabbitmqctl", "--quiet", *words], check=True, **options)

    def turn(self) -> bool:
        """Tell whether this is the first of the nodes that run."""
        said = self.control("cluster_status", "--formatter=json", stdout=subprocess.PIPE)
        return bool(min(json.loads(said.stdout)["running_nodes"]) == self.settings["node"])

    def dump(self, _out: IO[bytes]) -> None:
        """Write the definitions to stdout."""
        self.control("export_definitions", "-")

    def load(self, source: IO[bytes], _login: dict[str, str]) -> dict[str, int]:
        """Declare what a dump holds; return how much of each kind."""
        text = source.read()
        definitions = json.loads(text)
        # From its standard input rabbitmqctl never comes to an end; the file lies in memory, for it holds hashes of passwords.
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            file = Path(folder) / self.file_name
            file.write_bytes(text)
            for path in (Path(folder), file):
                shutil.chown(path, "rabbitmq")
            self.control("import_definitions", str(file), stdout=subprocess.DEVNULL)
        return {kind: len(entries) for kind, entries in definitions.items() if isinstance(entries, list)}


STORES: dict[str, type[MongoDB] | type[RabbitMQ]] = {"mongodb": MongoDB, "rabbitmq": RabbitMQ}


class Backup:
    """The backups of one component."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.settings = json.loads((SETTINGS_DIR / f"{component}.json").read_text())
        self.secrets = Path(self.settings["secrets_dir"])
        self.store = STORES[component](self.settings["store"], self.secrets)

    def command(self, *words: str) -> list[str]:
        """Give the command line of restic; it tells how to reach the repository, but no secret."""
        options = [f"--password-file={self.secrets / 'password'}", f"--repo={self.settings['repository']}"]
        if cache := os.environ.get("CACHE_DIRECTORY"):
            options.append(f"--cache-dir={cache}")
        else:
            options.append("--no-cache")
        if ssh := self.settings["ssh"]:
            told = {
                "BatchMode": "yes",
                "ConnectTimeout": 20,
                "IdentitiesOnly": "yes",
                "IdentityFile": ssh["key_file"],
                "Port": ssh["port"],
                "ServerAliveInterval": 20,
                "StrictHostKeyChecking": "yes",
                "UserKnownHostsFile": ssh["known_hosts_file"],
            }
            arguments = " ".join(["-F", "none", *(f"-o {name}={value}" for name, value in told.items())])
            options.append(f"--option=sftp.args={arguments}")
        if (s3 := self.settings["s3"]) and s3["ca_file"]:
            options.append(f"--cacert={s3['ca_file']}")
        return ["/usr/bin/restic", *options, "--quiet", f"--retry-lock={self.settings['timeout']}s", *words]

    def environment(self) -> dict[str, str]:
        """Give what restic learns by its environment."""
        told = dict(os.environ)
        for variable, file in {
            "AWS_ACCESS_KEY_ID": "access_key",
            "AWS_SECRET_ACCESS_KEY": "secret_key",
        }.items():
            if (self.secrets / file).exists():
                told[variable] = (self.secrets / file).read_text().strip()
        if s3 := self.settings["s3"]:
            told["AWS_DEFAULT_REGION"] = s3["region"]
        return told

    def restic(self, *words: str, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run restic."""
        return subprocess.run(self.command(*words), env=self.environment(), check=True, **options)

    def open(self) -> None:
        """Make the repository, unless there is one."""
        asked = subprocess.run(
            self.command("cat", "config"), env=self.environment(), check=False, capture_output=True, text=True
        )
        if asked.returncode == NO_REPOSITORY:
            self.restic("init", stdout=subprocess.DEVNULL)
            print("opened")
        elif asked.returncode:
            raise BackupError(asked.stderr.strip())
        else:
            print("open")

    def turn(self) -> None:
        """Exit as the condition of a unit."""
        raise SystemExit(0 if self.store.turn() else 1)

    def make(self) -> None:
        """Store a snapshot; the store's content goes straight into the repository, and a dump that fails leaves none."""
        # One name for all members, since it is one store.
        host = f"--host={self.component}"
        dump = [sys.executable, __file__, self.component, "dump"]
        self.restic(
            "backup", host, f"--stdin-filename={self.store.file_name}", "--stdin-from-command", "--", *dump
        )
        keep = [f"--keep-{period}={count}" for period, count in self.settings["keep"].items()]
        self.restic("forget", host, *keep, "--prune")

    def list(self) -> None:
        """Print the snapshots."""
        self.restic("snapshots", "--json")

    def dump(self) -> None:
        """Write the store's content to stdout."""
        self.store.dump(sys.stdout.buffer)
        sys.stdout.buffer.flush()

    def restore(self, snapshot: str) -> None:
        """Put the store back to a snapshot."""
        login = json.load(sys.stdin)
        words = self.command("dump", f"--host={self.component}", snapshot, self.store.file_name)
        with subprocess.Popen(
            words, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None  # noqa: S101
            counts = self.store.load(process.stdout, login)
            process.stdout.read()
        if process.returncode:
            raise BackupError(f"restic dump ended with {process.returncode}")
        print(json.dumps(counts))


def main() -> None:
    """Run the command that the arguments name."""
    verbs = ("open", "turn", "make", "list", "restore", "dump")
    match sys.argv[1:]:
        case [component, verb, *rest] if (
            component in STORES and verb in verbs and len(rest) == (verb == "restore")
        ):
            try:
                getattr(Backup(component), verb)(*rest)
            except Exception as error:
                if verb != "turn":
                    raise
                print(f"backup: {error}", file=sys.stderr)
                raise SystemExit(CANNOT_TELL) from error
        case _:
            print(__doc__, file=sys.stderr)
            raise SystemExit(2)


if __name__ == "__main__":
    main()
