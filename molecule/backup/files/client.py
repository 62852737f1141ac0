"""Write to MongoDB, or tell what it holds, as JSON. Its orders are JSON on standard input."""

import json
import sys

from pymongo import ASCENDING, MongoClient

ORDERS = json.load(sys.stdin)


def write(client):
    """Make what a backup must bring back: rows, an index, options, a view."""
    shop = client.shop
    shop.things.insert_many({"_id": number, "text": "x" * number} for number in range(2000))
    shop.things.create_index([("text", ASCENDING)], unique=True)
    shop.create_collection("last", capped=True, size=4096)
    shop.last.insert_one({"_id": 1})
    shop.create_collection("short", viewOn="things", pipeline=[{"$match": {"_id": {"$lt": 5}}}])


def state(client):
    """Return the checksum of each collection, and what else belongs to it."""
    database = client.shop
    return {
        "checksums": database.command("dbHash")["collections"],
        "collections": sorted(
            json.dumps([about["name"], about["type"], about["options"]], default=str, sort_keys=True)
            for about in database.list_collections()
        ),
        "indexes": sorted(
            json.dumps(index, default=str, sort_keys=True) for index in database.things.list_indexes()
        ),
        "short": database.short.count_documents({}),
    }


with MongoClient(**ORDERS["client"]) as connected:
    if ORDERS["do"] == "write":
        write(connected)
    json.dump(state(connected), sys.stdout, sort_keys=True)
