#!/usr/bin/env python3
"""What a service sees of Redis. Reads its settings as JSON from standard input, prints what it found as JSON."""

from __future__ import annotations

import json
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.sentinel import Sentinel

SETTINGS: dict[str, Any] = json.load(sys.stdin)
TLS = {
    "ssl": True,
    "ssl_ca_certs": SETTINGS["ca_file"],
    "ssl_certfile": SETTINGS["certificate_file"],
    "ssl_keyfile": SETTINGS["key_file"],
}
ACCOUNT = {"username": SETTINGS["user"], "password": SETTINGS["password"]}
TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}
BEGUN, STOP = Path("/run/molecule-begun"), Path("/run/molecule-stop")
"""Made by `steady` at its first write; made by whoever wants it to end."""


def sentinel() -> Sentinel:
    """A client as services have it: the same account on Sentinel and on Redis."""
    addresses = [(host, SETTINGS["sentinel_port"]) for host in SETTINGS["hosts"]]
    return Sentinel(addresses, sentinel_kwargs={**TLS, **ACCOUNT, **TIMEOUTS}, **TLS, **ACCOUNT, **TIMEOUTS)


def refusal(call: Callable[[], Any]) -> str:
    """The name of the error that a call raises."""
    try:
        call()
    except (redis.RedisError, OSError) as error:
        return type(error).__name__
    return ""


def outcome() -> dict[str, Any]:
    """Write and read, and try what is not allowed."""
    primary_host, _ = sentinel().discover_master(SETTINGS["primary_name"])
    primary = sentinel().master_for(SETTINGS["primary_name"])
    replica = sentinel().slave_for(SETTINGS["primary_name"])
    own, foreign = f"{SETTINGS['user']}:{uuid.uuid4()}", "someone-else:probe"
    value = str(time.time())
    primary.set(own, value, ex=60)
    deadline = time.monotonic() + 5
    while (seen := replica.get(own)) != value.encode() and time.monotonic() < deadline:
        time.sleep(0.05)
    port = SETTINGS["port"]
    with_ca_only = {"ssl": True, "ssl_ca_certs": SETTINGS["ca_file"]}

    def plain() -> None:
        with socket.create_connection((primary_host, port), 2) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(64).startswith(b"+PONG"):
                return
        raise ConnectionRefusedError

    return {
        "primary": primary_host,
        "read_on_replica": seen == value.encode(),
        "increments": primary.eval("return redis.call('incr', KEYS[1])", 1, f"{own}:counter") > 0,
        "refused": {
            "foreign key": refusal(lambda: primary.set(foreign, "x")),
            "foreign key in a script": refusal(
                lambda: primary.eval("return redis.call('get', KEYS[1])", 1, foreign)
            ),
            "foreign channel": refusal(lambda: primary.publish("someone-else:news", "x")),
            "names of all keys": refusal(lambda: primary.keys("*")),
            "names of some keys": refusal(primary.scan),
            "dangerous command": refusal(primary.flushall),
            "failover": refusal(
                lambda: sentinel().sentinels[0].execute_command("SENTINEL", "FAILOVER", "alicerce")
            ),
            "no account": refusal(redis.Redis(primary_host, port, **TLS, **TIMEOUTS).ping),
            "no certificate": refusal(
                redis.Redis(primary_host, port, **with_ca_only, **ACCOUNT, **TIMEOUTS).ping
            ),
            "plain text": refusal(plain),
        },
    }


def outage() -> dict[str, Any]:
    """Write until it works again; tell how long after the kill that was, and on whom."""
    while time.time() < SETTINGS["killed_at"] + 60:
        try:
            client = sentinel()
            client.master_for(SETTINGS["primary_name"]).set(f"{SETTINGS['user']}:after", "1", ex=60)
            host, _ = client.discover_master(SETTINGS["primary_name"])
        except redis.RedisError:
            time.sleep(0.1)
            continue
        return {"seconds": time.time() - SETTINGS["killed_at"], "primary": host}
    return {"seconds": None, "primary": None}


def steady() -> dict[str, Any]:
    """Write until told to stop, each key until it is acknowledged; tell the longest gap, and what was lost."""
    # Left by the one before: who makes it must find it there, so its reader does not take it away.
    STOP.unlink(missing_ok=True)
    primary = sentinel().master_for(SETTINGS["primary_name"])
    tries = acknowledged = 0
    longest, last = 0.0, time.monotonic()
    end = last + SETTINGS["seconds"]
    while time.monotonic() < end and not STOP.exists():
        tries += 1
        try:
            primary.set(f"{SETTINGS['user']}:steady:{acknowledged}", "1")
        except redis.RedisError:
            time.sleep(0.05)
            continue
        acknowledged += 1
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        BEGUN.touch()
        time.sleep(0.01)
    stopped = STOP.exists()
    BEGUN.unlink(missing_ok=True)
    there = sum(value is not None for value in primary.mget(keys(acknowledged)))
    return {
        "in_time": stopped,
        "longest_gap_seconds": round(longest, 1),
        "tries": tries,
        "acknowledged": acknowledged,
        "lost": acknowledged - there,
    }


def keys(number: int) -> list[str]:
    """The first keys that `steady` writes."""
    return [f"{SETTINGS['user']}:steady:{n}" for n in range(number)]


def own() -> dict[str, Any]:
    """How much of what `steady` wrote the own member has, and how much Sentinel likes it."""
    account = {"username": "administrator", "password": SETTINGS["administrator_password"]}
    member = redis.Redis(SETTINGS["host"], SETTINGS["port"], **TLS, **account, **TIMEOUTS)
    return {
        "there": sum(value is not None for value in member.mget(keys(SETTINGS["acknowledged"]))),
        "priority": member.config_get("replica-priority")["replica-priority"],
    }


WORK = {"outcome": outcome, "outage": outage, "steady": steady, "own": own}
print(json.dumps(WORK[SETTINGS["do"]]()))
