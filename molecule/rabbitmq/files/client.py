#!/usr/bin/env python3
"""What a service sees of RabbitMQ. Reads its settings as JSON from standard input, prints what it found as JSON."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

SETTINGS: dict[str, Any] = json.load(sys.stdin)


def connection(user: str, password: str, *, certificate: bool = True) -> pika.BlockingConnection:
    """A connection to the node that the settings name."""
    context = ssl.create_default_context(cafile=SETTINGS["ca_file"])
    if certificate:
        context.load_cert_chain(SETTINGS["certificate_file"], SETTINGS["key_file"])
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=SETTINGS["host"],
            port=SETTINGS["port"],
            virtual_host=SETTINGS["vhost"],
            credentials=pika.PlainCredentials(user, password),
            ssl_options=pika.SSLOptions(context, SETTINGS["host"]),
            socket_timeout=5,
            stack_timeout=10,
            blocked_connection_timeout=10,
        )
    )


def channel(user: str) -> BlockingChannel:
    """A channel of a service's account."""
    return connection(user, SETTINGS["passwords"][user]).channel()


def refusal(call: Callable[[], Any]) -> str:
    """What a call is refused with."""
    try:
        call()
    except (pika.exceptions.AMQPError, OSError) as error:
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


print(json.dumps({"publish": publish, "consume": consume, "refusals": refusals}[SETTINGS["do"]]()))
