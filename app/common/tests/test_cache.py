"""The client of Redis, against servers of its own: a primary that was cut off from its replicas is left for the one that was elected."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alicerce_common.cache import PrimarySSLConnection, make_client
from alicerce_common.config import RedisSettings, Tls
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from stores import IDENTITY, find_program, free_port, server, wait_for

USER, PASSWORD = "tester", "redis-of-the-test"
ACL = f"user {USER} on >{PASSWORD} ~* &* +@all\n"


@dataclass
class Split:
    """Two primaries, each with the Sentinel that names it."""

    old: int
    new: int
    old_sentinel: int
    new_sentinel: int

    def client(self, *sentinels: int) -> Redis:
        return make_client(settings(*sentinels or (self.old_sentinel, self.new_sentinel)))


def settings(*sentinels: int, **further: Any) -> RedisSettings:
    values: dict[str, Any] = {
        **IDENTITY,
        "service_name": "test",
        "redis_sentinels": ",".join(f"127.0.0.1:{port}" for port in sentinels),
        "redis_primary_name": "alicerce",
        "redis_user": USER,
        "redis_password": PASSWORD,
        **further,
    }
    return RedisSettings(**values)


@contextlib.contextmanager
def redis(folder: Path, port: int, configuration: str, *arguments: str) -> Iterator[None]:
    file = folder / f"{port}.conf"
    file.write_text(f"bind 127.0.0.1\nport {port}\ndir {folder}\n{ACL}{configuration}")
    with server([find_program("redis-server"), str(file), *arguments], log=folder / f"{port}.log"):
        with Redis(port=port, username=USER, password=PASSWORD) as client:
            wait_for(client.ping)
        yield


def monitor(port: int, epoch: int) -> str:
    """Return the configuration of a Sentinel that knows this primary by that election."""
    return (
        f"sentinel monitor alicerce 127.0.0.1 {port} 1\nsentinel config-epoch alicerce {epoch}\n"
        f"sentinel auth-user alicerce {USER}\nsentinel auth-pass alicerce {PASSWORD}\n"
    )


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Split]:
    made = Split(free_port(), free_port(), free_port(), free_port())
    with (
        redis(tmp_path, made.old, 'save ""\n'),
        redis(tmp_path, made.new, 'save ""\n'),
        redis(tmp_path, made.old_sentinel, monitor(made.old, 3), "--sentinel"),
        redis(tmp_path, made.new_sentinel, monitor(made.new, 4), "--sentinel"),
    ):
        yield made


def lose_replicas(port: int) -> None:
    with Redis(port=port, username=USER, password=PASSWORD) as administrator:
        administrator.config_set("min-replicas-to-write", 1)


def held(port: int, key: str) -> bytes | None:
    with Redis(port=port, username=USER, password=PASSWORD) as administrator:
        found: bytes | None = administrator.get(key)
        return found


def test_a_primary_without_replicas_is_left_for_the_latest_one(split: Split) -> None:
    with split.client() as client:
        client.set("key", "before")
        assert held(split.old, "key") == b"before"
        lose_replicas(split.old)
        client.set("key", "after")
        assert held(split.new, "key") == b"after"
        # The informed Sentinel is asked first from now on, whoever connects.
        client.connection_pool.disconnect()
        client.connection_pool.sentinel_manager.doubted_until = 0.0
        assert client.get("key") == "after"


def test_in_doubt_a_sentinel_that_is_away_is_passed_over(split: Split) -> None:
    with split.client(split.old_sentinel, free_port(), split.new_sentinel) as client:
        lose_replicas(split.old)
        client.set("key", "value")
        assert held(split.new, "key") == b"value"


def test_without_an_elected_one_the_refusal_is_an_outage(split: Split) -> None:
    with split.client(split.old_sentinel) as client:
        lose_replicas(split.old)
        with pytest.raises(RedisConnectionError, match="too few replicas"):
            client.set("key", "value")


def test_in_doubt_there_may_be_nobody_to_ask(split: Split) -> None:
    with split.client(free_port()) as client:
        client.connection_pool.sentinel_manager.doubt()
        with pytest.raises(RedisConnectionError, match="No Sentinel knows"):
            client.get("key")


def test_in_doubt_a_sentinel_may_not_know_the_name(split: Split) -> None:
    named_otherwise = settings(split.old_sentinel).model_copy(update={"redis_primary_name": "other"})
    with make_client(named_otherwise) as client:
        client.connection_pool.sentinel_manager.doubt()
        with pytest.raises(RedisConnectionError, match="No Sentinel knows"):
            client.get("key")


def test_other_refusals_stay_what_they_are(split: Split) -> None:
    with split.client() as client:
        client.set("key", "value")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            client.hset("key", "field", "value")
        assert client.connection_pool.sentinel_manager.doubted_until == 0.0


def test_tls_where_it_is_configured(tls_files: Tls) -> None:
    further = {
        "allow_plaintext": False,
        "tls_ca_file": str(tls_files.ca_file),
        "tls_certificate_file": str(tls_files.certificate_file),
        "tls_key_file": str(tls_files.key_file),
    }
    with make_client(settings(free_port(), **further)) as client:
        assert client.connection_pool.connection_class is PrimarySSLConnection
