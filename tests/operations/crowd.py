"""People at a steady rate through the edge, while somebody works on the platform; what each of their requests came to.

Reads, changes, log-ins and sign-ups, each at its own rate. Clients do what HTTP allows and no more: a request that is idempotent
is sent once more when its connection breaks or the answer is 503 with Retry-After (RFC 9110, 9.2.2 and 10.2.3); others never.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import requests

RATES = {"read": 8.0, "change": 2.0, "log-in": 1.0, "sign-up": 0.5}
"""Requests a second of each kind."""
PEOPLE = 24
"""Who read, change and log in; all others only sign up."""
LONGEST = 20.0
"""Seconds after which a client gives up."""


@dataclass
class Call:
    """One request as its client saw it, with its retry if there was one."""

    kind: str
    due: float
    """By time.monotonic()."""
    ended: float
    """By time.time()."""
    seconds: float
    failure: str | None


@dataclass
class Somebody:
    """A person; only one thread at a time changes them."""

    email: str
    password: str
    token: str = ""
    revision: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Seen:
    """What was seen in a stretch of time."""

    calls: list[Call]

    @property
    def failures(self) -> list[str]:
        """Return the requests that failed, each with its time."""
        return [
            f"{time.strftime('%X', time.localtime(call.ended))} {call.kind}: {call.failure}"
            for call in self.calls
            if call.failure
        ]

    def p99(self) -> float:
        """Return the seconds within which 99 of 100 reads and changes were answered; others spend their time on passwords."""
        times = [call.seconds for call in self.calls if call.kind in {"read", "change"}]
        return statistics.quantiles(times, n=100)[98]

    def longest(self) -> float:
        """Return the seconds of the longest request."""
        return max(call.seconds for call in self.calls)


class Crowd:
    """So many people; as a context it asks without end."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.base = info["edge"]["url"] + "/api/v1"
        self.ca_file = info["ca_file"]
        self.local = threading.local()
        self.lock = threading.Lock()
        self.calls: list[Call] = []
        self.pending: list[float] = []
        self.newcomers: list[Somebody] = []
        self.people: list[Somebody] = []
        self.turns = {kind: itertools.count() for kind in RATES}
        self.over = threading.Event()
        self.pool = ThreadPoolExecutor(16, "crowd")
        self.clocks = [
            threading.Thread(target=self.keep_time, args=(kind, rate), daemon=True)
            for kind, rate in RATES.items()
        ]

    def __enter__(self) -> Self:
        for _ in range(PEOPLE):
            self.people.append(self.newcomer())
        for person in self.people:
            assert self.sign_up(person) is None
            assert self.log_in(person) is None
            deadline = time.monotonic() + LONGEST
            while (failure := self.change(person)) and time.monotonic() < deadline:
                time.sleep(0.5)
            assert failure is None, failure
        for clock in self.clocks:
            clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let everybody end what they do."""
        self.over.set()
        for clock in self.clocks:
            if clock.ident:
                clock.join()
        self.pool.shutdown()

    @contextlib.contextmanager
    def watched(self) -> Iterator[Seen]:
        """Give what will have been seen of the calls that begin in this context."""
        seen = Seen([])
        began = time.monotonic()
        yield seen
        ended = time.monotonic()
        while any(due <= ended for due in self.under_way()):
            time.sleep(0.2)
        with self.lock:
            seen.calls += [call for call in self.calls if began <= call.due <= ended]

    def under_way(self) -> list[float]:
        """Return when calls were due that have not ended yet."""
        with self.lock:
            return list(self.pending)

    def keep_time(self, kind: str, rate: float) -> None:
        due = time.monotonic()
        while not self.over.wait(max(0.0, due - time.monotonic())):
            with self.lock:
                self.pending.append(due)
            self.pool.submit(self.once, kind, due)
            due += 1 / rate

    def once(self, kind: str, due: float) -> None:
        """Do one thing, and note what came of it; a call that had to wait for another client's is as long as that makes it."""
        try:
            failure = self.act(kind)
        except Exception as error:  # whatever it is, it is no success
            failure = repr(error)[:300]
        with self.lock:
            self.pending.remove(due)
            self.calls.append(Call(kind, due, time.time(), time.monotonic() - due, failure))

    def act(self, kind: str) -> str | None:
        """Do the next thing of a kind; returns what is wrong with it, or None."""
        turn = next(self.turns[kind])
        if kind == "sign-up":
            person = self.newcomer()
            failure = self.sign_up(person)
            if failure is None:
                with self.lock:
                    self.newcomers.append(person)
            return failure
        person = self.people[turn % len(self.people)]
        return {"read": self.read, "change": self.change, "log-in": self.log_in}[kind](person)

    @staticmethod
    def newcomer() -> Somebody:
        return Somebody(f"crowd.{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(18))

    def send(self, method: str, path: str, person: Somebody, **options: Any) -> requests.Response:
        """Send one request and, where that is allowed, once more."""
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.trust_env = False
            self.local.session.verify = self.ca_file
        headers = {"Authorization": f"Bearer {person.token}"} if person.token else {}
        if method != "GET":
            # A connection that was kept may be closed just then, and nobody could tell what became of the request.
            headers["Connection"] = "close"
            with requests.Session() as session:
                session.trust_env = False
                session.verify = self.ca_file
                return session.request(method, self.base + path, headers=headers, timeout=LONGEST, **options)
        answer: requests.Response
        for again in (True, False):
            try:
                answer = self.local.session.get(self.base + path, headers=headers, timeout=LONGEST)
            except requests.ConnectionError:
                if again:
                    continue
                raise
            if answer.status_code == 503 and again and (pause := answer.headers.get("Retry-After")):
                time.sleep(float(pause))
                continue
            break
        return answer

    def expect(
        self, status: int, method: str, path: str, person: Somebody, **options: Any
    ) -> tuple[str | None, Any]:
        """Send a request; returns what is wrong or None, and the body."""
        try:
            answer = self.send(method, path, person, **options)
        except requests.RequestException as error:
            return repr(error)[:300], None
        if answer.status_code != status:
            return f"{answer.status_code} {answer.headers.get('X-Request-ID')} {answer.text[:200]}", None
        return None, answer.json()

    def sign_up(self, person: Somebody) -> str | None:
        body = {"email": person.email, "password": person.password, "name": "Célia Contínua"}
        return self.expect(201, "POST", "/auth/signup", person, json=body)[0]

    def log_in(self, person: Somebody) -> str | None:
        body = {"email": person.email, "password": person.password}
        failure, told = self.expect(200, "POST", "/auth/login", person, json=body)
        if told:
            person.token = told["access_token"]
        return failure

    def read(self, person: Somebody) -> str | None:
        return self.expect(200, "GET", "/users/me", person)[0]

    def change(self, person: Somebody) -> str | None:
        with person.lock:
            body = {"name": f"Célia Contínua {secrets.token_hex(3)}"}
            failure, told = self.expect(200, "PATCH", "/users/me", person, json=body)
            if told is None:
                return failure
            before, person.revision = person.revision, told["revision"]
            # A revision more is a change that was made twice, or made though its client was told otherwise.
            if before and told["revision"] != before + 1:
                return f"revision {told['revision']} after {before}"
            return None

    def unfinished(self, seconds: float) -> list[str]:
        """Wait until everybody's last change is enriched, no more and no less; returns what is not within so many seconds. Nobody may ask meanwhile."""
        with self.lock:
            expected = {person.email: (person, 1) for person in self.newcomers}
        expected |= {person.email: (person, person.revision) for person in self.people}
        deadline = time.monotonic() + seconds
        wrong: dict[str, str] = {}
        for email, (person, _) in expected.items():
            if not person.token and (failure := self.log_in(person)):
                wrong[email] = failure
        while True:
            left = {}
            for email, (person, least) in expected.items():
                failure, told = self.expect(200, "GET", "/enrichment/me", person)
                if failure or told["revision"] != least:
                    left[email] = failure or f"revision {told['revision']} of {least} is enriched"
            if not left or time.monotonic() > deadline:
                return [f"{email}: {why}" for email, why in (wrong | left).items()]
            expected = {email: expected[email] for email in left}
            time.sleep(2)
