"""MongoDB: majority writes, and an error within seconds when no primary can be reached."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
from pymongo import MongoClient

from alicerce_common import tracing
from alicerce_common.config import MongoSettings, Tls

Document = dict[str, Any]
_instrumentor = PymongoInstrumentor()


@contextmanager
def _certificate_and_key(tls: Tls) -> Iterator[str]:
    # pymongo wants both in one file and reads it while the client is built: memory will do, no disk sees the key.
    descriptor = os.memfd_create("mongodb-client")
    try:
        os.write(descriptor, tls.certificate_file.read_bytes() + b"\n" + tls.key_file.read_bytes())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def make_client(settings: MongoSettings) -> "MongoClient[Document]":
    """Build a client; it connects, and starts its threads, at first use, so it may be built before a fork."""
    if settings.traces_endpoint and not _instrumentor.is_instrumented_by_opentelemetry:
        # Names commands and collections; documents and filters only with capture_statement.
        _instrumentor.instrument(tracer_provider=tracing.provider, capture_statement=False)
    options: dict[str, Any] = {
        "host": [f"{address.host}:{address.port}" for address in settings.mongodb_hosts],
        "replicaSet": settings.mongodb_replica_set,
        "username": settings.mongodb_user,
        "password": settings.mongodb_password.get_secret_value(),
        "authSource": "admin",
        "appname": settings.service_name,
        "w": "majority",
        "readConcernLevel": "majority",
        "serverSelectionTimeoutMS": 3000,
        "connectTimeoutMS": 2000,
        "heartbeatFrequencyMS": 2000,
        "timeoutMS": 5000,
        "maxPoolSize": 32,
        "uuidRepresentation": "standard",
        "tz_aware": True,
        "connect": False,
    }
    if settings.tls is None:
        return MongoClient(**options)
    with _certificate_and_key(settings.tls) as file:
        return MongoClient(
            tls=True, tlsCAFile=str(settings.tls.ca_file), tlsCertificateKeyFile=file, **options
        )


def probe(client: "MongoClient[Document]") -> Callable[[], None]:
    """Return a readiness probe: the primary answers."""

    def run() -> None:
        client.admin.command("ping")

    return run
