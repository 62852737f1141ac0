"""Alembic's entry."""

from alicerce_common.migrations import run_environment

from alicerce_users.models import Base

run_environment(Base.metadata)
