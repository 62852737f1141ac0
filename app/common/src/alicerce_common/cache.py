"""Redis behind Sentinel: a cache and a rate-limit store that services can do without for a while."""

import time
from typing import Any, cast

import pybreaker
from opentelemetry.instrumentation.redis import RedisInstrumentor
from redis import Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

from alicerce_common import breakers, tracing
from alicerce_common.config import RedisSettings

TIMEOUT = 0.5
"""Seconds to connect and to wait for an answer: whoever asks has something better to do without Redis."""
_instrumentor = RedisInstrumentor()
DOUBT = 60.0
"""Seconds for which no single Sentinel is believed, once a primary has refused writes for want of replicas."""


class Sentinels(Sentinel):
    """Asks the first Sentinel that answers; in doubt all of them, and believes the latest election.

    A host that is cut off from the others, and not from this one, has a primary that no longer counts and a Sentinel
    that does not know (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
    """

    doubted_until = 0.0

    def doubt(self) -> None:
        """Believe no single Sentinel for a while."""
        self.doubted_until = time.monotonic() + DOUBT

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the primary's address. Raises MasterNotFoundError while none of those that answer knows one."""
        if time.monotonic() >= self.doubted_until:
            found: tuple[str, int] = super().discover_master(service_name)  # type: ignore[no-untyped-call]
            return found
        told: list[tuple[int, Redis, tuple[str, int]]] = []
        for sentinel in self.sentinels:
            try:
                masters = cast(dict[str, dict[str, Any]], sentinel.sentinel_masters())
            except (RedisConnectionError, RedisTimeoutError):
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                told.append((state["config-epoch"], sentinel, (state["ip"], state["port"])))
        if not told:
            raise MasterNotFoundError(f"No Sentinel knows a primary of {service_name!r}")
        _, informed, address = max(told, key=lambda each: each[0])
        # It is asked first from now on, when the doubt is over too.
        self.sentinels = sorted(self.sentinels, key=lambda sentinel: sentinel is not informed)
        return address


class PrimaryConnection(SentinelManagedConnection):
    """Gives up a primary that refuses writes for want of replicas, as one that has become a replica."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command; a connection that was lost asks Sentinel first, where the client's own would try the old address again."""
        if not self.is_connected:
            self.connect()  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Return the next answer. Raises redis.exceptions.ConnectionError when this primary no longer counts."""
        try:
            return super().read_response(*arguments, **options)
        except ResponseError as error:
            if not str(error).startswith("NOREPLICAS"):
                raise
            self.connection_pool.sentinel_manager.doubt()
            self.disconnect()  # type: ignore[no-untyped-call]
            raise RedisConnectionError("The primary has too few replicas to take writes") from error


class PrimarySSLConnection(PrimaryConnection, SSLConnection):
    """The same over TLS."""


def make_client(settings: RedisSettings) -> Redis:
    """Return a client that asks Sentinel for the primary whenever it connects; it connects at first use."""
    if settings.traces_endpoint and not _instrumentor.is_instrumented_by_opentelemetry:
        # Puts a question mark in the place of every key and value.
        _instrumentor.instrument(tracer_provider=tracing.provider)
    login: dict[str, Any] = {
        "username": settings.redis_user,
        "password": settings.redis_password.get_secret_value(),
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "socket_keepalive": True,
        # The clients' own default is to try ten times, for seconds.
        "retry": Retry(NoBackoff(), 1),
    }
    if settings.tls:
        login |= {
            "ssl": True,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": str(settings.tls.ca_file),
            "ssl_certfile": str(settings.tls.certificate_file),
            "ssl_keyfile": str(settings.tls.key_file),
        }
    addresses = [tuple(address) for address in settings.redis_sentinels]
    sentinels = Sentinels(addresses, sentinel_kwargs=login, **login)  # type: ignore[no-untyped-call]
    client: Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        settings.redis_primary_name,
        decode_responses=True,
        connection_class=PrimarySSLConnection if settings.tls else PrimaryConnection,
    )
    return client


def make_breaker() -> pybreaker.CircuitBreaker:
    """Return a breaker that spares requests the timeouts while Redis is away; it tries again after 10 s."""
    return breakers.make_breaker("redis", fail_max=3, reset_timeout=10)


UNAVAILABLE = (RedisError, pybreaker.CircuitBreakerError)
"""What a call behind the breaker raises when Redis is away."""
