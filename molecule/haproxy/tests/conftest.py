"""One edge host, asked as a client asks it: by its public name, with the certificate verified."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec

PUBLIC_NAME = os.environ["PUBLIC_NAME"]


@pytest.fixture(scope="session")
def edge() -> Iterator[urllib3.HTTPSConnectionPool]:
    with urllib3.HTTPSConnectionPool(
        os.environ["EDGE_ADDRESS"],
        server_hostname=PUBLIC_NAME,
        assert_hostname=PUBLIC_NAME,
        ca_certs=os.environ["CA_FILE"],
        headers={"Host": PUBLIC_NAME},
        retries=False,
        timeout=20,
    ) as pool:
        yield pool


@pytest.fixture(scope="session")
def ask(edge: urllib3.HTTPSConnectionPool) -> Callable[..., urllib3.BaseHTTPResponse]:
    def ask(
        method: str, path: str, headers: dict[str, str] | None = None, **request: Any
    ) -> urllib3.BaseHTTPResponse:
        return edge.request(method, path, headers={"Host": PUBLIC_NAME, **(headers or {})}, **request)

    return ask


@pytest.fixture(scope="session")
def token() -> Callable[..., str]:
    """Make an access token as auth would, with whatever differs."""
    own_key = Path(os.environ["JWT_PRIVATE_KEY_FILE"]).read_text()

    def make(key: Any = own_key, algorithm: str = "ES256", without: str = "", **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": os.environ["JWT_ISSUER"],
            "aud": os.environ["JWT_AUDIENCE"],
            "sub": "0b9e2a3e-9d0c-4f0e-8f5e-0d8a3d1f9c11",
            "iat": now,
            "nbf": now,
            "exp": now + 900,
            "type": "access",
            "roles": ["user"],
            **claims,
        }
        payload.pop(without, None)
        return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": "test"})

    return make


@pytest.fixture(scope="session")
def foreign_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
