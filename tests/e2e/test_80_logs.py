"""A person's requests are found in the log of all hosts, and nothing of what they have sent or been given."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.failure.platform import run

ARRIVAL = 60.0
"""Seconds in which a record must have arrived."""


def read(*argv: str) -> list[dict[str, Any]]:
    """Ask as operators do."""
    out = run("scripts/logs", *argv, "--format", "json")
    assert out.returncode == 0, out.stderr
    return [json.loads(text) for text in out.stdout.splitlines()]


def read_until(enough: Any, *argv: str) -> list[dict[str, Any]]:
    """Ask until what there is is enough."""
    deadline = time.monotonic() + ARRIVAL
    while not enough(records := read(*argv)):
        assert time.monotonic() < deadline, f"after {ARRIVAL:.0f} s: {records}"
        time.sleep(2)
    return records


def services(records: list[dict[str, Any]]) -> set[str]:
    return {record["service"] for record in records}


@pytest.fixture(scope="module")
def visit(edge) -> dict[str, Any]:
    """What somebody sends, rightly and wrongly, and what they get."""
    began = datetime.now(UTC).isoformat()
    mark = secrets.token_hex(6)
    person = {
        "email": f"leaks.{mark}@example.com",
        "password": f"long word {secrets.token_hex(8)}",
        "name": f"Leocádia {mark.translate(str.maketrans('0123456789', 'ghijklmnop'))}",
    }
    code, cookie = secrets.token_hex(16), secrets.token_hex(16)
    profile = {"cpf": "529.982.247-25", "phone": "+55 11 98765-4321", "birth_date": "1987-06-05"}
    joined = edge.sign_up(person)
    assert joined.status_code == 201
    # PostgreSQL refuses it, and would quote the address.
    assert edge.sign_up(person).status_code == 409
    tokens = edge.log_in(person)
    token = tokens["access_token"]
    wrong = edge.call("POST", "/api/v1/auth/login", json={"email": person["email"], "password": cookie})
    assert wrong.status_code == 401
    changed = edge.call(
        "PATCH",
        f"/api/v1/users/me?code={code}",
        token=token,
        json=profile,
        headers={"Cookie": f"session={cookie}", "Traceparent": f"00-{'1' * 32}-{'2' * 16}-01"},
    )
    assert changed.status_code == 200, changed.text
    edge.enriched(token, changed.json()["revision"])
    attack = edge.call(
        "GET", "/api/v1/users/me", token=token, params={"email": f"{person['email']}' OR 1=1 -- -"}
    )
    assert attack.status_code == 403
    again = edge.call("POST", "/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    assert (
        edge.call("POST", "/api/v1/auth/logout", json={"refresh_token": again["refresh_token"]}).status_code
        == 204
    )
    never = [*person.values(), code, cookie, *profile.values(), "52998224725", "11987654321", "5511987654321"]
    for answer in (tokens, again):
        never += [answer["access_token"], answer["access_token"].split(".")[2], answer["refresh_token"]]
    return {
        "began": began,
        "sign-up": joined.headers["X-Request-ID"],
        "request": changed.headers["X-Request-ID"],
        "attack": attack.headers["X-Request-ID"],
        "never": never,
    }


def test_a_request_is_found_on_its_way(visit) -> None:
    records = read_until(lambda found: {"haproxy", "users"} <= services(found), "--request", visit["request"])
    assert [record["@timestamp"] for record in records] == sorted(record["@timestamp"] for record in records)
    for record in records:
        # Relays and workers know its trace only.
        assert record.get("request_id") == visit["request"] or record["trace_id"] == visit["request"].replace(
            "-", ""
        )
        assert {"host", "zone", "severity", "message"} <= record.keys()
    of_service = next(record for record in records if record["service"] == "users" and "status" in record)
    assert (of_service["method"], of_service["route"], of_service["status"]) == (
        "PATCH",
        "/api/v1/users/me",
        200,
    )
    assert of_service["unit"] == "alicerce-users-web.service"
    assert of_service["duration_ms"] > 0


def station(record: dict[str, Any]) -> str:
    """Return where a record was written; edge and gateway are two frontends of one HAProxy."""
    return str(record.get("fields", {}).get("frontend") or record.get("unit")).rstrip("~")


def test_one_query_finds_all_that_a_sign_up_has_set_off(visit) -> None:
    stations = {
        "edge",
        "gateway",
        "alicerce-waf.service",
        "alicerce-auth-web.service",
        "alicerce-auth-relay.service",
        "alicerce-users-consumer.service",
        "alicerce-users-relay.service",
        "alicerce-enrichment-worker.service",
    }
    records = read_until(lambda found: stations <= set(map(station, found)), "--request", visit["sign-up"])
    assert {record.get("trace_id") for record in records} == {visit["sign-up"].replace("-", "")}


def test_an_attack_is_found_with_the_rules_that_saw_it(visit) -> None:
    records = read_until(
        lambda found: any("rules" in record.get("fields", {}) for record in found),
        "--request",
        visit["attack"],
    )
    found = next(record for record in records if record["service"] == "waf" and "rules" in record["fields"])
    assert found["status"] == 403
    assert found["fields"]["path"] == "/api/v1/users/me"
    assert "942100" in found["fields"]["rules"]


def test_every_host_and_component_is_heard(lab) -> None:
    expected = {"haproxy", "waf", "frontend", "patroni", "mongod", "sshd", "auth", "users", "enrichment"}
    heard = {host["name"]: services(read("--host", host["name"], "--since", "6h")) for host in lab["hosts"]}
    assert all(heard.values()), heard
    assert expected <= set().union(*heard.values()), heard


def test_nothing_of_a_person_is_in_the_log(lab, visit) -> None:
    # What came after it has arrived, so it has, too.
    read_until(lambda found: found, "--request", visit["attack"])
    time.sleep(10)
    records = [
        json.dumps(record, ensure_ascii=False).lower()
        for host in lab["hosts"]
        for record in read("--host", host["name"], "--since", visit["began"])
    ]
    assert len(records) > 10
    leaked = {
        text: [record for record in records if text.lower() in record][:3]
        for text in visit["never"]
        if any(text.lower() in record for record in records)
    }
    assert leaked == {}
