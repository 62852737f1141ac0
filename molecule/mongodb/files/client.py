"""Use the replica set as a service does, and print what was found as JSON. Its orders are JSON on standard input."""

import contextlib
import json
import sys
import time
from pathlib import Path

from pymongo import MongoClient, ReadPreference
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

ORDERS = json.load(sys.stdin)
BEGUN, STOP = Path("/run/molecule-begun"), Path("/run/molecule-stop")
"""Made by `steady` once it has written; made by whoever wants it to end."""


def connect(**options):
    """Open a client to the whole set by its URI."""
    return MongoClient(
        f"mongodb://{','.join(ORDERS['members'])}/?replicaSet={ORDERS['replica_set']}&authSource=admin",
        **{
            "tls": True,
            "tlsCAFile": ORDERS["ca_file"],
            "tlsCertificateKeyFile": ORDERS["certificate_file"],
            "username": ORDERS["user"],
            "password": ORDERS["password"],
            "serverSelectionTimeoutMS": 5000,
            "connectTimeoutMS": 2000,
            "socketTimeoutMS": 5000,
            **options,
        },
    )


def refusal(attempt):
    """Return the error that an attempt ends in, None when it succeeds."""
    try:
        attempt()
    except OperationFailure as error:
        return error.code
    except PyMongoError as error:
        return type(error).__name__
    return None


def outcome():
    """Write through the primary, read from a secondary, and try what must not work."""
    with connect() as client, client.start_session(causal_consistency=True) as session:
        things = client[ORDERS["database"]].things
        things.insert_one({"value": 42}, session=session)
        secondary = things.with_options(
            read_preference=ReadPreference.SECONDARY, read_concern=ReadConcern("majority")
        )
        cursor = secondary.find({"value": 42}, session=session)
        read = len(list(cursor)) > 0
        return {
            "read_from": cursor.address[0] if read else None,
            "primary": client.primary[0],
            "foreign_database": refusal(lambda: client.users.things.insert_one({})),
            "administration": refusal(lambda: client.admin.command("replSetGetConfig")),
            "no_certificate": refusal(lambda: connect(tlsCertificateKeyFile=None).admin.command("ping")),
            "no_tls": refusal(
                lambda: connect(tls=False, tlsCAFile=None, tlsCertificateKeyFile=None).admin.command("ping")
            ),
            "wrong_password": refusal(lambda: connect(password="wrong").admin.command("ping")),
            "no_account": refusal(connect(username=None, password=None).users.things.find_one),
        }


def begin():
    """Drop what an earlier run wrote."""
    with connect() as client:
        client[ORDERS["database"]][ORDERS["collection"]].drop()


def outage():
    """Write for a while; return the longest time without an acknowledged write, and what was lost."""
    begin()
    acknowledged = []
    longest, last = 0.0, time.monotonic()
    end = last + ORDERS["seconds"]
    with connect(serverSelectionTimeoutMS=500) as client:
        things = client[ORDERS["database"]][ORDERS["collection"]]
        number = 0
        while time.monotonic() < end:
            number += 1
            with contextlib.suppress(PyMongoError):
                things.insert_one({"_id": number})
                acknowledged.append(number)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            time.sleep(0.05)
    longest = max(longest, time.monotonic() - last)
    return {
        "longest_gap_seconds": round(longest, 1),
        "acknowledged": len(acknowledged),
        "lost": lost(acknowledged),
    }


def steady():
    """Write until told to stop, each write once and as services do; return what failed and what was lost."""
    # Left by the one before: who makes it must find it there, so its reader does not take it away.
    STOP.unlink(missing_ok=True)
    begin()
    acknowledged, failed = [], []
    longest, last = 0.0, time.monotonic()
    end = last + ORDERS["seconds"]
    with connect(serverSelectionTimeoutMS=3000, socketTimeoutMS=None, timeoutMS=5000, w="majority") as client:
        things = client[ORDERS["database"]][ORDERS["collection"]]
        while time.monotonic() < end and not STOP.exists():
            number = len(acknowledged) + len(failed)
            try:
                things.insert_one({"_id": number})
                acknowledged.append(number)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            except PyMongoError as error:
                failed.append(f"{number}: {error}"[:300])
            BEGUN.touch()
            time.sleep(0.02)
    stopped = STOP.exists()
    BEGUN.unlink(missing_ok=True)
    return {
        "in_time": stopped,
        "longest_gap_seconds": round(longest, 1),
        "acknowledged": len(acknowledged),
        "failed": failed,
        "lost": lost(acknowledged),
    }


def lost(numbers):
    """Return those of the acknowledged writes that the set no longer has."""
    with connect() as client:
        there = set(client[ORDERS["database"]][ORDERS["collection"]].distinct("_id"))
    return sorted(set(numbers) - there)


def own():
    """Open a client to one member."""
    return MongoClient(
        ORDERS["member"],
        directConnection=True,
        tls=True,
        tlsCAFile=ORDERS["ca_file"],
        tlsCertificateKeyFile=ORDERS["certificate_file"],
        username=ORDERS["user"],
        password=ORDERS["password"],
        readPreference="secondaryPreferred",
    )


def count():
    """Return how many of the writes one member has of its own."""
    with own() as client:
        return client[ORDERS["database"]][ORDERS["collection"]].count_documents({})


def oplog():
    """Return the size of one member's oplog in MiB; asked as the administrator."""
    with own() as client:
        return client.local.command("listCollections", filter={"name": "oplog.rs"})["cursor"]["firstBatch"][
            0
        ]["options"]["size"] / (1 << 20)


def compatibility():
    """Set the version that the data are kept readable for, as the administrator."""
    with connect() as client:
        client.admin.command("setFeatureCompatibilityVersion", ORDERS["version"])


WORK = (outcome, outage, steady, count, oplog, compatibility)
json.dump({work.__name__: work for work in WORK}[ORDERS["do"]](), sys.stdout)
