"""Use the replica set as a service does, and print what was found as JSON. Its orders are JSON on standard input."""

import contextlib
import json
import sys
import time

from pymongo import MongoClient, ReadPreference
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

ORDERS = json.load(sys.stdin)


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


def outage():
    """Write for a while; return the longest time without an acknowledged write, and what was lost."""
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


def lost(numbers):
    """Return those of the acknowledged writes that the set no longer has."""
    with connect() as client:
        there = set(client[ORDERS["database"]][ORDERS["collection"]].distinct("_id"))
    return sorted(set(numbers) - there)


def count():
    """Return how many of the writes one member has of its own."""
    with MongoClient(
        ORDERS["member"],
        directConnection=True,
        tls=True,
        tlsCAFile=ORDERS["ca_file"],
        tlsCertificateKeyFile=ORDERS["certificate_file"],
        username=ORDERS["user"],
        password=ORDERS["password"],
        readPreference="secondaryPreferred",
    ) as client:
        return client[ORDERS["database"]][ORDERS["collection"]].count_documents({})


json.dump({"outcome": outcome, "outage": outage, "count": count}[ORDERS["do"]](), sys.stdout)
