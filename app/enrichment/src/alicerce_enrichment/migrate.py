"""`python -m alicerce_enrichment.migrate`: make the collection and its indexes.

Prints `migrated`, or `unchanged` when all of it is there.
"""

import sys

from alicerce_common import mongo
from alicerce_common.config import MongoSettings, load

from alicerce_enrichment.store import ProfileStore


def main() -> None:
    """Run once a release, by the playbook."""
    settings = load(MongoSettings)
    with mongo.make_client(settings) as client:
        migrated = ProfileStore(client, settings.mongodb_database).migrate()
    sys.stdout.write("migrated\n" if migrated else "unchanged\n")


if __name__ == "__main__":
    main()
