"""Enriched profiles in MongoDB: one document a user, which holds its own inbox.

A document is `{_id: user, revision, …, inbox: [event ids]}`. One update writes the profile and the event's
id, and only where the event's revision is newer than the document's: no event takes effect twice or out of
order, whatever the broker repeats or reorders and however many workers there are.
"""

from enum import Enum
from typing import Final
from uuid import UUID

from alicerce_common.mongo import Document
from pymongo import ASCENDING, MongoClient, ReadPreference
from pymongo.errors import CollectionInvalid, DuplicateKeyError

from alicerce_enrichment.models import Enrichment

COLLECTION: Final = "profiles"
INBOX_SIZE: Final = 20
"""Event ids that a document keeps, latest last. They tell repeats from late events; the revision guards."""


class Outcome(Enum):
    """What became of an event."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"


class ProfileStore:
    """Reads and writes; raises pymongo's errors when MongoDB cannot be reached."""

    def __init__(self, client: MongoClient[Document], database: str) -> None:
        self._database = client[database]
        self._profiles = self._database[COLLECTION]

    def migrate(self) -> bool:
        """Make the collection and its indexes; tells whether anything was missing."""
        try:
            self._database.create_collection(COLLECTION)
            created = True
        except CollectionInvalid:
            created = False
        before = set(self._profiles.index_information())
        # For whoever enriches again what was enriched before a given time.
        self._profiles.create_index([("enriched_at", ASCENDING)], name="enriched_at")
        return created or set(self._profiles.index_information()) != before

    def apply(self, event_id: UUID, user_id: UUID, enrichment: Enrichment) -> Outcome:
        """Write an enrichment with its event's id, and only if it is newer than what is there."""
        key = str(user_id)
        newer = {"_id": key, "revision": {"$lt": enrichment.revision}}
        change = {
            "$set": _document(enrichment),
            "$push": {"inbox": {"$each": [str(event_id)], "$slice": -INBOX_SIZE}},
        }
        try:
            self._profiles.update_one(newer, change, upsert=True)
        except DuplicateKeyError:
            # There is a document, and it is not older, unless somebody made it this very moment.
            # The server answers when a majority has what it saw, so what is told here cannot be rolled back.
            if self._profiles.update_one(newer, change).matched_count == 0:
                seen = self._profiles.find_one({"_id": key, "inbox": str(event_id)}, {"_id": 1})
                return Outcome.DUPLICATE if seen else Outcome.STALE
        return Outcome.APPLIED

    def find(self, user_id: UUID) -> Enrichment | None:
        """Return what is known of a user; a secondary answers while there is no primary."""
        readable = self._profiles.with_options(read_preference=ReadPreference.PRIMARY_PREFERRED)
        document = readable.find_one({"_id": str(user_id)}, {"_id": 0, "inbox": 0})
        return None if document is None else Enrichment.model_validate(document)


def _document(enrichment: Enrichment) -> Document:
    # BSON has times but no dates.
    document = enrichment.model_dump(exclude={"birth_date"})
    document["birth_date"] = enrichment.birth_date.isoformat() if enrichment.birth_date else None
    return document
