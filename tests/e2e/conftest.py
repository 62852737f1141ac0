"""A client of the edge: by the platform's name, at its virtual IP, always verified by its CA."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

PATIENCE = 60.0
"""Seconds in which a change must have been enriched."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what `make test` has no time for: every zone")


COURSE: dict[str, list[float]] = {}
"""When each module's first test began, and when its last one ended."""


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note that a test begins."""
    COURSE.setdefault(module_of(nodeid), [time.time(), time.time()])


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Note that a test has ended, with all that it leaves behind."""
    COURSE[module_of(nodeid)][1] = time.time()


def module_of(nodeid: str) -> str:
    """Return the name of a test's module."""
    return Path(nodeid.partition("::")[0]).stem


@pytest.fixture(scope="session")
def course() -> dict[str, list[float]]:
    """Give the modules that have run so far, each with its beginning and end by the clock."""
    return COURSE


LEAST_RATIO = 0.1
"""Tests that need a trace look for a request that this share keeps, and so every higher one."""


def kept(request_id: str) -> bool:
    """Tell whether every ratio of LEAST_RATIO and above keeps the trace of a request."""
    return int(request_id.replace("-", "")[-14:], 16) >= (1 - LEAST_RATIO) * (1 << 56)


class PinnedAdapter(HTTPAdapter):
    """Leads one name to one address, as /etc/hosts would; the certificate must still be the name's."""

    def __init__(self, name: str, address: str, **options: Any) -> None:
        self._name, self._address = name, address
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._name, assert_hostname=self._name, **options)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        assert request.url
        request.headers["Host"] = self._name
        request.url = urlunsplit(urlsplit(request.url)._replace(netloc=self._address))
        return super().send(request, *args, **options)


class Edge:
    """Calls the platform, and holds every answer against what all answers promise. Threads may share it."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.origin = f"https://{info['edge']['name']}"
        self._info = info
        self._local = threading.local()
        self._lock = threading.Lock()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.waited = 0.0

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False
            session.verify = self._info["ca_file"]
            session.mount(
                self.origin, PinnedAdapter(self._info["edge"]["name"], self._info["edge"]["address"])
            )
            self._local.session = session
        return cast(requests.Session, self._local.session)

    def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """Send one request; a 429 is waited for as it asks."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        for _ in range(60):
            answer = self._session.request(method, self.origin + path, headers=headers, timeout=30, **options)
            with self._lock:
                self.answers[f"{method} {path.partition('?')[0]}", answer.status_code] += 1
            self.hold(answer)
            if answer.status_code != 429:
                break
            pause = float(answer.headers.get("Retry-After", 1))
            with self._lock:
                self.waited += pause
            time.sleep(pause)
        return answer

    @staticmethod
    def hold(answer: requests.Response) -> None:
        """Assert what holds of every answer of the interface."""
        what = f"{answer.request.method} {answer.request.path_url}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code < 500, what
        assert answer.headers.get("X-Request-ID"), f"{what}: no X-Request-ID"
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json", what
            problem = answer.json()
            assert {"type", "title", "status"} <= problem.keys(), what
            assert problem["status"] == answer.status_code, what
            assert (
                problem.get("request_id", answer.headers["X-Request-ID"]) == answer.headers["X-Request-ID"]
            ), what

    def sign_up(self, person: dict[str, str]) -> requests.Response:
        return self.call(
            "POST", "/api/v1/auth/signup", json={key: person[key] for key in ("email", "password", "name")}
        )

    def log_in(self, person: dict[str, str]) -> dict[str, Any]:
        answer = self.call(
            "POST", "/api/v1/auth/login", json={key: person[key] for key in ("email", "password")}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def enriched(self, token: str, revision: int) -> dict[str, Any]:
        """Wait for the enriched profile of a revision."""
        deadline = time.monotonic() + PATIENCE
        pause = 0.2
        while True:
            answer = self.call("GET", "/api/v1/enrichment/me", token=token)
            assert answer.status_code in {200, 404}, answer.text
            if answer.status_code == 200 and answer.json()["revision"] >= revision:
                return dict(answer.json())
            assert time.monotonic() < deadline, f"not enriched in {PATIENCE:.0f} s: {answer.text}"
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)


@pytest.fixture(scope="session")
def edge(lab: dict[str, Any]) -> Edge:
    return Edge(lab)


@pytest.fixture(scope="session")
def people() -> list[dict[str, Any]]:
    """Give the people of people.json, with addresses that no other run has used."""
    run = secrets.token_hex(4)
    people: list[dict[str, Any]] = json.loads((Path(__file__).parent / "people.json").read_text())
    for person in people:
        local, at, domain = person["email"].rpartition("@")
        person["email"] = f"{local}+{run}{at}{domain}" if at else person["email"]
    return people


@pytest.fixture(scope="session")
def administrator(lab: dict[str, Any], edge: Edge) -> str:
    """Give an access token of the first administrator."""
    password = Path(lab["administrator"]["password_file"]).read_text().strip()
    token: str = edge.log_in({"email": lab["administrator"]["email"], "password": password})["access_token"]
    return token


@pytest.fixture(scope="module")
def account(edge: Edge) -> dict[str, Any]:
    """Give somebody who has signed up and logged in: what they signed up with, their id and their tokens."""
    person = {
        "email": f"account.{secrets.token_hex(6)}@example.com",
        "password": secrets.token_urlsafe(18),
        "name": "Teresa Cristina",
    }
    answer = edge.sign_up(person)
    assert answer.status_code == 201, answer.text
    return person | {"id": answer.json()["id"]} | edge.log_in(person)
