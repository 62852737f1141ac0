import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from alicerce_users.models import Outbox, Profile, db
from alicerce_users.service import ensure_profile
from alicerce_users.validation import InvalidFieldError, birth_date
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse as Answer

Call = Callable[..., Answer]

CPF = "529.982.247-25"
ADDRESS = {
    "street": "Avenida Paulista",
    "number": "1578",
    "complement": None,
    "district": "Bela Vista",
    "city": "S\u00e3o Paulo",
    "state": "sp",
    "postal_code": "01310200",
    "country": "br",
}
FULL = {
    "name": "Ana Maria Lima",
    "birth_date": "1990-02-28",
    "phone": "(11) 98765-4321",
    "cpf": CPF,
    "address": ADDRESS,
}


def codes(answer: Answer) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    return {error["field"]: error["code"] for error in answer.get_json()["errors"]}


def events(session: Session) -> list[Outbox]:
    return list(session.scalars(select(Outbox).order_by(Outbox.sequence)))


def test_the_first_get_makes_the_profile_and_its_event(call: Call, session: Session, me: uuid.UUID) -> None:
    answer = call("GET")
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "id": str(me),
        "email": f"{str(me)[:8]}@example.com",
        "name": "Ana Lima",
        "birth_date": None,
        "phone": None,
        "cpf": None,
        "address": None,
        "revision": 1,
        "created_at": answer.get_json()["created_at"],
        "updated_at": answer.get_json()["updated_at"],
    }
    assert call("GET").json == answer.json
    assert call("GET", f"/{me}").json == answer.json
    (event,) = events(session)
    assert (event.type, event.subject, event.version) == ("user.created", me, 1)
    assert set(event.data) == {"email", "name", "birth_date", "phone", "cpf", "address", "revision"}


def test_many_first_gets_at_once_make_one_profile(app: Flask, me: uuid.UUID) -> None:
    barrier = threading.Barrier(6)
    failures = []

    def run() -> None:
        with app.app_context():
            barrier.wait()
            try:
                assert ensure_profile(db.session(), me, "a@example.com", "A").id == me
                db.session.commit()
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with app.app_context():
        assert [event.type for event in events(db.session())] == ["user.created"]


def test_a_patch_keeps_one_form_of_everything_and_tells_it(
    call: Call, session: Session, me: uuid.UUID
) -> None:
    answer = call("PATCH", json=FULL)
    assert answer.status_code == 200
    assert answer.get_json()["revision"] == 2
    assert answer.headers["ETag"] == '"2"'
    assert (answer.get_json()["phone"], answer.get_json()["cpf"]) == ("+5511987654321", "52998224725")
    assert answer.get_json()["address"] == {
        **ADDRESS,
        "state": "SP",
        "postal_code": "01310-200",
        "country": "BR",
    }
    assert call("GET").json == answer.json
    created, updated = events(session)
    assert (created.type, updated.type) == ("user.created", "user.updated")
    told = {name: answer.get_json()[name] for name in updated.data}
    assert updated.data == told
    assert updated.subject == me


def test_a_patch_that_changes_nothing_tells_nothing(call: Call, session: Session) -> None:
    call("PATCH", json=FULL)
    assert call("PATCH", json=FULL).get_json()["revision"] == 2
    assert call("PATCH", json={}).get_json()["revision"] == 2
    assert len(events(session)) == 2


def test_a_patch_merges_and_null_clears(call: Call) -> None:
    call("PATCH", json=FULL)
    answer = call("PATCH", json={"address": {"number": "900", "district": None}, "phone": None}).get_json()
    assert answer["address"]["number"] == "900"
    assert answer["address"]["district"] is None
    assert answer["address"]["street"] == "Avenida Paulista"
    assert answer["phone"] is None
    assert answer["cpf"] == "52998224725"
    assert answer["revision"] == 3
    assert (
        call("PATCH", json={"address": None, "birth_date": None, "cpf": None}).get_json()["address"] is None
    )
    assert call("PATCH", json={"address": {"country": "BR", "street": " "}}).get_json()["address"] is None


def test_merge_patch_media_type_is_taken(call: Call) -> None:
    answer = call("PATCH", data=b'{"name": "B"}', content_type="application/merge-patch+json")
    assert answer.get_json()["name"] == "B"


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"cpf": "529.982.247-24"}, {"cpf": "cpf"}),
        ({"cpf": "529.982.247-35"}, {"cpf": "cpf"}),
        ({"cpf": "111.111.111-11"}, {"cpf": "cpf"}),
        ({"cpf": "5299822472"}, {"cpf": "cpf"}),
        ({"cpf": "\u0665" * 11}, {"cpf": "cpf"}),
        ({"cpf": 52998224725}, {"cpf": "string_type"}),
        ({"phone": "nothing"}, {"phone": "phone"}),
        ({"phone": "+55 11 1234"}, {"phone": "phone"}),
        ({"phone": "(11) 98765-4321 ext 3"}, {"phone": "phone"}),
        (
            {"phone": "+1 202 555 0143", "address": {"city": "Recife", "country": "BR"}},
            {"phone": "phone_country"},
        ),
        ({"phone": "+351 912 345 678", "address": {"city": "Natal"}}, {"phone": "phone_country"}),
        (
            {"phone": "+55 11 98765-4321", "address": {"city": "Lisboa", "country": "PT"}},
            {"phone": "phone_country"},
        ),
        ({"birth_date": "2990-01-01"}, {"birth_date": "date_future"}),
        ({"birth_date": "1850-01-01"}, {"birth_date": "date"}),
        ({"birth_date": "1990-02-30"}, {"birth_date": "date"}),
        ({"name": ""}, {"name": "too_short"}),
        ({"name": None}, {"name": "string_type"}),
        ({"name": "x" * 201}, {"name": "too_long"}),
        ({"name": "a\0b"}, {"name": "invalid"}),
        ({"address": {"city": "a\u2028b"}}, {"address.city": "invalid"}),
        ({"address": {"street": "x" * 201}}, {"address.street": "too_long"}),
        ({"address": {"country": "XX"}}, {"address.country": "country"}),
        ({"address": {"city": "X", "country": "XX"}}, {"address.country": "country"}),
        ({"address": {"city": "X", "state": "ZZ"}}, {"address.state": "state"}),
        ({"address": {"city": "X", "postal_code": "123"}}, {"address.postal_code": "postal_code"}),
        ({"address": {"planet": "Mars"}}, {"address.planet": "unknown"}),
        ({"nickname": "x"}, {"nickname": "unknown"}),
        ({"email": "x@example.com"}, {"email": "unknown"}),
        ({"cpf": "1", "birth_date": "2990-01-01"}, {"cpf": "cpf", "birth_date": "date_future"}),
        ([], {"": "model_type"}),
    ],
)
def test_what_is_not_valid_is_named_and_nothing_changes(
    call: Call, session: Session, patch: object, expected: dict[str, str]
) -> None:
    before = call("GET").get_json()
    assert codes(call("PATCH", json=patch)) == expected
    assert call("GET").json == before
    assert len(events(session)) == 1


