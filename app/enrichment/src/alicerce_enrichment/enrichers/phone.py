"""Telephone numbers by the numbering plans that libphonenumber ships."""

from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType, carrier, geocoder, timezone

from alicerce_enrichment.models import Phone

HOME_COUNTRY: Final = "BR"
"""Where a number without a country code is taken to be."""

_LANGUAGE: Final = "pt"
_MAX_LENGTH: Final = 64
_UNKNOWN_ZONE: Final = "Etc/Unknown"
_TYPES: Final = {
    PhoneNumberType.FIXED_LINE: "fixed_line",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_line_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal_number",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "uan",
    PhoneNumberType.VOICEMAIL: "voicemail",
}


def enrich_phone(value: str | None, country: str = HOME_COUNTRY) -> Phone | None:
    """Describe a number, written in any usual way; `country` is that of a number without a country code."""
    text = (value or "").strip()
    if not text:
        return None
    if len(text) > _MAX_LENGTH:
        return Phone(valid=False)
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return Phone(valid=False)
    if not phonenumbers.is_valid_number(number):
        return Phone(valid=False)
    return Phone(
        valid=True,
        e164=phonenumbers.format_number(number, PhoneNumberFormat.E164),
        international=phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
        region=geocoder.description_for_number(number, _LANGUAGE) or None,
        country=phonenumbers.region_code_for_number(number),
        carrier=carrier.name_for_number(number, _LANGUAGE) or None,
        type=_TYPES.get(phonenumbers.number_type(number), "unknown"),
        time_zones=[zone for zone in timezone.time_zones_for_number(number) if zone != _UNKNOWN_ZONE],
    )
