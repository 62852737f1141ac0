"""Configuration from the environment, secrets from files; a service does not start without them.

A service composes its settings from the classes below and calls `load`:

    class Settings(WebSettings, DatabaseSettings, TokenSettings): ...

    settings = load(Settings)
"""

import os
import ssl
import sys
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

EX_CONFIG = 78
"""Exit status of a program that is configured wrongly (sysexits.h)."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class HostPort(NamedTuple):
    """One address of a store."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "HostPort":
        """Read `host:port` or `[address]:port`; raises ValueError."""
        host, separator, port = text.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{text.strip()!r} is not host:port")
        return cls(host, int(port))


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _addresses(value: object) -> object:
    parts = _comma_separated(value)
    if isinstance(parts, tuple):
        return tuple(HostPort.parse(part) if isinstance(part, str) else part for part in parts)
    return parts


HostPorts = Annotated[tuple[HostPort, ...], NoDecode, BeforeValidator(_addresses), Field(min_length=1)]
"""Comma-separated `host:port`, at least one."""

Urls = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated), Field(min_length=1)]
"""Comma-separated URLs, at least one."""


class Tls(BaseModel, frozen=True):
    """The platform's CA, and the certificate by which this service is known to stores, services and scrapers."""

    ca_file: Path
    certificate_file: Path
    key_file: Path

    def client_context(self) -> ssl.SSLContext:
        """Verify the server's chain and name, and present our certificate."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(str(self.certificate_file), str(self.key_file))
        return context

    def server_context(self) -> ssl.SSLContext:
        """Demand a client certificate of the platform's CA."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(str(self.certificate_file), str(self.key_file))
        return context


class ServiceSettings(BaseSettings):
    """What every process of a service is told."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    service_name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    service_release: str = Field(min_length=1)
    host_name: str = Field(min_length=1)
    availability_zone: str = Field(min_length=1)
    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$")
    tls_ca_file: Path | None = None
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    traces_endpoint: str = ""
    """Where OTLP over HTTP is taken, `https://host:4318/v1/traces`; empty: no traces."""
    traces_sample_ratio: float = Field(default=0.1, ge=0, le=1)
    """Share of the traces that is kept whatever happens in them."""
    traces_slow_seconds: float = Field(default=1.0, gt=0)
    """A request or an event that takes longer is kept, too."""
    allow_plaintext: bool = False
    """For tests: talk and listen without TLS, to and on loopback only."""

    @model_validator(mode="after")
    def _demand_tls(self) -> Self:
        files = (self.tls_ca_file, self.tls_certificate_file, self.tls_key_file)
        if all(files):
            return self
        if any(files) or not self.allow_plaintext:
            raise ValueError("TLS_CA_FILE, TLS_CERTIFICATE_FILE and TLS_KEY_FILE must all be set")
        for name, value in self:
            for item in value if isinstance(value, tuple) else ():
                if isinstance(item, HostPort) and item.host not in _LOOPBACK:
                    raise ValueError(f"{name.upper()}: without TLS only loopback is allowed, not {item.host}")
        return self

    @model_validator(mode="after")
    def _check_traces_endpoint(self) -> Self:
        if not self.traces_endpoint:
            return self
        try:
            url = urlsplit(self.traces_endpoint)
            complete = bool(url.hostname and url.port != 0 and url.path.strip("/"))
        except ValueError:
            complete = False
        if not complete or url.scheme not in {"http", "https"} or url.username or url.query:
            raise ValueError("TRACES_ENDPOINT is not a URL such as https://host:4318/v1/traces")
        if url.scheme == "http" and (self.tls is not None or url.hostname not in _LOOPBACK):
            raise ValueError("TRACES_ENDPOINT: only https, or loopback without TLS, is allowed")
        return self

    @cached_property
    def tls(self) -> Tls | None:
        """The TLS files, or None where a test allows plain loopback."""
        if self.tls_ca_file and self.tls_certificate_file and self.tls_key_file:
            return Tls(
                ca_file=self.tls_ca_file,
                certificate_file=self.tls_certificate_file,
                key_file=self.tls_key_file,
            )
        return None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take secrets from files alone: an environment shows up in crash reports and in /proc."""
        secrets = {name for name, field in settings_cls.model_fields.items() if field.annotation is SecretStr}

        def environment() -> dict[str, Any]:
            return {name: value for name, value in env_settings().items() if name not in secrets}

        def files() -> dict[str, Any]:
            return {name: value for name, value in file_secret_settings().items() if name in secrets}

        return init_settings, environment, files  # type: ignore[return-value]


class WebSettings(ServiceSettings):
    """The web process."""

    forwarded_hops: int = Field(default=2, ge=0, le=5)
    web_threads: int = Field(default=8, ge=1, le=64)


class ProcessSettings(ServiceSettings):
    """A process beside the web server, which shows health and metrics on a port of its own."""

    metrics_port: int = Field(ge=0, lt=65536)


class DatabaseSettings(ServiceSettings):
    """PostgreSQL."""

    database_hosts: HostPorts
    database_name: str
    database_user: str
    database_password: SecretStr = Field(min_length=1)
    database_connect_timeout: int = Field(default=3, ge=2)
    """Seconds for each host."""
    database_statement_timeout: float = Field(default=5, gt=0)
    """Seconds after which the server gives a statement up; the client waits 3 s longer and then drops the connection."""


class BrokerSettings(ServiceSettings):
    """RabbitMQ."""

    rabbitmq_hosts: HostPorts
    rabbitmq_vhost: str
    rabbitmq_user: str
    rabbitmq_password: SecretStr = Field(min_length=1)


class PublisherSettings(BrokerSettings):
    """A process that publishes events."""

    event_exchange: str


class ConsumerSettings(BrokerSettings, ProcessSettings):
    """A process that consumes events."""

    event_queue: str
    consumer_threads: int = Field(default=1, ge=1, le=64)
    """Handlers that run at once; one keeps the order of the queue."""


class MongoSettings(ServiceSettings):
    """MongoDB."""

    mongodb_hosts: HostPorts
    mongodb_replica_set: str | None = None
    mongodb_database: str
    mongodb_user: str
    mongodb_password: SecretStr = Field(min_length=1)


class RedisSettings(ServiceSettings):
    """Redis behind Sentinel."""

    redis_sentinels: HostPorts
    redis_primary_name: str
    redis_user: str
    redis_password: SecretStr = Field(min_length=1)


class TokenSettings(ServiceSettings):
    """A service that accepts access tokens."""

    jwt_issuer: str
    jwt_audience: str
    jwks_urls: Urls


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S]) -> S:
    """Read the settings, or end the program with status 78 and one line for each variable that is missing or wrong."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        return settings(_secrets_dir=directory if directory and Path(directory).is_dir() else None)  # type: ignore[call-arg]
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            field = settings.model_fields.get(name)
            what = (
                f"secret {name} (a file in $CREDENTIALS_DIRECTORY)"
                if field and field.annotation is SecretStr
                else name.upper()
            )
            message = (
                "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
            )
            sys.stderr.write(f"configuration error: {what + ': ' if what else ''}{message}\n")
        sys.exit(EX_CONFIG)
