import os
import subprocess
import sys
from pathlib import Path

import pybreaker
import pytest
from alicerce_common import breakers
from prometheus_client import REGISTRY


def fail() -> None:
    raise ConnectionError


def opened(name: str) -> float | None:
    return REGISTRY.get_sample_value("alicerce_breaker_opened_total", {"breaker": name})


def is_open(name: str) -> float | None:
    return REGISTRY.get_sample_value("alicerce_breaker_open", {"breaker": name})


def test_a_breaker_tells_that_it_opened_that_a_trial_failed_and_that_it_closed() -> None:
    breaker = breakers.make_breaker("first", fail_max=2, reset_timeout=0)
    assert (opened("first"), is_open("first")) == (0, 0)

    with pytest.raises(ConnectionError):
        breaker.call(fail)
    assert (opened("first"), is_open("first")) == (0, 0)

    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(fail)
    assert (opened("first"), is_open("first")) == (1, 1)

    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(fail)
    assert (opened("first"), is_open("first")) == (2, 1)

    breaker.call(int)
    assert (opened("first"), is_open("first")) == (2, 0)


WORKERS = """
import multiprocessing
from alicerce_common import breakers
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

breaker = breakers.make_breaker("shared", fail_max=1, reset_timeout=60)

def trip():
    try:
        breaker.call(lambda: 1 / 0)
    except Exception:
        pass

worker = multiprocessing.get_context("fork").Process(target=trip)
worker.start()
worker.join()
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def test_the_metrics_of_forked_workers_show_the_open_one(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", WORKERS],
        env={
            **os.environ,
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert 'alicerce_breaker_open{breaker="shared"} 1.0' in said
    assert 'alicerce_breaker_opened_total{breaker="shared"} 1.0' in said
