"""Circuit breakers whose state is told as metrics."""

import pybreaker
from prometheus_client import Counter, Gauge

OPEN = Gauge(
    "alicerce_breaker_open",
    "1 where a worker does without what stands behind the breaker, until a call tries it again",
    ["breaker"],
    multiprocess_mode="livemax",
)
OPENED = Counter(
    "alicerce_breaker_opened_total", "Times that a breaker opened, a trial that failed included", ["breaker"]
)


class _Told(pybreaker.CircuitBreakerListener):
    """Tells each change of a breaker's state."""

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,  # noqa: ARG002 (the listener's interface)
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        is_open = new_state.name == pybreaker.STATE_OPEN
        OPEN.labels(cb.name).set(is_open)
        if is_open:
            OPENED.labels(cb.name).inc()


def make_breaker(name: str, *, fail_max: int, reset_timeout: float) -> pybreaker.CircuitBreaker:
    """Return a breaker that opens after `fail_max` failures in a row and tries again after `reset_timeout` seconds."""
    # An increase can only be seen of what was there before.
    OPEN.labels(name).set(0)
    OPENED.labels(name)
    return pybreaker.CircuitBreaker(
        fail_max=fail_max, reset_timeout=reset_timeout, name=name, listeners=[_Told()]
    )
