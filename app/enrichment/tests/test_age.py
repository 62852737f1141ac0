from datetime import date

import pytest
from alicerce_enrichment.enrichers.age import OLDEST, enrich_age, parse_date
from hypothesis import given
from hypothesis import strategies as st

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("born", "years", "band"),
    [
        (date(2026, 3, 1), 0, "0-12"),
        (date(2013, 3, 2), 12, "0-12"),
        (date(2013, 3, 1), 13, "13-17"),
        (date(2008, 3, 2), 17, "13-17"),
        (date(2008, 3, 1), 18, "18-24"),
        (date(2001, 3, 1), 25, "25-34"),
        (date(1991, 3, 1), 35, "35-44"),
        (date(1981, 3, 1), 45, "45-54"),
        (date(1971, 3, 1), 55, "55-64"),
        (date(1961, 3, 2), 64, "55-64"),
        (date(1961, 3, 1), 65, "65+"),
        (date(1896, 3, 1), OLDEST, "65+"),
    ],
)
def test_band_changes_on_the_birthday(born: date, years: int, band: str) -> None:
    age = enrich_age(born, TODAY)
    assert age is not None
    assert (age.years, age.band) == (years, band)


@pytest.mark.parametrize(
    ("today", "years"),
    [(date(2025, 2, 28), 24), (date(2025, 3, 1), 25), (date(2028, 2, 28), 27), (date(2028, 2, 29), 28)],
)
def test_a_leap_day_birthday(today: date, years: int) -> None:
    age = enrich_age(date(2000, 2, 29), today)
    assert age is not None
    assert age.years == years


@pytest.mark.parametrize("born", [None, date(2026, 3, 2), date(1895, 3, 1)])
def test_unknown_future_and_absurd_dates_have_no_age(born: date | None) -> None:
    assert enrich_age(born, TODAY) is None


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "2025-02-29", "31/12/1990", "1990-13-01", "0000-00-00"]
)
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert parse_date(text) is None


def test_a_date_may_have_spaces_around_it() -> None:
    assert parse_date(" 1990-12-31 ") == date(1990, 12, 31)


@given(st.dates(), st.dates())
def test_age_grows_with_the_day_and_never_raises(born: date, today: date) -> None:
    age = enrich_age(born, today)
    if age is not None:
        assert 0 <= age.years <= OLDEST
        assert born.year + age.years in {today.year, today.year - 1}
