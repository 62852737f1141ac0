"""What a profile's fields may hold. Each function returns the form to keep, or raises InvalidFieldError."""

import re
from datetime import date

import phonenumbers

MAX_AGE = 130
"""Years."""
HOME = "BR"
"""Country of an address that names none."""

STATES = frozenset(
    "AC AL AM AP BA CE DF ES GO MA MG MS MT PA PB PE PI PR RJ RN RO RR RS SC SE SP TO".split()  # noqa: SIM905
)
# Every territory with telephones, by its ISO 3166-1 alpha-2 code.
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)


class InvalidFieldError(ValueError):
    """A value that cannot be kept."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


def cpf(value: str) -> str:
    """Check a CPF, with or without punctuation, by its two check digits (modulo 11); return its eleven digits."""
    if not re.fullmatch(r"[0-9]{11}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", value):
        raise InvalidFieldError("cpf", "must be eleven digits, or 000.000.000-00")
    digits = [int(character) for character in value if character.isdigit()]
    for length in (9, 10):
        total = sum(digit * weight for digit, weight in zip(digits, range(length + 1, 1, -1), strict=False))
        if digits[length] != total * 10 % 11 % 10:
            raise InvalidFieldError("cpf", "has wrong check digits")
    if len(set(digits)) == 1:
        raise InvalidFieldError("cpf", "is not one that is given to people")
    return "".join(map(str, digits))


def phone(value: str, country: str | None) -> str:
    """Check a number, in E.164 or as it is dialled in the country, which it must belong to; return it in E.164.

    Whoever has no country may have a number of any, and dials as in HOME.
    """
    try:
        number = phonenumbers.parse(value, country or HOME)
    except phonenumbers.NumberParseException:
        raise InvalidFieldError("phone", "is not a phone number") from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise InvalidFieldError("phone", "is not a phone number that exists")
    if country and not phonenumbers.is_valid_number_for_region(number, country):
        raise InvalidFieldError("phone_country", f"is not a number of {country}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def birth_date(value: date, today: date) -> date:
    """Check a date of birth: in the past, and at most MAX_AGE years ago."""
    if value > today:
        raise InvalidFieldError("date_future", "must not be in the future")
    age = today.year - value.year - ((today.month, today.day) < (value.month, value.day))
    if age > MAX_AGE:
        raise InvalidFieldError("date", f"must not be more than {MAX_AGE} years ago")
    return value


def address(value: dict[str, str | None]) -> dict[str, str | None] | None:
    """Check an address as a whole; return it without what is empty, or None when nothing is left."""
    kept = {name: text for name, text in value.items() if text}
    country = (kept.get("country") or HOME).upper()
    if country not in COUNTRIES:
        raise InvalidFieldError("country", "is not an ISO 3166 country code of two letters", "country")
    if not kept.keys() - {"country"}:
        return None
    kept["country"] = country
    if country == HOME:
        if state := kept.get("state"):
            kept["state"] = state.upper()
            if kept["state"] not in STATES:
                raise InvalidFieldError("state", "is not a state of Brazil (two letters)", "state")
        if code := kept.get("postal_code"):
            match = re.fullmatch(r"([0-9]{5})-?([0-9]{3})", code)
            if not match:
                raise InvalidFieldError("postal_code", "must be eight digits, as in 01310-100", "postal_code")
            kept["postal_code"] = f"{match[1]}-{match[2]}"
    return {name: kept.get(name) for name in value.keys() | kept.keys()}
