"""`python -m alicerce_auth.bootstrap`: make the first administrator; prints `created` or `exists`."""

import sys

from alicerce_common import database, logs
from alicerce_common.config import EX_CONFIG, load
from pydantic import ValidationError
from sqlalchemy.orm import Session

from alicerce_auth.schemas import SignUp
from alicerce_auth.service import ensure_administrator
from alicerce_auth.settings import BootstrapSettings


def main() -> int:
    """Make the account unless it is there; an administrator's changed password is left alone."""
    settings = load(BootstrapSettings)
    logs.configure(settings)
    try:
        new = SignUp(
            email=settings.email,
            password=settings.administrator_password.get_secret_value(),
            name="Administrator",
        )
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            sys.stderr.write(f"configuration error: administrator's {problem['loc'][0]}: {problem['msg']}\n")
        return EX_CONFIG
    engine = database.make_engine(settings, pool_size=1)
    with Session(engine, expire_on_commit=False) as session:
        created = ensure_administrator(session, new)
    engine.dispose()
    sys.stdout.write("created\n" if created else "exists\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
