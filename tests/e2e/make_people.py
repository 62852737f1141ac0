#!/usr/bin/env python3
"""Make people.json: five hundred people who do not exist, and what the platform must say of each.

    tests/e2e/make_people.py [--check]

The same file comes out each time; `--check` only tells whether the one that is there is it. What is expected
is known by how a value was built, not asked of the code under test. Every e-mail address is on a domain for
examples, save a few that stand for a kind of provider; nothing is ever sent to any.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("people.json")
COUNT = 500

FIRST = [
    "Ana", "André", "Antônio", "Beatriz", "Caio", "Camila", "Célia", "Conceição", "Daniel", "Débora",
    "Élcio", "Fábio", "Flávia", "Gonçalo", "Helena", "Inês", "Ítalo", "Janaína", "João", "José", "Júlia",
    "Luís", "Luíza", "Márcia", "Maria", "Mário", "Nádia", "Otávio", "Patrícia", "Paulo", "Raíssa", "Renato",
    "Rita", "Sebastião", "Sônia", "Tainá", "Tomás", "Úrsula", "Vitória", "Zélia",
]  # fmt: skip
MIDDLE = ["", "", "Clara", "Cristina", "Eduardo", "Fernanda", "Henrique", "Lúcia", "Otávia", "Vinícius"]
LAST = [
    "Almeida", "Araújo", "Assunção", "Barbosa", "Brandão", "Cardoso", "Carvalho", "Conceição", "Costa",
    "Dias", "Fernandes", "Ferrão", "Gonçalves", "Guimarães", "Lima", "Magalhães", "Melo", "Nóbrega",
    "Oliveira", "Peçanha", "Pereira", "Quintão", "Ribeiro", "Romão", "Santos", "Silva", "Simões", "Souza",
    "Teixeira", "Valença", "Vilaça",
]  # fmt: skip
PARTICLES = ["", "", "", "da ", "de ", "do ", "dos ", "das "]
SUFFIXES = ["", "", "", "", "", "", " Filho", " Neto", " Júnior", " Sobrinho"]

DOMAINS = ["example.com", "example.net", "example.org", "correio.example", "empresa.example"]
# The kind of provider is told by the domain alone; these addresses belong to nobody we know and get no mail.
PROVIDERS = {"gmail.com": "free", "outlook.com.br": "free", "mailinator.com": "disposable"}

# Country, kind of line, E.164 with x for any digit, a time zone of it, and its place where there is but one.
PHONES: list[tuple[str, str, str, str, str | None]] = [
    ("BR", "mobile", "+55119[6-9]xxxxxxx", "America/Sao_Paulo", "São Paulo"),
    ("BR", "mobile", "+55219[6-9]xxxxxxx", "America/Sao_Paulo", "Rio de Janeiro"),
    ("BR", "mobile", "+55319[6-9]xxxxxxx", "America/Sao_Paulo", None),
    ("BR", "mobile", "+55719[8-9]xxxxxxx", "America/Sao_Paulo", None),
    ("BR", "mobile", "+55929[8-9]xxxxxxx", "America/Manaus", None),
    ("BR", "fixed_line", "+55113[0-2]xxxxxx", "America/Sao_Paulo", None),
    ("BR", "fixed_line", "+55613[2-3]xxxxxx", "America/Sao_Paulo", None),
    ("PT", "mobile", "+35191xxxxxxx", "Europe/Lisbon", "Portugal"),
    ("PT", "mobile", "+35196xxxxxxx", "Europe/Lisbon", "Portugal"),
    ("AO", "mobile", "+24492xxxxxxx", "Africa/Luanda", "Angola"),
    ("MZ", "mobile", "+25884xxxxxxx", "Africa/Maputo", "Moçambique"),
    ("US", "fixed_line_or_mobile", "+1212[2-9]0[2-9]xxxx", "America/New_York", None),
    ("ES", "mobile", "+346[1-2]xxxxxxx", "Europe/Madrid", "Espanha"),
    ("FR", "mobile", "+3361xxxxxxx", "Europe/Paris", "França"),
    ("DE", "mobile", "+491511xxxxxxx", "Europe/Berlin", "Alemanha"),
    ("GB", "mobile", "+447400[1-9]xxxxx", "Europe/London", None),
    ("JP", "mobile", "+81901xxxxxxx", "Asia/Tokyo", "Japão"),
]
# Where people of a country live.
ADDRESSES: dict[str, list[dict[str, str]]] = {
    "BR": [
        {
            "postal_code": "01310-100",
            "street": "Avenida Paulista",
            "district": "Bela Vista",
            "city": "São Paulo",
            "state": "SP",
        },
        {
            "postal_code": "20040-002",
            "street": "Avenida Rio Branco",
            "district": "Centro",
            "city": "Rio de Janeiro",
            "state": "RJ",
        },
        {
            "postal_code": "40026-010",
            "street": "Largo do Pelourinho",
            "district": "Pelourinho",
            "city": "Salvador",
            "state": "BA",
        },
        {
            "postal_code": "69005-070",
            "street": "Rua dos Barés",
            "district": "Centro",
            "city": "Manaus",
            "state": "AM",
        },
    ],
    "PT": [{"postal_code": "1200-092", "street": "Rua Augusta", "city": "Lisboa", "state": "Lisboa"}],
    "AO": [{"street": "Largo da Independência", "city": "Luanda", "state": "Luanda"}],
    "ES": [{"postal_code": "28013", "street": "Gran Vía", "city": "Madrid", "state": "Madrid"}],
    "DE": [{"postal_code": "10117", "street": "Unter den Linden", "city": "Berlin", "state": "Berlin"}],
}
CPF_REGIONS = {
    1: "DF, GO, MS, MT, TO", 2: "AC, AM, AP, PA, RO, RR", 3: "CE, MA, PI", 4: "AL, PB, PE, RN", 5: "BA, SE",
    6: "MG", 7: "ES, RJ", 8: "SP", 9: "PR, SC", 0: "RS",
}  # fmt: skip

# What the users service must refuse: a patch, and the field and code that it must name.
REFUSED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"cpf": "529.982.247-26"}, {"cpf": "cpf"}),
    ({"cpf": "111.111.111-11"}, {"cpf": "cpf"}),
    ({"cpf": "5299822472"}, {"cpf": "cpf"}),
    ({"cpf": "não tenho"}, {"cpf": "cpf"}),
    ({"phone": "+55 20 98765-4321"}, {"phone": "phone"}),
    ({"phone": "+55 11 1234"}, {"phone": "phone"}),
    ({"phone": "+999 123 456 789"}, {"phone": "phone"}),
    ({"phone": "telefone"}, {"phone": "phone"}),
    ({"birth_date": "31/12/1990"}, {"birth_date": "date"}),
    ({"birth_date": "1990-02-30"}, {"birth_date": "date"}),
    ({"birth_date": "2999-01-01"}, {"birth_date": "date_future"}),
    ({"name": ""}, {"name": "too_short"}),
    ({"name": "x" * 1000}, {"name": "too_long"}),
    ({"address": {"country": "XX"}}, {"address.country": "country"}),
    ({"address": {"country": "BR", "postal_code": "123"}}, {"address.postal_code": "postal_code"}),
    ({"address": {"country": "BR", "state": "ZZ"}}, {"address.state": "state"}),
    ({"roles": ["administrator"]}, {"roles": "unknown"}),
    ({"revision": 1000}, {"revision": "unknown"}),
    ({"cpf": "529.982.247-26", "phone": "123"}, {"cpf": "cpf", "phone": "phone"}),
]
# What the auth service must refuse at sign-up.
NOBODY: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"email": "no-at-sign.example.com"}, {"email": "invalid"}),
    ({"email": "two@at@example.com"}, {"email": "invalid"}),
    ({"email": "spaces in@example.com"}, {"email": "invalid"}),
    ({"email": "dots@example..com"}, {"email": "invalid"}),
    ({"password": "short"}, {"password": "too_short"}),
    ({"name": ""}, {"name": "too_short"}),
]


def check_digit(digits: list[int]) -> int:
    """Return a CPF's next check digit by the usual rule: 11 minus the remainder, and 0 from 10 on."""
    rest = (
        sum(digit * weight for digit, weight in zip(digits, range(len(digits) + 1, 1, -1), strict=True)) % 11
    )
    return 0 if rest < 2 else 11 - rest


