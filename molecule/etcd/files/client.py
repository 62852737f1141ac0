#!/usr/bin/env python3
"""What Patroni sees of etcd. Reads its settings as JSON from standard input, prints what it found as JSON."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = json.load(sys.stdin)
URLS = [f"https://{host}:{SETTINGS['port']}" for host in SETTINGS["hosts"]]
OWN_URL = f"https://{SETTINGS['host']}:{SETTINGS['port']}"
OWN = SETTINGS["prefix"] + SETTINGS["name"]
RANGE_OF_ALL = "AA=="
BEGUN, STOP = Path("/run/molecule-begun"), Path("/run/molecule-stop")
"""Made by `outage` once it has written for a while; made by whoever wants it to write a while longer and end."""
ENOUGH = 30
"""Acknowledged writes that count as a while."""


def encoded(text: str) -> str:
    """Text as the JSON gateway wants it."""
    return base64.b64encode(text.encode()).decode()


class Member:
    """One member, by its JSON gateway."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = ""
        self.context = ssl.create_default_context(cafile=SETTINGS["ca_file"])
        self.context.load_cert_chain(SETTINGS["certificate_file"], SETTINGS["key_file"])

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        """Call a method; raises OSError, with etcd's words when it refuses."""
        request = urllib.request.Request(f"{self.url}/v3/{method}", json.dumps(body).encode())  # noqa: S310
        if self.token:
            request.add_header("Authorization", self.token)
        try:
            with urllib.request.urlopen(request, timeout=3, context=self.context) as answer:  # noqa: S310
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise OSError(error.read().decode()) from error

    def sign_in(self, name: str = "patroni", password: str = SETTINGS["password"]) -> Member:
        """Take a token for an account."""
        self.token = self.call("auth/authenticate", name=name, password=password)["token"]
        return self

    def put(self, key: str, value: str) -> None:
        """Write; returns once a quorum has it."""
        self.call("kv/put", key=encoded(key), value=encoded(value))

    def get(self, key: str) -> str | None:
        """Read what this member has of its own, without asking the others."""
        found = self.call("kv/range", key=encoded(key), serializable=True).get("kvs", [])
        return base64.b64decode(found[0]["value"]).decode() if found else None


def refusal(call: Callable[[], Any]) -> str:
    """What a call is refused with."""
    try:
        call()
    except OSError as error:
        return str(error) or repr(error)
    return ""


def ask(port: int, *, tls: bool) -> None:
    """Ask for the version without a certificate; raises OSError when etcd does not answer that."""
    context = ssl.create_default_context(cafile=SETTINGS["ca_file"])
    with socket.create_connection((SETTINGS["host"], port), 3) as raw:
        link = context.wrap_socket(raw, server_hostname=SETTINGS["host"]) if tls else raw
        link.sendall(f"GET /version HTTP/1.0\r\nHost: {SETTINGS['host']}\r\n\r\n".encode())
        answer = link.recv(1000)
        if b"etcdserver" not in answer:
            raise ConnectionRefusedError(answer)


def outcome() -> dict[str, Any]:
    """Write by the own member, read from each of the others, and try what is not allowed."""
    member = Member(OWN_URL).sign_in()
    value = str(time.time())
    member.put(OWN, value)
    seen = {}
    for url in URLS:
        reader = Member(url).sign_in()
        deadline = time.monotonic() + 5
        while (found := reader.get(OWN)) != value and time.monotonic() < deadline:
            time.sleep(0.05)
        seen[url] = found == value
    stranger = Member(OWN_URL)
    return {
        "read": seen,
        "cluster": member.call("cluster/member/list")["header"]["cluster_id"],
        "refused": {
            "write to a foreign key": refusal(lambda: member.put("/other/key", "x")),
            "read of a foreign key": refusal(lambda: member.get("/other/key")),
            "read of all keys": refusal(
                lambda: member.call("kv/range", key=RANGE_OF_ALL, range_end=RANGE_OF_ALL)
            ),
            "list of accounts": refusal(lambda: member.call("auth/user/list")),
            "switching accounts off": refusal(lambda: member.call("auth/disable")),
            "adding a member": refusal(
                lambda: member.call("cluster/member/add", peerURLs=["http://192.0.2.1"])
            ),
            "no account": refusal(lambda: stranger.get(OWN)),
            "wrong password": refusal(lambda: stranger.sign_in(password="wrong")),
            "unknown account": refusal(lambda: stranger.sign_in("nobody")),
            "no certificate": refusal(lambda: ask(SETTINGS["port"], tls=True)),
            "no certificate, as a peer": refusal(lambda: ask(SETTINGS["peer_port"], tls=True)),
            "plain text": refusal(lambda: ask(SETTINGS["port"], tls=False)),
        },
    }


def outage() -> dict[str, Any]:
    """Write by whichever member answers, until told to stop and a while beyond; tell the longest gap, and what was lost."""
    # Left by the one before: who makes it must find it there, so its reader does not take it away.
    STOP.unlink(missing_ok=True)
    acknowledged = []
    urls = itertools.cycle(URLS)
    member: Member | None = None
    longest, last = 0.0, time.monotonic()
    end = last + SETTINGS["seconds"]
    goal = None
    for number in itertools.count():
        if goal is None and STOP.exists():
            goal = len(acknowledged) + ENOUGH
        if time.monotonic() > end or (goal and len(acknowledged) >= goal):
            break
        try:
            member = member or Member(next(urls)).sign_in()
            member.put(f"{OWN}/{number}", "x")
        except OSError:
            member = None
            time.sleep(0.05)
            continue
        acknowledged.append(number)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        if len(acknowledged) == ENOUGH:
            BEGUN.touch()
        time.sleep(0.02)
    longest = max(longest, time.monotonic() - last)
    BEGUN.unlink(missing_ok=True)
    lost = acknowledged
    for url in itertools.islice(urls, len(URLS) * 10):
        with contextlib.suppress(OSError):
            reader = Member(url).sign_in()
            # Not serializable: the answer of the whole cluster.
            lost = [
                n for n in acknowledged if not reader.call("kv/range", key=encoded(f"{OWN}/{n}")).get("kvs")
            ]
            break
        time.sleep(0.5)
    return {
        "in_time": goal is not None and len(acknowledged) >= goal,
        "longest_gap_seconds": round(longest, 1),
        "acknowledged": len(acknowledged),
        "last": acknowledged[-1],
        "lost": lost,
    }


def own() -> dict[str, Any]:
    """What the own member knows by itself."""
    member = Member(OWN_URL).sign_in()
    listed = member.call("cluster/member/list")
    return {
        "cluster": listed["header"]["cluster_id"],
        "members": sorted(entry["name"] for entry in listed["members"]),
        "missing": [key for key in SETTINGS["keys"] if member.get(SETTINGS["prefix"] + key) is None],
    }


def leave() -> dict[str, Any]:
    """Take the own member from the cluster; etcd wants to have been stable for some seconds before."""

    def remove() -> None:
        root = Member(URLS[0]).sign_in("root", SETTINGS["root_password"])
        # None when an attempt went through whose answer came too late.
        for member in root.call("cluster/member/list")["members"]:
            if member["name"] == SETTINGS["name"]:
                root.call("cluster/member/remove", ID=member["ID"])

    deadline = time.monotonic() + 60
    while refused := refusal(remove):
        if time.monotonic() > deadline:
            raise SystemExit(refused)
        time.sleep(1)
    return {"left": SETTINGS["name"]}


print(json.dumps({"outcome": outcome, "outage": outage, "own": own, "leave": leave}[SETTINGS["do"]]()))
