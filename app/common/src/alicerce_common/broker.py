"""RabbitMQ: how to reach it."""

import random

import pika

from alicerce_common.config import BrokerSettings

HEARTBEAT = 10
"""Seconds; a dead broker is noticed after two of them at most."""


def connection_parameters(settings: BrokerSettings, *, label: str) -> list[pika.ConnectionParameters]:
    """Return one entry a host, in random order so that clients spread and none waits for the same dead host first."""
    context = settings.tls.client_context() if settings.tls else None
    parameters = [
        pika.ConnectionParameters(
            host=address.host,
            port=address.port,
            virtual_host=settings.rabbitmq_vhost,
            credentials=pika.PlainCredentials(
                settings.rabbitmq_user, settings.rabbitmq_password.get_secret_value()
            ),
            ssl_options=pika.SSLOptions(context, server_hostname=address.host) if context else None,
            heartbeat=HEARTBEAT,
            blocked_connection_timeout=30,
            socket_timeout=3,
            stack_timeout=6,
            tcp_options={"TCP_USER_TIMEOUT": 6000},
            client_properties={"connection_name": f"{settings.service_name}.{label}@{settings.host_name}"},
        )
        for address in settings.rabbitmq_hosts
    ]
    random.shuffle(parameters)
    return parameters


def backoff(attempt: int, *, first: float = 0.2, most: float = 5.0) -> float:
    """Return the seconds to wait before a further attempt (0, 1, …): doubled each time, with full jitter."""
    return random.uniform(first / 2, min(most, first * 2 ** min(attempt, 16)))  # noqa: S311 (no secret)
