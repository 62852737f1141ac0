#!/usr/bin/env python3
"""What a service sees of RabbitMQ. Reads its settings as JSON from standard input, prints what it found as JSON."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

SETTINGS: dict[str, Any] = json.load(sys.stdin)
BEGUN, STOP = Path("/run/molecule-begun"), Path("/run/molecule-stop")
"""Made by `flow` once it has published for a while; made by whoever wants it to publish a while longer and end."""
ENOUGH = 30
"""Confirmed messages that count as a while."""
UNAVAILABLE = (pika.exceptions.AMQPError, OSError)


def connection(
    user: str, password: str, *, certificate: bool = True, host: str = SETTINGS["host"]
) -> pika.BlockingConnection:
    """A connection to a node; by default the one that the settings name."""
    context = ssl.create_default_context(cafile=SETTINGS["ca_file"])
    if certificate:
        context.load_cert_chain(SETTINGS["certificate_file"], SETTINGS["key_file"])
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=host,
            port=SETTINGS["port"],
            virtual_host=SETTINGS["vhost"],
            credentials=pika.PlainCredentials(user, password),
            ssl_options=pika.SSLOptions(context, host),
            socket_timeout=5,
            stack_timeout=10,
            blocked_connection_timeout=10,
        )
    )


def channel(user: str, host: str = SETTINGS["host"]) -> BlockingChannel:
    """A channel of a service's account."""
    return connection(user, SETTINGS["passwords"][user], host=host).channel()


def refusal(call: Callable[[], Any]) -> str:
    """What a call is refused with."""
    try:
        call()
    except UNAVAILABLE as error:
        return repr(error)
    return ""


def publish() -> dict[str, Any]:
    """Publish with confirms; an exception when the broker does not take it, or no queue does."""
    link = channel("users")
    link.confirm_delivery()
    properties = pika.BasicProperties(message_id=SETTINGS["message"], delivery_mode=2)
    link.basic_publish(
        SETTINGS["exchange"], "user.created", SETTINGS["message"].encode(), properties, mandatory=True
    )
    return {"published": SETTINGS["message"]}


def consume() -> dict[str, Any]:
    """Take what is in the queue, until the message comes; reject it for good, or acknowledge it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            link = channel("enrichment")
            for method, properties, body in link.consume(SETTINGS["queue"], inactivity_timeout=5):
                if method is None:
                    break
                if properties.message_id == SETTINGS["message"] and SETTINGS.get("reject"):
                    link.basic_reject(method.delivery_tag, requeue=False)
                else:
                    link.basic_ack(method.delivery_tag)
                if properties.message_id == SETTINGS["message"]:
                    link.connection.close()
                    return {"consumed": body.decode(), "at": time.time()}
        except pika.exceptions.AMQPError:
            time.sleep(0.2)
    return {"consumed": None, "at": None}


class Receiver(threading.Thread):
    """Consumes from whichever node answers, and counts what it gets."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: Counter[int] = Counter()
        self.redelivered: set[int] = set()
        self.finished = threading.Event()

    def run(self) -> None:
        for host in itertools.cycle(SETTINGS["hosts"]):
            try:
                link = channel("enrichment", host)
                link.basic_qos(prefetch_count=20)
                for method, properties, _ in link.consume(SETTINGS["queue"], inactivity_timeout=0.5):
                    if self.finished.is_set():
                        return
                    if method is None:
                        continue
                    if (properties.message_id or "").startswith("flow-"):
                        number = int(properties.message_id.removeprefix("flow-"))
                        self.seen[number] += 1
                        if method.redelivered:
                            self.redelivered.add(number)
                    link.basic_ack(method.delivery_tag)
            except UNAVAILABLE:
                time.sleep(0.1)


def flow() -> dict[str, Any]:
    """Publish by whichever node answers, each message until it is confirmed, until told to stop and a while beyond.

    Another connection consumes meanwhile. Tells what was confirmed and never came, and what came twice though it was
    published once and was not marked as delivered again.
    """
    # Left by the one before: who makes it must find it there, so its reader does not take it away.
    STOP.unlink(missing_ok=True)
    receiver = Receiver()
    receiver.start()
    hosts = itertools.cycle(SETTINGS["hosts"])
    link: BlockingChannel | None = None
    tries: Counter[int] = Counter()
    confirmed: list[int] = []
    longest, last = 0.0, time.monotonic()
    end = last + SETTINGS["seconds"]
    goal = None
    while time.monotonic() < end and not (goal and len(confirmed) >= goal):
        if goal is None and STOP.exists():
            goal = len(confirmed) + ENOUGH
        number = len(confirmed)
        try:
            if link is None:
                link = channel("users", next(hosts))
                link.confirm_delivery()
            tries[number] += 1
            link.basic_publish(
                SETTINGS["exchange"],
                "user.created",
                b"{}",
                pika.BasicProperties(message_id=f"flow-{number}", delivery_mode=2),
                mandatory=True,
            )
        except UNAVAILABLE:
            link = None
            time.sleep(0.05)
            continue
        confirmed.append(number)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        if len(confirmed) == ENOUGH:
            BEGUN.touch()
        time.sleep(0.02)
    longest = max(longest, time.monotonic() - last)
    BEGUN.unlink(missing_ok=True)
    deadline = time.monotonic() + 60
    while set(confirmed) - receiver.seen.keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    receiver.finished.set()
    receiver.join(30)
    return {
        "in_time": goal is not None and len(confirmed) >= goal,
        "longest_gap_seconds": round(longest, 1),
        "confirmed": len(confirmed),
        "published_again": sum(tries.values()) - len(tries),
        "redelivered": len(receiver.redelivered),
        "lost": sorted(set(confirmed) - receiver.seen.keys()),
        "twice": sorted(
            number
            for number, times in receiver.seen.items()
            if times > 1 and tries[number] == 1 and number not in receiver.redelivered
        ),
    }


def refusals() -> dict[str, Any]:
    """Try what is not allowed."""

    def unroutable_right() -> None:
        link = channel("enrichment")
        link.confirm_delivery()
        link.basic_publish(SETTINGS["exchange"], "user.created", b"{}")

    def plain(port: int) -> None:
        with socket.create_connection((SETTINGS["host"], port), 3) as raw:
            raw.sendall(b"AMQP\x00\x00\x09\x01")
            if raw.recv(16)[:1] == b"\x01":
                return
        raise ConnectionRefusedError(port)

    def without_certificate() -> None:
        connection("users", SETTINGS["passwords"]["users"], certificate=False)

    return {
        "foreign queue": refusal(lambda: channel("users").basic_get(SETTINGS["queue"])),
        "own dead letters": refusal(lambda: channel("enrichment").basic_get(SETTINGS["queue"] + ".dead")),
        "publishing without the right": refusal(unroutable_right),
        "a queue of one's own": refusal(lambda: channel("users").queue_declare("mine", durable=True)),
        "wrong password": refusal(lambda: connection("users", "wrong")),
        "guest": refusal(lambda: connection("guest", "guest")),
        "no certificate": refusal(without_certificate),
        "plain text on the TLS port": refusal(lambda: plain(SETTINGS["port"])),
        "plain port": refusal(lambda: plain(5672)),
    }


print(
    json.dumps({"publish": publish, "consume": consume, "flow": flow, "refusals": refusals}[SETTINGS["do"]]())
)
