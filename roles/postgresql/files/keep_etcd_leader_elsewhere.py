#!/usr/bin/env python3
"""Hand etcd's lead to another zone than this host's; the unit runs it where PostgreSQL's primary is.

    keep-etcd-leader-elsewhere CONFIG MEMBER...     CONFIG: Patroni's; MEMBER: names of the members of etcd in this host's zone

A new leader of etcd begins every lease anew. Whoever takes primary and etcd's leader away at once would have the standbys wait for
a whole time to live of the leader's key (postgresql_ttl) after etcd's election, instead of for what is left of it.
Says what it did, with the journal's levels (sd-daemon(3)), and nothing when there was nothing to do. Exits 1, with the reason, when etcd refused.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TIMEOUT = 5.0
"""Seconds for one answer."""
MAX_BEHIND = 100
"""Entries that the heir may be behind the leader; etcd gives a hand-over up after one election timeout."""


@dataclass(frozen=True)
class Member:
    """A member of etcd, as it tells of itself."""

    url: str
    id: str
    leader: str
    index: int
    learner: bool

    @property
    def name(self) -> str:
        """Return the host's name."""
        return self.url.removeprefix("https://").rpartition(":")[0]


def ask(url: str, secured: ssl.SSLContext, **message: str) -> dict[str, Any]:
    """Call etcd's gateway (API reference v3, service Maintenance), always by https, and return the answer."""
    request = urllib.request.Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=secured) as answer:  # noqa: S310
        return dict(json.load(answer))


def members(urls: list[str], secured: ssl.SSLContext) -> list[Member]:
    """Return the members that answer."""
    found = []
    for url in urls:
        try:
            status = ask(f"{url}/v3/maintenance/status", secured)
        except OSError:
            continue
        found.append(
            Member(
                url,
                status["header"]["member_id"],
                status.get("leader", "0"),
                int(status["raftAppliedIndex"]),
                bool(status.get("isLearner")),
            )
        )
    return found


def heir(found: list[Member], leader: Member, near: set[str]) -> Member | None:
    """Return the member that is to lead instead of one that is near; None when all is well or nobody can."""
    able = [
        member
        for member in found
        if member.name not in near and not member.learner and leader.index - member.index <= MAX_BEHIND
    ]
    if leader.name not in near or not able:
        return None
    return max(able, key=lambda member: member.index)


def main(config: str, *near: str) -> int:
    """Move the lead if it is near; returns the exit status."""
    settings = yaml.safe_load(Path(config).read_text())["etcd3"]
    secured = ssl.create_default_context(cafile=settings["cacert"])
    secured.load_cert_chain(settings["cert"], settings["key"])
    found = members([f"https://{host}" for host in settings["hosts"]], secured)
    leader = next((member for member in found if member.id == member.leader), None)
    # Without a leader there is nothing to hand over; that etcd is not well, others tell.
    if leader and (successor := heir(found, leader, set(near))):
        try:
            ask(f"{leader.url}/v3/maintenance/transfer-leadership", secured, targetID=successor.id)
        except urllib.error.HTTPError as error:
            print(
                f"<3>{leader.name} keeps the lead: {error.read().decode(errors='replace')}", file=sys.stderr
            )
            return 1
        print(
            f"<5>etcd: {leader.name} hands the lead to {successor.name}, since PostgreSQL's primary is here"
        )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"etcd cannot be asked: {error}")
