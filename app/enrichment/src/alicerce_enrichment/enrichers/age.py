"""Age in whole years, and the band it falls in."""

from datetime import date
from typing import Final

from alicerce_enrichment.models import Age

OLDEST: Final = 130
"""Years; nobody has been older. A birth date before it is a slip of the keyboard."""

_BANDS: Final = (
    (12, "0-12"),
    (17, "13-17"),
    (24, "18-24"),
    (34, "25-34"),
    (44, "35-44"),
    (54, "45-54"),
    (64, "55-64"),
)
_LAST_BAND: Final = "65+"


def parse_date(value: str | None) -> date | None:
    """Read an ISO 8601 calendar date; anything else is `None`."""
    try:
        return date.fromisoformat((value or "").strip())
    except ValueError:
        return None


def enrich_age(birth_date: date | None, today: date) -> Age | None:
    """Count the birthdays up to and including `today`; one of 29 February counts on 1 March of a common year.

    `None` when the date is unknown, in the future, or more than `OLDEST` years ago.
    """
    if birth_date is None:
        return None
    before_birthday = (today.month, today.day) < (birth_date.month, birth_date.day)
    years = today.year - birth_date.year - before_birthday
    if not 0 <= years <= OLDEST:
        return None
    return Age(years=years, band=next((band for most, band in _BANDS if years <= most), _LAST_BAND))
