"""What MongoDB's exporter tells while MongoDB is away, and to whom. Molecule's scenario asks it beside a real member."""

import argparse
import datetime
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, MetricsHandler

from tests.unit.certificate import self_signed
from tests.unit.load import load_program

exporter = load_program("exporters/files/mongodb_exporter.py")
exporter_server = load_program("exporters/files/exporter_server.py")


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate that is its own authority."""
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def server(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An exporter of a member that does not run."""
    monkeypatch.setattr(exporter, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("exporter_server.ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        member = f"localhost:{closed.getsockname()[1]}"
    password = pem.parent / "password"
    password.write_text("secret")
    options = argparse.Namespace(
        address="127.0.0.1",
        port=0,
        member=member,
        user="exporter",
        password_file=password,
        ca_file=str(pem),
        pem_file=str(pem),
    )
    registry = CollectorRegistry()
    registry.register(exporter.MongoDBCollector(options))
    with exporter_server.Server(options, MetricsHandler.factory(registry)) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def scrape(server: Any, pem: Path, *, certificate: bool = True) -> str:
    context = ssl.create_default_context(cafile=str(pem))
    if certificate:
        context.load_cert_chain(pem)
    connection = http.client.HTTPSConnection("localhost", server.server_port, context=context, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_it_tells_that_the_member_does_not_answer(server: Any, pem: Path) -> None:
    samples = [line for line in scrape(server, pem).splitlines() if not line.startswith("#")]
    assert samples == ["mongodb_up 0.0"]


def test_an_answer_ends_as_tls_wants_it(server: Any, pem: Path) -> None:
    context = ssl.create_default_context(cafile=str(pem))
    context.load_cert_chain(pem)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    with (
        socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
    ):
        tls.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        said = b""
        while part := tls.recv(65536):
            said += part
    assert said.endswith(b"mongodb_up 0.0\n")


def test_who_has_no_certificate_is_refused(server: Any, pem: Path) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        scrape(server, pem, certificate=False)


def test_a_silent_client_stops_nobody(server: Any, pem: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)):
        assert "mongodb_up 0.0" in scrape(server, pem)


def test_a_member_without_data_tells_no_time_of_its_last_write() -> None:
    def told(**own: Any) -> list[str]:
        status = {
            "myState": 5,
            "members": [{"self": True, **own}, {"optimeDate": datetime.datetime.now(datetime.UTC)}],
        }
        return [metric.name for metric in exporter.replica_set_metrics(status)]

    epoch = datetime.datetime.fromtimestamp(0, datetime.UTC)
    assert told(optimeDate=epoch) == ["mongodb_replica_set_state"]
    assert told(optimeDate=epoch + datetime.timedelta(days=1)) == [
        "mongodb_replica_set_state",
        "mongodb_replica_set_applied_timestamp_seconds",
    ]
