"""A steady load from the control node, through the edge."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Load:
    """So many calls a second, however long each takes, until the end; a call says what went wrong, or None."""

    def __init__(self, call: Callable[[], str | None], rate: float, threads: int = 8) -> None:
        self.rate = rate
        self.made = 0
        self.failures: list[str] = []
        self._call = call
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(threads, "load")
        self._clock = threading.Thread(target=self._keep_time, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._clock.join()
        self._pool.shutdown(cancel_futures=True)

    def _keep_time(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self._pool.submit(self._once)
            due += 1 / self.rate

    def _once(self) -> None:
        try:
            failure = self._call()
        except OSError as error:
            # requests' own errors are such.
            failure = repr(error)
        with self._lock:
            self.made += 1
            if failure is not None:
                self.failures.append(f"{time.strftime('%X')} {failure}"[:300])
