from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from alicerce_enrichment.api import present
from alicerce_enrichment.enrich import enrich
from alicerce_enrichment.models import UserData
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
USER = UUID(int=1)

texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
users = st.builds(
    UserData,
    revision=st.integers(0, 2**31),
    email=texts,
    name=texts,
    birth_date=texts,
    phone=texts,
    cpf=texts,
    address=st.none() | st.builds(dict, country=texts),
)


def test_everything_that_can_be_told() -> None:
    data = UserData(
        revision=3,
        email="Maria@Example.com",
        name="MARIA da silva",
        birth_date="1990-03-02",
        phone="+5511987654321",
        cpf="52998224725",
    )
    answer = present(USER, enrich(data, NOW), NOW.date()).model_dump(mode="json")
    assert answer == {
        "user_id": str(USER),
        "revision": 3,
        "name": {"full": "Maria da Silva", "first": "Maria", "last": "Silva", "initials": "MS"},
        "email": {
            "valid": True,
            "normalized": "maria@example.com",
            "domain": "example.com",
            "provider": "custom",
        },
        "phone": {
            "valid": True,
            "e164": "+5511987654321",
            "international": "+55 11 98765-4321",
            "region": "São Paulo",
            "country": "BR",
            "carrier": "TIM",
            "type": "mobile",
            "time_zones": ["America/Sao_Paulo"],
        },
        "cpf": {"valid": True, "formatted": "529.982.247-25", "region": "ES, RJ"},
        "age": {"years": 35, "band": "35-44"},
        "avatar": {"hash": "10ef04a5a1acd81d18a0c61fdd354a063da07223720a1d8760aa5c2afa5e8ee0"},
        "enriched_at": "2026-03-01T12:00:00Z",
    }


def test_the_age_is_that_of_the_day_of_the_question() -> None:
    kept = enrich(UserData(revision=1, birth_date="2000-01-01"), NOW)
    ages = [present(USER, kept, day).age for day in (date(2030, 1, 1), date(2040, 1, 1))]
    assert [age and age.years for age in ages] == [30, 40]


def test_nothing_but_a_revision_gives_nothing_but_nulls() -> None:
    answer = present(USER, enrich(UserData(revision=0), NOW), NOW.date()).model_dump()
    assert {name for name, value in answer.items() if value is not None} == {
        "user_id",
        "revision",
        "enriched_at",
    }


def test_the_country_of_the_address_reads_a_national_number() -> None:
    data = UserData.model_validate(
        {"revision": 1, "phone": "912 345 678", "address": {"country": "PT", "city": "Porto"}}
    )
    phone = enrich(data, NOW).phone
    assert phone is not None
    assert phone.e164 == "+351912345678"


@pytest.mark.parametrize("revision", [None, -1, "x"])
def test_an_event_without_a_revision_is_refused(revision: object) -> None:
    with pytest.raises(ValidationError):
        UserData.model_validate({"revision": revision})


@given(users)
def test_any_profile_is_enriched_and_survives_its_json(data: UserData) -> None:
    enriched = enrich(data, NOW)
    assert type(enriched).model_validate_json(enriched.model_dump_json()) == enriched
