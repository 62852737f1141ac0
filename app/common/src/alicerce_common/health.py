"""`/healthz`: the process is alive. `/readyz`: it can serve, since its stores answer."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, json

from alicerce_common.config import ServiceSettings
from alicerce_common.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Check:
    """One thing that a process needs; `probe` raises when it is away."""

    name: str
    probe: Callable[[], object]
    critical: bool = True
    """False for what the service can do without: it is reported, but does not take the instance out."""


class Readiness:
    """Runs the checks side by side, each at most `timeout` seconds; a check that hangs is not started twice.

    What the service can do without gets `optional_timeout`: were it slow, whoever polls might lose patience with the service itself.
    The answer is kept for `cache` seconds, so that many pollers cost the stores no more than one.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        timeout: float = 2.0,
        optional_timeout: float = 0.5,
        cache: float = 1.0,
    ) -> None:
        self._checks = checks
        self._timeout = timeout
        self._optional_timeout = min(timeout, optional_timeout)
        self._cache = cache
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._running: dict[str, Future[object]] = {}
        self._answer: tuple[float, bool, dict[str, Any]] | None = None

    def __call__(self) -> tuple[bool, Mapping[str, Any]]:
        """Return whether every critical check holds, and each check's state."""
        with self._lock:
            if self._answer and time.monotonic() - self._answer[0] < self._cache:
                return self._answer[1:]
            if self._executor is None:  # not before the fork
                self._executor = ThreadPoolExecutor(max(1, len(self._checks)), thread_name_prefix="ready")
            for check in self._checks:
                if check.name not in self._running:
                    self._running[check.name] = self._executor.submit(check.probe)
            began = time.monotonic()
            states = {
                check.name: self._state(
                    check, began + (self._timeout if check.critical else self._optional_timeout)
                )
                for check in self._checks
            }
            ready = all(states[check.name] == "ok" for check in self._checks if check.critical)
            self._answer = (time.monotonic(), ready, states)
            return ready, states

    def _state(self, check: Check, deadline: float) -> str:
        future = self._running[check.name]
        try:
            future.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError as error:
            # A probe's own TimeoutError is the same class: only a future that is not done has run out of our time.
            if not future.done():
                return "no answer in time"
            state = _failed(check, error)
        except Exception as error:  # whatever a store's client raises
            state = _failed(check, error)
        else:
            state = "ok"
        del self._running[check.name]
        return state


def _failed(check: Check, error: BaseException) -> str:
    log.warning("readiness check failed", check=check.name, exc_info=error)
    return type(error).__name__


def init_app(
    app: Flask, settings: ServiceSettings, readiness: Readiness, *, alive: Callable[[], bool] | None = None
) -> None:
    """Add `/healthz` and `/readyz`; `alive` is for a process whose main loop can hang beside its HTTP thread."""
    facts = {
        "service": settings.service_name,
        "release": settings.service_release,
        "host": settings.host_name,
        "zone": settings.availability_zone,
    }

    def answer(good: bool, status: str, **more: object) -> Response:
        response = Response(
            json.dumps({"status": status, **facts, **more}),
            status=200 if good else 503,
            content_type="application/json",
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/healthz")
    def healthz() -> Response:
        good = alive is None or alive()
        return answer(good, "alive" if good else "stuck")

    @app.get("/readyz")
    def readyz() -> Response:
        ready, checks = readiness()
        return answer(ready, "ready" if ready else "not ready", checks=checks)