class Maker:
    """Makes people from one stream of chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 (repeatable, not secret)

    def name(self) -> tuple[str, dict[str, Any]]:
        """Return a name as somebody types it, and as it should be written."""
        choose = self.chance.choice
        first, middle, last = choose(FIRST), choose(MIDDLE), choose(LAST)
        before, suffix = choose(LAST), choose(SUFFIXES)
        words = " ".join(
            f"{first} {middle} {choose(PARTICLES)}{before} {choose(PARTICLES)}{last}{suffix}".split()
        )
        typed = choose([str.lower, str.upper, str, lambda name: f"  {name.replace(' ', '   ')} "])(words)
        return typed, {"full": words, "first": first, "last": last + suffix, "initials": first[0] + last[0]}

    def cpf(self) -> tuple[str, dict[str, Any]]:
        """Return a number as somebody types it, and what is to be told of it."""
        digits = [self.chance.randrange(10) for _ in range(9)]
        digits += [check_digit(digits)]
        digits += [check_digit(digits)]
        plain = "".join(map(str, digits))
        formatted = f"{plain[:3]}.{plain[3:6]}.{plain[6:9]}-{plain[9:]}"
        return self.chance.choice([plain, formatted]), {
            "valid": True,
            "formatted": formatted,
            "region": CPF_REGIONS[digits[8]],
        }

    def phone(self) -> tuple[str, dict[str, Any]]:
        """Return a number as somebody types it, and what is to be told of it."""
        country, kind, pattern, zone, place = self.chance.choice(PHONES)
        e164, rest = "", pattern
        while rest:
            if rest[0] == "[":
                low, high = int(rest[1]), int(rest[3])
                e164, rest = e164 + str(self.chance.randint(low, high)), rest[5:]
            else:
                e164, rest = e164 + (str(self.chance.randrange(10)) if rest[0] == "x" else rest[0]), rest[1:]
        expected: dict[str, Any] = {
            "valid": True,
            "e164": e164,
            "country": country,
            "type": kind,
            "time_zones": [zone],
        }
        if place is not None:
            expected["region"] = place
        national = f"({e164[3:5]}) {e164[5:-4]}-{e164[-4:]}"
        typed = self.chance.choice([e164, f" {e164[:3]} {e164[3:]} ", national if country == "BR" else e164])
        return typed, expected

    def address(self, country: str) -> dict[str, str]:
        """Return an address of a country."""
        complement = self.chance.choice([{}, {"complement": "apto. 101"}, {"complement": "fundos"}])
        number = str(self.chance.randint(1, 2000))
        return self.chance.choice(ADDRESSES[country]) | complement | {"number": number, "country": country}

    def person(self, position: int) -> dict[str, Any]:
        """Return the person of a position: one of a kind of provider each 40, one refused sign-up each 25."""
        typed, name = self.name()
        domain = self.chance.choice(DOMAINS)
        if position % 40 == 7:
            domain = list(PROVIDERS)[position // 40 % len(PROVIDERS)]
        local = self.chance.choice(["pessoa", "Pessoa", "p.e2e"])
        person: dict[str, Any] = {
            "email": f"{local}.{position:04d}@{domain}",
            "password": f"uma senha longa {self.chance.randrange(10**9):09d}",
            "name": typed,
            "signup_errors": {},
            "refused": [],
            "profile": {},
        }
        if position % 25 == 12:
            change, person["signup_errors"] = NOBODY[position // 25 % len(NOBODY)]
            return person | change
        enriched: dict[str, Any] = {
            "name": name,
            "email": {"valid": True, "domain": domain, "provider": PROVIDERS.get(domain, "custom")},
            "phone": None,
            "cpf": None,
        }
        profile = person["profile"]
        # A third gives everything, a third some of it, a few nothing at all.
        likely = [1.0, 0.6, 0.6, 0.6, 0.1][position % 5]
        if self.chance.random() < likely:
            profile["cpf"], enriched["cpf"] = self.cpf()
        if self.chance.random() < likely:
            profile["phone"], enriched["phone"] = self.phone()
        if self.chance.random() < likely:
            profile["birth_date"] = (
                f"{self.chance.randint(1930, 2020)}-"
                f"{self.chance.randint(1, 12):02d}-{self.chance.randint(1, 28):02d}"
            )
        if self.chance.random() < likely:
            # A phone must belong to the country of the address.
            country = (
                enriched["phone"]["country"] if enriched["phone"] else self.chance.choice(list(ADDRESSES))
            )
            if country in ADDRESSES:
                profile["address"] = self.address(country)
        if position % 4 == 1:
            chosen = self.chance.sample(REFUSED, self.chance.randint(1, 2))
            person["refused"] = [{"patch": patch, "errors": errors} for patch, errors in chosen]
        return person | {"enriched": enriched}


def made() -> str:
    """Return the file's text: one person a line."""
    maker = Maker(20261124)
    lines = [json.dumps(maker.person(position), ensure_ascii=False) for position in range(COUNT)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main() -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the file is not what this makes"
    )
    if not parser.parse_args().check:
        FILE.write_text(made())
    elif FILE.read_text() != made():
        sys.exit(f"{FILE} is not what {Path(__file__).name} makes: run it and commit both")


if __name__ == "__main__":
    main()
