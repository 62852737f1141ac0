#!/usr/bin/env python3
"""What a service sees of PostgreSQL. Reads its settings as JSON from standard input, prints what it found as JSON."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor

SETTINGS: dict[str, Any] = json.load(sys.stdin)
SERVICE = SETTINGS["service"]
MIGRATOR = f"{SERVICE}_migrator"
BEGUN, STOP = Path("/run/molecule-begun"), Path("/run/molecule-stop")
"""Made by `steady` once it has written; made by whoever wants it to end."""
PATIENCE = 10
"""Seconds that a write is tried again, as services do."""
GAP = 2
"""Seconds without a write that count as an outage; less may come from a busy machine."""


@contextlib.contextmanager
def session(user: str = SERVICE, **options: Any) -> Iterator[cursor]:
    """A session of an account on the leader, as services have it; each statement commits by itself."""
    hosts = options.pop("hosts", SETTINGS["hosts"])
    link = psycopg2.connect(
        **{
            "host": ",".join(hosts),
            "port": ",".join([str(SETTINGS["port"])] * len(hosts)),
            "dbname": SETTINGS["database"],
            "user": user,
            "password": SETTINGS["passwords"].get(user, "none"),
            "target_session_attrs": "read-write",
            "sslmode": "verify-full",
            "sslrootcert": SETTINGS["ca_file"],
            "sslcert": SETTINGS["certificate_file"],
            "sslkey": SETTINGS["key_file"],
            "connect_timeout": 2,
            "tcp_user_timeout": 3000,
            **options,
        }
    )
    link.autocommit = True
    try:
        yield link.cursor()
    finally:
        link.close()


def refusal(statement: str, user: str = SERVICE, **options: Any) -> str:
    """What a statement, or the session for it, is refused with."""
    try:
        with session(user, **options) as leader:
            leader.execute(statement)
    except psycopg2.Error as error:
        return str(error)
    return ""


def migrate() -> dict[str, Any]:
    """Make what the test needs, as a migration does."""
    with session(MIGRATOR) as leader:
        leader.execute("CREATE TABLE IF NOT EXISTS notes (id bigserial PRIMARY KEY, body text)")
        leader.execute("CREATE TABLE IF NOT EXISTS writes (id bigint PRIMARY KEY)")
        leader.execute("TRUNCATE notes, writes")
    return {}


def outcome() -> dict[str, Any]:
    """Write on the leader, read on a standby, and try what is not allowed."""
    with session() as leader:
        leader.execute("INSERT INTO notes (body) VALUES ('draft') RETURNING id, inet_server_addr()")
        number, wrote_on = leader.fetchone()
        leader.execute("UPDATE notes SET body = 'final' WHERE id = %s", [number])
        leader.execute("INSERT INTO notes (body) VALUES ('gone') RETURNING id")
        leader.execute("DELETE FROM notes WHERE id = %s", [leader.fetchone()[0]])
    found = None
    deadline = time.monotonic() + 10
    with session(target_session_attrs="standby") as standby:
        while found is None and time.monotonic() < deadline:
            standby.execute("SELECT inet_server_addr() FROM notes WHERE id = %s AND body = 'final'", [number])
            found = standby.fetchone()
    no_certificate = {"sslcert": "/nonexistent", "sslkey": "/nonexistent"}
    other = SETTINGS["other_database"]
    return {
        "wrote_on": wrote_on,
        "read_on": found and found[0],
        "refused": {
            "new table": refusal("CREATE TABLE mine (id int)"),
            "temporary table": refusal("CREATE TEMPORARY TABLE mine (id int)"),
            "change of a table": refusal("ALTER TABLE notes ADD mine int"),
            "emptying a table": refusal("TRUNCATE notes"),
            "dropping a table": refusal("DROP TABLE notes"),
            "program on the host": refusal("COPY notes (body) FROM PROGRAM 'id'"),
            "new account": refusal("CREATE ROLE mine", MIGRATOR),
            "other service's database": refusal("SELECT 1", dbname=other),
            "other service's database, by the migrator": refusal("SELECT 1", MIGRATOR, dbname=other),
            "database postgres": refusal("SELECT 1", dbname="postgres"),
            "superuser from afar": refusal("SELECT 1", "postgres"),
            "wrong password": refusal("SELECT 1", password="wrong"),
            "no certificate": refusal("SELECT 1", **no_certificate),
            "no TLS": refusal("SELECT 1", sslmode="disable"),
        },
    }


def outage() -> dict[str, Any]:
    """Write until a gap is over or the time is up; tell all gaps, and what was lost of what was acknowledged."""
    acknowledged: list[int] = []
    gaps: list[dict[str, float]] = []
    last = time.time()
    end = last + SETTINGS["seconds"]
    numbers = itertools.count(1)
    while time.time() < end:
        try:
            with session() as leader:
                for number in numbers:
                    leader.execute("INSERT INTO writes VALUES (%s)", [number])
                    acknowledged.append(number)
                    now = time.time()
                    if now - last > GAP:
                        gaps.append({"began": last, "seconds": round(now - last, 1)})
                        end = min(end, now + 3)
                    last = now
                    if now > end:
                        break
                    time.sleep(0.02)
        except psycopg2.Error:
            time.sleep(0.1)
    if time.time() - last > GAP:
        gaps.append({"began": last, "seconds": round(time.time() - last, 1)})
    with session() as leader:
        leader.execute("SELECT id FROM writes")
        there = {row[0] for row in leader}
    return {
        "gaps": gaps,
        "acknowledged": len(acknowledged),
        "lost": [n for n in acknowledged if n not in there],
    }


def steady() -> dict[str, Any]:
    """Write until told to stop, each write again on a new session until it holds or time is up, as services do it."""
    # Left by the one before: who makes it must find it there, so its reader does not take it away.
    STOP.unlink(missing_ok=True)
    acknowledged: list[int] = []
    failed: list[int] = []
    longest, last = 0.0, time.monotonic()
    end = last + SETTINGS["seconds"]
    numbers = itertools.count(SETTINGS["first"])
    number, since = next(numbers), last
    while time.monotonic() < end and not STOP.exists():
        try:
            with session() as leader:
                while time.monotonic() < end and not STOP.exists():
                    leader.execute("INSERT INTO writes VALUES (%s) ON CONFLICT DO NOTHING", [number])
                    acknowledged.append(number)
                    longest, last = max(longest, time.monotonic() - last), time.monotonic()
                    BEGUN.touch()
                    time.sleep(0.02)
                    number, since = next(numbers), time.monotonic()
        except psycopg2.Error:
            if time.monotonic() - since > PATIENCE:
                failed.append(number)
                number, since = next(numbers), time.monotonic()
            time.sleep(0.1)
    stopped = STOP.exists()
    BEGUN.unlink(missing_ok=True)
    with session() as leader:
        leader.execute("SELECT id FROM writes")
        there = {row[0] for row in leader}
    return {
        "in_time": stopped,
        "longest_gap_seconds": round(longest, 1),
        "acknowledged": len(acknowledged),
        "failed": failed,
        "lost": [n for n in acknowledged if n not in there],
    }


def own() -> dict[str, Any]:
    """What the own member has."""
    with session(hosts=[SETTINGS["host"]], target_session_attrs="any") as member:
        member.execute("SELECT count(*) FROM writes")
        return {"writes": member.fetchone()[0]}


WORK = {"migrate": migrate, "outcome": outcome, "outage": outage, "steady": steady, "own": own}
print(json.dumps(WORK[SETTINGS["do"]]()))
