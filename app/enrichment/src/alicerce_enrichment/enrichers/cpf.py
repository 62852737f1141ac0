"""CPF, the Brazilian taxpayer number: two check digits, and a ninth digit that tells the fiscal region."""

import re
from collections.abc import Sequence
from typing import Final

from alicerce_enrichment.models import Cpf

_SHAPE: Final = re.compile(r"\d{11}|\d{3}\.\d{3}\.\d{3}-\d{2}", re.ASCII)

# Fiscal regions of the Receita Federal; the digit 0 stands for the tenth.
_REGIONS: Final = {
    "1": "DF, GO, MS, MT, TO",
    "2": "AC, AM, AP, PA, RO, RR",
    "3": "CE, MA, PI",
    "4": "AL, PB, PE, RN",
    "5": "BA, SE",
    "6": "MG",
    "7": "ES, RJ",
    "8": "SP",
    "9": "PR, SC",
    "0": "RS",
}


def check_digit(digits: Sequence[int]) -> int:
    """Weigh the digits 2, 3, 4 … from the right, modulo 11; a remainder of 10 counts as 0."""
    total = sum(weight * digit for weight, digit in enumerate(reversed(digits), start=2))
    return total * 10 % 11 % 10


def enrich_cpf(value: str | None) -> Cpf | None:
    """Check a CPF, with or without its punctuation.

    Eleven equal digits have right check digits, but are never issued: they are not valid.
    """
    text = (value or "").strip()
    if not text:
        return None
    if not _SHAPE.fullmatch(text):
        return Cpf(valid=False)
    plain = re.sub(r"\D", "", text)
    digits = [int(digit) for digit in plain]
    if (
        len(set(digits)) == 1
        or digits[9] != check_digit(digits[:9])
        or digits[10] != check_digit(digits[:10])
    ):
        return Cpf(valid=False)
    return Cpf(
        valid=True,
        formatted=f"{plain[:3]}.{plain[3:6]}.{plain[6:9]}-{plain[9:]}",
        region=_REGIONS[plain[8]],
    )
