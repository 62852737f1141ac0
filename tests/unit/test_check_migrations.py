"""Which migrations the running release can live with."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.load import ROOT, load_script

migrations = load_script("check_migrations")


def write(folder: Path, body: str, *, revision: str = "0002", before: str = '"0001"', head: str = "") -> Path:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    path = folder / f"{revision}.py"
    path.write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{revision}"\ndown_revision = {before}\n{head}\n\n'
        f"def upgrade() -> None:\n{lines}\n"
    )
    return path


@pytest.mark.parametrize(
    "body",
    [
        'op.add_column("people", sa.Column("nick", sa.Text))',
        'op.add_column("people", sa.Column("nick", sa.Text, nullable=False, server_default=""))',
        'op.add_column("people", sa.Column("full", sa.Text, sa.Computed("name"), nullable=False))',
        'op.create_index("people_nick", "people", ["nick"])',
        'op.create_table("pets", sa.Column("id", sa.Uuid, primary_key=True))\nop.create_unique_constraint("one", "pets", ["id"])',
        'op.create_table("pets")\nop.create_index("pets_id", "pets", ["id"], unique=True)',
        'op.alter_column("people", "nick", nullable=True)',
        'op.alter_column("people", "nick", server_default="")',
        'op.drop_index("people_nick")',
        'op.drop_constraint("one", "people")',
        'op.execute("CREATE INDEX people_nick ON people (nick)")',
        'op.execute(sa.text("UPDATE people SET nick = name"))',
        'op.execute("ALTER TABLE people ALTER nick DROP NOT NULL")',
        'op.execute("ALTER TABLE people DROP CONSTRAINT one")',
        'with op.batch_alter_table("people") as batch:\n    batch.add_column(sa.Column("nick", sa.Text))',
    ],
)
def test_what_adds_is_taken(tmp_path: Path, body: str) -> None:
    assert migrations.read(write(tmp_path, body)).faults == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('op.drop_table("people")', "drops the table people"),
        ('op.rename_table("people", "persons")', "renames the table people"),
        ('op.drop_column("people", "name")', "drops a column of people"),
        ('op.alter_column("people", "name", new_column_name="full")', "renames a column of people"),
        ('op.alter_column("people", "name", type_=sa.Integer)', "changes the type of a column of people"),
        ('op.alter_column("people", "name", nullable=False)', "makes a column of people NOT NULL"),
        ('op.alter_column("people", "name", server_default=None)', "takes the server_default"),
        (
            'op.add_column("people", sa.Column("nick", sa.Text, nullable=False))',
            "NOT NULL and has no server_default",
        ),
        (
            'op.add_column("people", sa.Column("nick", sa.Text, nullable=False, server_default=None))',
            "NOT NULL and has no server_default",
        ),
        ('op.add_column("people", nick)', "cannot be read here"),
        ('op.create_unique_constraint("one", "people", ["name"])', "adds a constraint to people"),
        ('op.create_check_constraint("one", "people", "name <> \'\'")', "adds a constraint to people"),
        ('op.create_foreign_key("one", "people", "pets", ["pet"], ["id"])', "adds a constraint to people"),
        ('op.create_index("one", "people", ["name"], unique=True)', "makes something unique in people"),
        ('op.create_table("pets")\nop.drop_column("people", "name")', "drops a column of people"),
        (
            'with op.batch_alter_table("people") as batch:\n    batch.drop_column("name")',
            "drops a column of people",
        ),
        (
            'with op.batch_alter_table("people") as batch:\n    batch.create_unique_constraint("one", ["name"])',
            "adds a constraint to people",
        ),
        ('op.execute("DROP TABLE people")', "drops a table by SQL"),
        ('op.execute("ALTER TABLE people DROP COLUMN name")', "drops a column by SQL"),
        ('op.execute("ALTER TABLE people DROP name")', "drops a column by SQL"),
        ('op.execute("ALTER TABLE people RENAME name TO full")', "renames something by SQL"),
        ('op.execute("ALTER TABLE people ALTER COLUMN name TYPE integer USING 0")', "changes a type by SQL"),
        ('op.execute("alter table people alter name set not null")', "makes a column NOT NULL by SQL"),
        ('op.execute(sa.text("CREATE UNIQUE INDEX one ON people (name)"))', "makes something unique by SQL"),
        ('op.execute(f"DROP TABLE {name}")', "cannot be read here"),
    ],
)
def test_what_takes_away_or_demands_is_refused(tmp_path: Path, body: str, fault: str) -> None:
    found = migrations.read(write(tmp_path, body)).faults
    assert any(fault in line for line in found), found


def test_the_way_back_is_not_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path, "pass")
    path.write_text(path.read_text() + '\n\ndef downgrade() -> None:\n    op.drop_table("people")\n')
    assert migrations.read(path).faults == []


def test_a_later_migration_may_contract(tmp_path: Path) -> None:
    write(tmp_path, "pass", revision="0001", before="None")
    write(tmp_path, "pass")
    write(
        tmp_path,
        'op.drop_column("people", "name")',
        revision="0003",
        before='"0002"',
        head='contracts = "0001"',
    )
    assert list(migrations.check(tmp_path)) == []


@pytest.mark.parametrize("contracts", ["0002", "0003", "0009"])
def test_only_one_before_it_has_expanded(tmp_path: Path, contracts: str) -> None:
    write(tmp_path, "pass", revision="0001", before="None")
    write(tmp_path, 'op.drop_table("people")', head=f'contracts = "{contracts}"')
    write(tmp_path, "pass", revision="0003", before='"0002"')
    assert [line.split(": ")[1] for line in migrations.check(tmp_path)] == [
        f"contracts '{contracts}', which is no migration before it"
    ]


def test_the_script_fails_and_names_the_remedy(tmp_path: Path) -> None:
    write(tmp_path, 'op.drop_table("people")')
    command = [sys.executable, str(ROOT / "scripts/check_migrations"), str(tmp_path)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert "0002.py:9: drops the table people" in run.stdout
    assert "contracts =" in run.stderr


def test_ours_are_fit() -> None:
    for folder in ROOT.glob("app/*/src/*/migrations/versions"):
        assert list(migrations.check(folder)) == []
