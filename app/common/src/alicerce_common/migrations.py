"""Migrations of a service's database, run once by the playbook with the migrator's account.

A service has `alicerce_<service>/migrations/` with `versions/` and an `env.py` of one line of ours, and

    if __name__ == "__main__":
        migrations.main("alicerce_<service>")
"""

import sys

from alembic import command
from alembic import context as alembic_context
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from alicerce_common.config import DatabaseSettings, load
from alicerce_common.database import make_engine

LOCK = int.from_bytes(b"migrate", "big")
"""Key of the advisory lock that a migration holds, in the service's own database."""


def configuration(package: str, connection: Connection) -> Config:
    """Return Alembic's configuration for the migrations in the package."""
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.attributes["connection"] = connection
    return config


def run_environment(metadata: MetaData) -> None:
    """Do the work of `env.py`."""
    alembic_context.configure(
        connection=alembic_context.config.attributes["connection"],
        target_metadata=metadata,
        transaction_per_migration=False,
    )
    alembic_context.run_migrations()


def migrate(settings: DatabaseSettings, package: str) -> tuple[str | None, str | None]:
    """Bring the schema to the newest revision in one transaction; return the revisions before and after.

    A schema that a later release has migrated stays as it is: a release that was rolled back to can live with it.
    """
    # Building an index may take longer than any request.
    engine = make_engine(settings.model_copy(update={"database_statement_timeout": 3600.0}), pool_size=1)
    try:
        with engine.begin() as connection:
            # Whoever comes second waits here, and then finds nothing to do.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            before = MigrationContext.configure(connection).get_current_revision()
            config = configuration(package, connection)
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if before is None or before in known:
                command.upgrade(config, "head")
            after = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return before, after


def main(package: str) -> None:
    """Migrate, and print `migrated` and the revisions, or `up to date`."""
    before, after = migrate(load(DatabaseSettings), package)
    if before == after:
        sys.stdout.write(f"up to date\nat {after}\n")
    else:
        sys.stdout.write(f"migrated\nfrom {before or 'nothing'} to {after}\n")
