"""`python -m alicerce_auth.migrate`: bring the schema to this release."""

from alicerce_common import migrations

if __name__ == "__main__":
    migrations.main("alicerce_auth")
