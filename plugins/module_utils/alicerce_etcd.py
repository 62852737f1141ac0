"""What the etcd modules share: the JSON gateway of a cluster."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import Any

INVALID_CREDENTIALS = 3
"""gRPC's code INVALID_ARGUMENT, by which etcd refuses a name or a password."""
NOT_ENABLED = 9
"""gRPC's code FAILED_PRECONDITION, by which etcd says that authentication is off."""


class EtcdError(Exception):
    """etcd's own words, with its gRPC code."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Etcd:
    """The JSON gateway of a cluster."""

    def __init__(self, endpoints: list[str], context: ssl.SSLContext, timeout: float) -> None:
        self.endpoints = endpoints
        self.context = context
        self.timeout = timeout
        self.token = ""

    @classmethod
    def of(cls, params: dict[str, Any]) -> Etcd:
        """Return the cluster that a module's parameters name. Raises OSError when its files cannot be used."""
        context = ssl.create_default_context(cafile=params["ca_file"])
        context.load_cert_chain(params["certificate_file"], params["key_file"])
        return cls(params["endpoints"], context, params["timeout"])

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        """Call a method of the API and return its answer. Raises EtcdError when it refuses or none answers."""
        silent = []
        for endpoint in self.endpoints:
            request = urllib.request.Request(f"{endpoint}/v3/{method}", data=json.dumps(body).encode())  # noqa: S310
            if self.token:
                request.add_header("Authorization", self.token)
            try:
                with urllib.request.urlopen(request, timeout=self.timeout, context=self.context) as answer:  # noqa: S310
                    return dict(json.load(answer))
            except urllib.error.HTTPError as error:
                raise self.refusal(method, error) from error
            except (OSError, http.client.HTTPException) as error:
                silent.append(f"{endpoint}: {error}")
        raise EtcdError(f"no member answers: {'; '.join(silent)}")

    @staticmethod
    def refusal(method: str, error: urllib.error.HTTPError) -> EtcdError:
        """Return what etcd says of a call that it refused."""
        text = error.read().decode(errors="replace")
        try:
            answer = json.loads(text)
            return EtcdError(f"{method}: {answer.get('error') or answer['message']}", answer["code"])
        except (ValueError, KeyError):
            return EtcdError(f"{method}: HTTP {error.code}: {text[:500]}")

    def authenticate(self, name: str, password: str) -> str | None:
        """Return a token, or nothing when name and password do not hold."""
        try:
            return str(self.call("auth/authenticate", name=name, password=password)["token"])
        except EtcdError as error:
            if error.code == INVALID_CREDENTIALS:
                return None
            raise


def key_range(prefix: str) -> tuple[str, str]:
    """Return key and range end of all keys with a prefix, in Base64 as the gateway wants them.

    The end is the prefix with its last byte raised by one; prefixes are text, so that never overflows.
    """
    start = prefix.encode()
    end = start[:-1] + bytes([start[-1] + 1])
    return base64.b64encode(start).decode(), base64.b64encode(end).decode()
