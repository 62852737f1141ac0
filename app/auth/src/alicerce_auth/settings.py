"""What auth is told."""

from datetime import timedelta
from functools import cached_property
from urllib.parse import urlsplit

from alicerce_common.config import DatabaseSettings, RedisSettings, WebSettings
from pydantic import Field, SecretStr, field_validator

from alicerce_auth.keys import SigningKey


class TokenIssuerSettings(DatabaseSettings):
    """How tokens are made and how long they hold."""

    jwt_issuer: str
    jwt_audience: str
    jwt_private_key: SecretStr
    access_token_minutes: int = Field(default=15, ge=1, le=60)
    refresh_token_days: int = Field(default=30, ge=1, le=365)
    """From log-in; using the token does not prolong it."""

    @field_validator("jwt_private_key")
    @classmethod
    def _demand_p256(cls, value: SecretStr) -> SecretStr:
        SigningKey.from_pem(value.get_secret_value())
        return value

    @cached_property
    def signing_key(self) -> SigningKey:
        """The key that signs access tokens."""
        return SigningKey.from_pem(self.jwt_private_key.get_secret_value())

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token holds."""
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        """How long a log-in can be prolonged."""
        return timedelta(days=self.refresh_token_days)


class Settings(TokenIssuerSettings, RedisSettings, WebSettings):
    """The web process."""

    login_attempts: int = Field(default=10, ge=1)
    """Failed log-ins for one account from one address, in a window of `login_window` seconds."""
    login_window: int = Field(default=300, ge=1)


class BootstrapSettings(DatabaseSettings):
    """Making the first administrator."""

    jwt_issuer: str
    administrator_email: str = ""
    administrator_password: SecretStr = Field(min_length=1)

    @property
    def email(self) -> str:
        """ADMINISTRATOR_EMAIL, else `administrator` at the issuer's host."""
        return self.administrator_email or f"administrator@{urlsplit(self.jwt_issuer).hostname}"
