import os
from collections.abc import Callable
from pathlib import Path

import pytest
from alicerce_common.config import (
    EX_CONFIG,
    ConsumerSettings,
    DatabaseSettings,
    HostPort,
    ServiceSettings,
    Tls,
    TokenSettings,
    WebSettings,
    load,
)
from stores import IDENTITY, environment

Give = Callable[..., None]

GIVEN = {
    **IDENTITY,
    "service_name": "users",
    "database_hosts": "localhost:5432, 127.0.0.1:5433,[::1]:5434",
    "database_name": "users",
    "database_user": "users",
    "database_password": "s3cret-value\n",
}


class Settings(WebSettings, DatabaseSettings):
    pass


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Give:
    def give(**changes: object) -> None:
        for name, value in environment({**GIVEN, **changes}, tmp_path / "credentials").items():
            monkeypatch.setenv(name, value)

    return give


def refuse(capsys: pytest.CaptureFixture[str], settings: type[ServiceSettings] = Settings) -> str:
    with pytest.raises(SystemExit) as stopped:
        load(settings)
    assert stopped.value.code == EX_CONFIG
    return capsys.readouterr().err


def test_reads_the_environment_and_secret_files(given: Give) -> None:
    given()
    settings = load(Settings)
    assert settings.database_hosts == (
        HostPort("localhost", 5432),
        HostPort("127.0.0.1", 5433),
        HostPort("::1", 5434),
    )
    assert settings.database_password.get_secret_value() == "s3cret-value"
    assert "s3cret" not in repr(settings)
    assert settings.forwarded_hops == 2


def test_names_what_is_missing(
    given: Give, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given()
    monkeypatch.delenv("DATABASE_NAME")
    (Path(os.environ["CREDENTIALS_DIRECTORY"]) / "database_password").unlink()
    # A secret in the environment does not count.
    monkeypatch.setenv("DATABASE_PASSWORD", "visible to everybody")
    message = refuse(capsys)
    assert "DATABASE_NAME: is missing" in message
    assert "secret database_password (a file in $CREDENTIALS_DIRECTORY): is missing" in message


def test_an_empty_secret_is_none(given: Give, capsys: pytest.CaptureFixture[str]) -> None:
    given(database_password=" \n")
    assert "secret database_password" in refuse(capsys)


def test_without_a_credentials_directory(
    given: Give, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/nowhere")
    assert "secret database_password" in refuse(capsys)


@pytest.mark.parametrize(
    "hosts", ["", "localhost", "localhost:", ":5432", "localhost:x", "localhost:70000", "localhost:0"]
)
def test_wrong_addresses_are_refused(given: Give, capsys: pytest.CaptureFixture[str], hosts: str) -> None:
    given(database_hosts=hosts)
    assert "DATABASE_HOSTS" in refuse(capsys)


def test_a_wrong_value_is_not_repeated(given: Give, capsys: pytest.CaptureFixture[str]) -> None:
    given(log_level="LOUD-AND-PRIVATE")
    message = refuse(capsys)
    assert "LOG_LEVEL" in message
    assert "PRIVATE" not in message


def test_tls_is_demanded(given: Give, capsys: pytest.CaptureFixture[str]) -> None:
    given(allow_plaintext=False)
    assert "TLS_CA_FILE, TLS_CERTIFICATE_FILE and TLS_KEY_FILE must all be set" in refuse(capsys)
    given(tls_ca_file="/ca.crt")
    assert "must all be set" in refuse(capsys)


def test_plaintext_is_for_loopback_only(given: Give, capsys: pytest.CaptureFixture[str]) -> None:
    given(database_hosts="localhost:5432,db.example:5432")
    assert "only loopback is allowed, not db.example" in refuse(capsys)


def test_tls_files(given: Give, tls_files: Tls) -> None:
    given(
        allow_plaintext=False,
        database_hosts="db.example:5432",
        tls_ca_file=tls_files.ca_file,
        tls_certificate_file=tls_files.certificate_file,
        tls_key_file=tls_files.key_file,
    )
    assert load(Settings).tls == tls_files


def test_urls_and_several_bases() -> None:
    class Both(TokenSettings, ConsumerSettings):
        pass

    settings = Both.model_validate(
        {
            **IDENTITY,
            "service_name": "x",
            "jwt_issuer": "i",
            "jwt_audience": "a",
            "jwks_urls": "https://a/jwks, https://b/jwks",
            "metrics_port": 0,
            "rabbitmq_hosts": "localhost:5671",
            "rabbitmq_vhost": "/",
            "rabbitmq_user": "u",
            "rabbitmq_password": "p",
            "event_queue": "q",
        }
    )
    assert settings.jwks_urls == ("https://a/jwks", "https://b/jwks")
    assert settings.tls is None
