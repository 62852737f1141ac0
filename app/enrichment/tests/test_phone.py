import pytest
from alicerce_enrichment.enrichers.phone import enrich_phone
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+55 11 98765-4321", ("+5511987654321", "BR", "São Paulo", "mobile", "America/Sao_Paulo")),
        ("(11) 98765-4321", ("+5511987654321", "BR", "São Paulo", "mobile", "America/Sao_Paulo")),
        ("+55 11 3333-4444", ("+551133334444", "BR", "São Paulo - SP", "fixed_line", "America/Sao_Paulo")),
        ("0800 777 1234", ("+558007771234", "BR", "Brasil", "toll_free", "America/Sao_Paulo")),
        ("+351 912 345 678", ("+351912345678", "PT", "Portugal", "mobile", "Europe/Lisbon")),
        (
            "+1 212 555 0123",
            ("+12125550123", "US", "New York, NY", "fixed_line_or_mobile", "America/New_York"),
        ),
        ("tel:+44-20-7946-0958", ("+442079460958", "GB", "London", "fixed_line", "Europe/London")),
    ],
)
def test_valid(value: str, expected: tuple[str, ...]) -> None:
    phone = enrich_phone(value)
    assert phone is not None
    assert phone.valid
    *described, zone = expected
    assert [phone.e164, phone.country, phone.region, phone.type] == described
    assert zone in phone.time_zones


def test_a_brazilian_mobile_number_has_a_carrier_and_an_international_form() -> None:
    phone = enrich_phone("+5521999990000")
    assert phone is not None
    assert phone.carrier == "Vivo"
    assert phone.international == "+55 21 99999-0000"


def test_the_country_tells_how_to_read_a_national_number() -> None:
    phone = enrich_phone("912 345 678", "PT")
    assert phone is not None
    assert phone.e164 == "+351912345678"


@pytest.mark.parametrize(
    "value",
    ["123", "+55 11 1234", "+99912345678", "telephone", "+", "+55" * 40, "(01) 98765-4321", "+5500987654321"],
)
def test_invalid(value: str) -> None:
    phone = enrich_phone(value)
    assert phone is not None
    assert not phone.valid
    assert phone.e164 is None
    assert phone.time_zones == []


@pytest.mark.parametrize("value", [None, "", "  "])
def test_missing(value: str | None) -> None:
    assert enrich_phone(value) is None


def test_an_unknown_country_does_not_raise() -> None:
    phone = enrich_phone("98765-4321", "ZZ")
    assert phone is not None
    assert not phone.valid


@given(st.text(st.characters()) | st.from_regex(r"\+?[0-9 ()x;.\-]{3,30}", fullmatch=True))
def test_any_text_gets_an_answer(value: str) -> None:
    phone = enrich_phone(value)
    assert phone is None or phone.valid == (phone.e164 is not None)


@given(st.from_regex(r"\+55(11|21|31|51|71|92)9[6-9][0-9]{7}", fullmatch=True))
def test_reading_the_e164_form_again_changes_nothing(value: str) -> None:
    phone = enrich_phone(value)
    assert phone is not None
    assert phone.e164 == value
    assert enrich_phone(phone.international) == phone
