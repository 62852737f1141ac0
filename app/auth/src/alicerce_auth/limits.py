"""How often a log-in may be tried, counted in Redis; while Redis is away nobody is turned away."""

import hashlib
from http import HTTPStatus

import pybreaker
from alicerce_common.cache import UNAVAILABLE
from alicerce_common.errors import ProblemError
from alicerce_common.logs import get_logger
from redis import Redis

log = get_logger(__name__)


class LoginLimit:
    """At most `attempts` log-ins that fail for one account from one address in `window` seconds."""

    def __init__(
        self, redis: Redis, breaker: pybreaker.CircuitBreaker, *, attempts: int, window: int
    ) -> None:
        self._redis = redis
        self._breaker = breaker
        self._attempts = attempts
        self._window = window

    @staticmethod
    def _key(account: str, address: str) -> str:
        # A digest: Redis need not know who logs in from where.
        digest = hashlib.sha256(f"{account}\n{address}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"auth:login:{digest[:32]}"

    def count(self, account: str, address: str) -> None:
        """Count an attempt before the password is looked at; raises ProblemError 429 when there were too many."""
        try:
            attempts, remaining = self._breaker.call(self._increment, self._key(account, address))
        except UNAVAILABLE as error:
            log.warning("log-ins are not limited: redis is away", exc_info=error)
            return
        if attempts > self._attempts:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many attempts to log in.",
                headers={"Retry-After": str(max(1, remaining))},
            )

    def forgive(self, account: str, address: str) -> None:
        """Forget the attempts: this one was right."""
        try:
            self._breaker.call(self._redis.delete, self._key(account, address))
        except UNAVAILABLE:
            return  # it was said above

    def _increment(self, key: str) -> tuple[int, int]:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, self._window, nx=True)
            pipeline.ttl(key)
            attempts, _, remaining = pipeline.execute()
        return int(attempts), int(remaining)
