"""Somebody whose requests go the whole way, for tests that look whether the platform still serves."""

from __future__ import annotations

import secrets
import time
from typing import Any

import requests

PHONE = "+5521987654321"


class Person:
    """Someone who signs up, logs in, names a phone and waits to be enriched, all through the edge."""

    def __init__(self, lab: dict[str, Any]) -> None:
        self.base = lab["edge"]["url"] + "/api/v1"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = lab["ca_file"]

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.base + path, timeout=5, **options)

    def goes_through(self, deadline: float) -> str | None:
        """Try the whole way anew until it works or the deadline passes; return the last failure or None."""
        failure: str | None = "never tried"
        while time.monotonic() < deadline:
            try:
                failure = self.try_once(min(deadline, time.monotonic() + 20))
            except requests.RequestException as error:
                failure = repr(error)
            if failure is None:
                return None
            time.sleep(0.5)
        return failure

    def try_once(self, deadline: float) -> str | None:
        who = {
            "email": f"zone-{secrets.token_hex(6)}@mail.example.com",
            "password": secrets.token_urlsafe(16),
        }
        self.session.headers.pop("Authorization", None)
        answer = self.call("POST", "/auth/signup", json=who | {"name": "Zélia Zona"})
        if answer.status_code != 201:
            return f"signup: {answer.status_code} {answer.text}"
        answer = self.call("POST", "/auth/login", json=who)
        if answer.status_code != 200:
            return f"login: {answer.status_code} {answer.text}"
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        answer = self.call("PATCH", "/users/me", json={"phone": PHONE})
        if answer.status_code != 200:
            return f"patch: {answer.status_code} {answer.text}"
        revision = answer.json()["revision"]
        while time.monotonic() < deadline:
            answer = self.call("GET", "/enrichment/me")
            if answer.status_code == 200 and answer.json()["revision"] == revision:
                return None if answer.json()["phone"]["e164"] == PHONE else f"enriched wrongly: {answer.text}"
            time.sleep(0.3)
        return f"enrichment: {answer.status_code} {answer.text}"
