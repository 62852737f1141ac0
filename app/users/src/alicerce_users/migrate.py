"""`python -m alicerce_users.migrate`: bring the schema to this release."""

from alicerce_common import migrations

if __name__ == "__main__":
    migrations.main("alicerce_users")
