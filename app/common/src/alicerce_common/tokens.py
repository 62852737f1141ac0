"""Access tokens as a resource service sees them: verified against the keys that auth publishes.

ES256 alone is accepted; issuer, audience, expiry and `type: access` are checked (RFC 8725, RFC 9068).
"""

import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import jwt
from flask import Flask, current_app, g, json, request
from jwt.algorithms import ECAlgorithm

from alicerce_common.config import Tls, TokenSettings
from alicerce_common.errors import RETRY_AFTER, ProblemError
from alicerce_common.logs import get_logger

log = get_logger(__name__)

ALGORITHM = "ES256"
ADMINISTRATOR = "administrator"
USER = "user"
LEEWAY = 5
"""Seconds by which the hosts' clocks may differ."""

_EXTENSION = "alicerce_token_verifier"


@dataclass(frozen=True)
class Identity:
    """Who asks, as the access token says."""

    account_id: UUID
    email: str
    name: str
    roles: frozenset[str]

    @property
    def is_administrator(self) -> bool:
        """Whether the holder may see everybody's data."""
        return ADMINISTRATOR in self.roles


class KeysUnavailableError(Exception):
    """No instance of auth gave its keys, and none are known from before."""


class KeySet:
    """The public keys of auth, by key id: kept, fetched again when old, and sooner when a token names an unknown one.

    Keys that are known stay in use while auth is away. `urls` are tried in turn, from the one that answered last.
    """

    def __init__(
        self,
        urls: Sequence[str],
        tls: Tls | None,
        *,
        lifetime: float = 300.0,
        retry_interval: float = 5.0,
        timeout: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._urls = list(urls)
        self._tls = tls
        self._lifetime = lifetime
        self._retry_interval = retry_interval
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, object] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")

    def get(self, key_id: str) -> object | None:
        """Return the key, or None when auth does not have it; raises KeysUnavailableError."""
        key = self._keys.get(key_id)
        now = self._clock()
        if key is None or now - self._fetched > self._lifetime:
            with self._lock:
                # A token with an invented key id may not make us ask auth each time.
                if now - self._tried > self._retry_interval and self._keys.get(key_id) is key:
                    self._refresh()
            key = self._keys.get(key_id)
        if key is None and not self._keys:
            raise KeysUnavailableError
        return key

    def _refresh(self) -> None:
        self._tried = self._clock()
        for url in list(self._urls):
            try:
                self._keys = self._fetch(url)
            except (OSError, ValueError, jwt.PyJWTError) as error:
                log.warning("cannot fetch the keys of auth", url=url, exc_info=error)
                self._urls.append(self._urls.pop(0))
            else:
                self._fetched = self._clock()
                return

    def _fetch(self, url: str) -> dict[str, object]:
        context = self._tls.client_context() if self._tls else None
        with urllib.request.urlopen(url, timeout=self._timeout, context=context) as answer:  # noqa: S310 -- from our configuration
            document = json.loads(answer.read(65536))
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise ValueError("not a JWK set")  # noqa: TRY004 -- bad content, not a wrong call
        keys: dict[str, object] = {}
        for jwk in document["keys"]:
            if (
                jwk.get("kty") == "EC"
                and jwk.get("crv") == "P-256"
                and jwk.get("use", "sig") == "sig"
                and jwk.get("kid")
            ):
                keys[jwk["kid"]] = ECAlgorithm.from_jwk(jwk)
        if not keys:
            raise ValueError("no usable key in the JWK set")
        return keys


class TokenVerifier:
    """Turns an access token into an identity."""

    def __init__(self, keys: KeySet, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    @classmethod
    def from_settings(cls, settings: TokenSettings) -> "TokenVerifier":
        """Build the verifier that the service's configuration describes; fetches nothing yet."""
        return cls(
            KeySet(settings.jwks_urls, settings.tls),
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )

    def verify(self, token: str) -> Identity:
        """Return whose token it is; raises ProblemError 401, or 503 when no key could be fetched yet."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(key_id) if isinstance(key_id, str) else None
            if key is None:
                raise jwt.InvalidKeyError
            claims = jwt.decode(
                token,
                key,  # type: ignore[arg-type]
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["iss", "aud", "sub", "exp", "iat", "type"]},
            )
            if claims["type"] != "access":
                raise jwt.InvalidTokenError
            roles = claims.get("roles")
            return Identity(
                account_id=UUID(claims["sub"]),
                email=str(claims["email"]),
                name=str(claims["name"]),
                roles=frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset(),
            )
        except jwt.ExpiredSignatureError:
            raise unauthorized("The access token has expired.", "invalid_token") from None
        except (jwt.PyJWTError, KeyError, ValueError):
            raise unauthorized("The access token is not valid.", "invalid_token") from None
        except KeysUnavailableError:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Tokens cannot be checked at the moment.",
                headers={"Retry-After": str(RETRY_AFTER)},
            ) from None


def unauthorized(detail: str, error: str | None = None) -> ProblemError:
    """Return the 401 with its challenge (RFC 6750)."""
    challenge = "Bearer" + (f' error="{error}"' if error else "")
    return ProblemError(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


def init_app(app: Flask, verifier: TokenVerifier) -> None:
    """Let the application's endpoints ask for tokens."""
    app.extensions[_EXTENSION] = verifier


def authenticate(role: str | None = None) -> Identity:
    """Verify the request's bearer token, once, and demand the role if one is given; raises ProblemError 401, 403."""
    identity: Identity | None = g.get("identity")
    if identity is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthorized("This needs an access token.")
        verifier: TokenVerifier = current_app.extensions[_EXTENSION]
        g.identity = identity = verifier.verify(token.strip())
    if role is not None and role not in identity.roles:
        raise ProblemError(HTTPStatus.FORBIDDEN, f"This needs the role {role}.")
    return identity


def current_identity() -> Identity:
    """Return who asks, in an endpoint that demands a token."""
    return authenticate()


def demand_owner_or_administrator(account_id: UUID) -> Identity:
    """Return who asks when the data is their own or they are an administrator; raises ProblemError 403 otherwise."""
    identity = current_identity()
    if identity.account_id != account_id and not identity.is_administrator:
        raise ProblemError(HTTPStatus.FORBIDDEN, "This belongs to somebody else.")
    return identity
