"""The key that signs access tokens, and its public half as other services fetch it."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

ALGORITHM = "ES256"


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass(frozen=True)
class SigningKey:
    """A P-256 key; its id is the thumbprint of its public half (RFC 7638), and so the same on every host."""

    private_pem: str
    public_pem: str
    key_id: str
    jwk: dict[str, Any]

    @classmethod
    def from_pem(cls, pem: str) -> "SigningKey":
        """Read the key; raises ValueError when it is none, or not on P-256."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError):
            raise ValueError("is not an unencrypted private key in PEM format") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("is not an EC key on P-256")  # noqa: TRY004 (wrong content, not a wrong call)
        numbers = key.public_key().public_numbers()
        members = {
            "crv": "P-256",
            "kty": "EC",
            "x": _base64url(numbers.x.to_bytes(32, "big")),
            "y": _base64url(numbers.y.to_bytes(32, "big")),
        }
        canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
        key_id = _base64url(hashlib.sha256(canonical.encode()).digest())
        return cls(
            private_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            public_pem=key.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            key_id=key_id,
            jwk={**members, "use": "sig", "alg": ALGORITHM, "kid": key_id},
        )