def test_foreign_addresses_and_numbers_are_fine_together(call: Call) -> None:
    answer = call(
        "PATCH",
        json={
            "phone": "912 345 678",
            "address": {"city": "Lisboa", "country": "PT", "postal_code": "1100-148"},
        },
    )
    assert answer.get_json()["phone"] == "+351912345678"
    # Moving home leaves the number in the wrong country.
    assert codes(call("PATCH", json={"address": {"country": "BR", "postal_code": None}})) == {
        "phone": "phone_country"
    }


def test_age_limits() -> None:
    today = datetime.now(UTC).date().replace(month=6, day=15)
    assert birth_date(today, today) == today
    oldest = today.replace(year=today.year - 131) + timedelta(days=1)
    assert birth_date(oldest, today) == oldest
    with pytest.raises(InvalidFieldError):
        birth_date(oldest - timedelta(days=1), today)


def test_if_match_guards_a_change(call: Call) -> None:
    assert call("PATCH", json={"name": "B"}, headers={"If-Match": '"1"'}).status_code == 200
    for stale in ('"1"', '"x"', "", '"\u00b2"', "9" * 30):
        answer = call(
            "PATCH", json={"name": "C"}, headers={"If-Match": stale.encode("latin-1").decode("latin-1")}
        )
        assert answer.status_code == 412, stale
    assert call("PATCH", json={"name": "C"}, headers={"If-Match": '"2"'}).get_json()["revision"] == 3
    assert call("PATCH", json={"name": "D"}, headers={"If-Match": "*"}).get_json()["revision"] == 4


def test_only_the_owner_and_administrators_see_a_profile(call: Call, me: uuid.UUID) -> None:
    call("GET")
    other = uuid.uuid4()
    assert call("GET", f"/{me}", token=str(other)).status_code == 403
    assert call("GET", f"/{other}").status_code == 403
    administrator = f"{other}+administrator"
    assert call("GET", f"/{me}", token=administrator).get_json()["id"] == str(me)
    assert call("GET", f"/{uuid.uuid4()}", token=administrator).status_code == 404
    assert call("GET", "/not-an-id").status_code == 404
    assert call("GET", "/me", token="invented").status_code == 401
    assert call("GET", "").status_code == 403


def test_administrators_page_through_all_profiles(call: Call, session: Session) -> None:
    start = datetime.now(UTC)
    ids = sorted(uuid.uuid4() for _ in range(5))
    for number, profile_id in enumerate(ids):
        # Two share a moment: the id decides.
        moment = start + timedelta(seconds=number // 2)
        session.add(
            Profile(
                id=profile_id,
                email="x@example.com",
                name="X",
                revision=1,
                created_at=moment,
                updated_at=moment,
            )
        )
    session.commit()
    administrator = f"{uuid.uuid4()}+administrator"
    seen, cursor = [], None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = call("GET", "", token=administrator, query_string=query).get_json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(profile_id) for profile_id in ids]
    for wrong in (
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"cursor": "x"},
        {"cursor": "\u00e9"},
        {"page": "1"},
    ):
        assert call("GET", "", token=administrator, query_string=wrong).status_code == 422
    naive = "MjAyNi0wMS0wMVQwMDowMDowMC8wMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA"
    assert codes(call("GET", "", token=administrator, query_string={"cursor": naive})) == {
        "cursor": "invalid"
    }


def test_bad_requests_are_problems(call: Call, client: FlaskClient) -> None:
    assert client.get("/api/v1/users/me").status_code == 401
    assert call("PATCH", data=b"{", content_type="application/json").status_code == 400
    assert call("PATCH", data=b"name=x").status_code == 415
    assert (
        call(
            "PATCH", data=b'{"name": "' + b"x" * 2_000_000 + b'"}', content_type="application/json"
        ).status_code
        == 413
    )
    assert call("PUT", json={}).status_code == 405


def test_openapi_describes_the_patch(client: FlaskClient) -> None:
    document = client.get("/api/v1/users/openapi.json").get_json()
    assert set(document["paths"]) == {"/api/v1/users", "/api/v1/users/me", "/api/v1/users/{profile_id}"}
    parameters = document["paths"]["/api/v1/users"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == {"limit", "cursor"}
    assert {"get", "patch"} == set(document["paths"]["/api/v1/users/me"])
