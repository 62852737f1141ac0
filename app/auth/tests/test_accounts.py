from typing import Any

import pytest
from alicerce_auth import passwords
from alicerce_auth.models import Account, Outbox
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse as Answer

PASSWORD = "correct horse battery"
NEW = {"email": "Ana.Lima@Example.COM", "password": PASSWORD, "name": "  Ana Lima "}


def sign_up(client: FlaskClient, **changes: object) -> Answer:
    return client.post("/api/v1/auth/signup", json={**NEW, **changes})


def codes(answer: Answer) -> dict[str, str]:
    assert answer.content_type == "application/problem+json"
    return {error["field"]: error["code"] for error in answer.get_json()["errors"]}


def test_sign_up_makes_the_account_and_its_event_together(client: FlaskClient, session: Session) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = client.post("/api/v1/auth/signup", json=NEW, headers={"traceparent": trace})
    assert answer.status_code == 201
    assert answer.json == {"id": answer.get_json()["id"], "email": "Ana.Lima@example.com", "name": "Ana Lima"}
    account = session.scalars(select(Account)).one()
    assert account.roles == ["user"]
    assert account.password_hash.startswith("$argon2id$")
    event = session.scalars(select(Outbox)).one()
    assert (event.type, event.version, event.subject) == ("account.created", 1, account.id)
    assert event.data == {"email": "Ana.Lima@example.com", "name": "Ana Lima"}
    assert event.traceparent == trace


def test_an_address_belongs_to_one_account_whatever_its_case(client: FlaskClient, session: Session) -> None:
    assert sign_up(client).status_code == 201
    answer = sign_up(client, email="ana.lima@example.com")
    assert answer.status_code == 409
    assert codes(answer) == {"email": "taken"}
    assert session.scalar(select(func.count()).select_from(Outbox)) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"email": "nobody"}, {"email": "invalid"}),
        ({"email": "a@b@c.example"}, {"email": "invalid"}),
        ({"email": "x" * 250 + "@example.com"}, {"email": "too_long"}),
        ({"password": "short"}, {"password": "too_short"}),
        ({"password": "x" * 129}, {"password": "too_long"}),
        ({"password": "ANA.lima@example.com"}, {"": "too_weak"}),
        ({"name": ""}, {"name": "too_short"}),
        ({"name": "   "}, {"name": "required"}),
        ({"name": "x" * 201}, {"name": "too_long"}),
        ({"name": "Ana\nLima"}, {"name": "invalid"}),
        ({"name": "Ana\0Lima"}, {"name": "invalid"}),
        ({"name": 7}, {"name": "string_type"}),
        ({"roles": ["administrator"]}, {"roles": "unknown"}),
    ],
)
def test_what_is_not_valid_is_named(
    client: FlaskClient, session: Session, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    answer = sign_up(client, **changes)
    assert answer.status_code == 422
    assert codes(answer) == expected
    assert PASSWORD not in answer.text
    assert session.scalar(select(func.count()).select_from(Account)) == 0


def test_missing_fields_are_named(client: FlaskClient) -> None:
    answer = client.post("/api/v1/auth/signup", json={})
    assert codes(answer) == {"email": "required", "password": "required", "name": "required"}


def test_a_lone_surrogate_is_no_server_error(client: FlaskClient) -> None:
    answer = client.post(
        "/api/v1/auth/signup",
        data=b'{"email":"a@example.com","password":"\\ud800aaaaaaaaaaaaa","name":"A"}',
        content_type="application/json",
    )
    assert answer.status_code in {400, 422}


def test_passwords_compare_by_their_characters_not_their_code_points() -> None:
    kept = passwords.hash_password("senha com acento \u00e9")
    assert passwords.verify(kept, "senha com acento e\u0301")
    assert not passwords.verify(kept, "senha com acento e")


def test_nobody_has_a_password() -> None:
    assert not passwords.verify(None, PASSWORD)
    assert not passwords.verify("not a hash", PASSWORD)
