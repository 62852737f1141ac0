"""What a store holds, beside what the clients write; and the loss of all of it."""

from __future__ import annotations

from tests.failure.platform import Platform

DESTROY = {
    "postgresql": "systemctl kill --signal=KILL patroni; systemctl stop patroni; rm -rf /var/lib/postgresql/17/*",
    "mongodb": "systemctl kill --signal=KILL mongod; systemctl stop mongod; rm -rf /var/lib/mongodb/*",
}

# One line a table: its name and the checksum of its rows, whatever their order.
POSTGRESQL_SUMS = r"""
for database in $(runuser -u postgres -- psql -XAtc "SELECT datname FROM pg_database WHERE NOT datistemplate"); do
  runuser -u postgres -- psql -XAt -d $database -c "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')" | while read -r table; do
    echo "$database $table $(runuser -u postgres -- psql -XAt -d $database -c \
      "SELECT count(*), md5(string_agg(md5(row::text), '' ORDER BY md5(row::text))) FROM $table AS row")"
  done
done
"""
MONGODB_SUMS = """
for name in sorted(set(client.list_database_names()) - {"admin", "config", "local"}):
    for collection, checksum in sorted(client[name].command("dbHash")["collections"].items()):
        print(name, collection, checksum)
"""
WRITTEN = "history"
"""The database that is written to all the while; what it must hold tell the clients."""


def checksums(platform: Platform, store: str) -> dict[str, str]:
    """Return the checksum of every table or collection, but for those that are being written."""
    if store == "postgresql":
        said = platform.feed(platform.members(store)[0], "bash", POSTGRESQL_SUMS)
    else:
        said = platform.mongodb(MONGODB_SUMS)
    rows = [line.rsplit(" ", 1) for line in said.splitlines()]
    return {name: checksum for name, checksum in rows if name.split()[0] != WRITTEN}
