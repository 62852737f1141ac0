"""Redis behind Sentinel: a cache and a rate-limit store that services can do without for a while."""

from typing import Any

import pybreaker
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from alicerce_common.config import RedisSettings

TIMEOUT = 0.5
"""Seconds to connect and to wait for an answer: whoever asks has something better to do without Redis."""


def make_client(settings: RedisSettings) -> Redis:
    """Return a client that asks Sentinel for the primary whenever it connects; it connects at first use."""
    options: dict[str, Any] = {
        "username": settings.redis_user,
        "password": settings.redis_password.get_secret_value(),
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "socket_keepalive": True,
        # The clients' own default is to try ten times, for seconds.
        "retry": Retry(NoBackoff(), 1),
    }
    if settings.tls:
        options |= {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": str(settings.tls.ca_file),
            "ssl_certfile": str(settings.tls.certificate_file),
            "ssl_keyfile": str(settings.tls.key_file),
        }
    addresses = [tuple(address) for address in settings.redis_sentinels]
    sentinel = Sentinel(addresses, sentinel_kwargs=options, **options)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        settings.redis_primary_name, decode_responses=True
    )
    return client


def make_breaker() -> pybreaker.CircuitBreaker:
    """Return a breaker that spares requests the timeouts while Redis is away; it tries again after 10 s."""
    return pybreaker.CircuitBreaker(fail_max=3, reset_timeout=10, name="redis")


UNAVAILABLE = (RedisError, pybreaker.CircuitBreakerError)
"""What a call behind the breaker raises when Redis is away."""
