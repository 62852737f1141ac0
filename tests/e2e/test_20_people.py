"""Five hundred people sign up through the edge, fill in profiles, rightly and wrongly, and are enriched."""

import hashlib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

AT_ONCE = 8
BANDS = [
    (65, "65+"),
    (55, "55-64"),
    (45, "45-54"),
    (35, "35-44"),
    (25, "25-34"),
    (18, "18-24"),
    (13, "13-17"),
    (0, "0-12"),
]


def codes(answer) -> dict[str, str]:
    return {error["field"]: error["code"] for error in answer.json().get("errors", [])}


def age_of(birth_date: str | None) -> dict[str, Any] | None:
    if birth_date is None:
        return None
    born, today = date.fromisoformat(birth_date), datetime.now(UTC).date()
    years = today.year - born.year - (today.strftime("%m%d") < born.strftime("%m%d"))
    return {"years": years, "band": next(band for least, band in BANDS if years >= least)}


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """Tell where `found` lacks or contradicts what is expected; it may hold more."""
    if isinstance(expected, list) and isinstance(found, list):
        return [f"{where}: {found} without {item!r}" for item in expected if item not in found]
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            text
            for key, value in expected.items()
            for text in differences(value, found.get(key), f"{where}.{key}")
        ]
    return [] if expected == found else [f"{where}: {found!r} where {expected!r} was expected"]


def journey(edge, person) -> list[str]:
    """Go one person's way and return what was not as expected."""
    answer = edge.sign_up(person)
    if person["signup_errors"]:
        if (answer.status_code, codes(answer)) != (422, person["signup_errors"]):
            return [f"sign-up: {answer.status_code} {answer.text}"]
        return []
    if answer.status_code != 201:
        return [f"sign-up: {answer.status_code} {answer.text}"]
    token = edge.log_in(person)["access_token"]

    # The profile is there before anything can have travelled from auth to users.
    answer = edge.call("GET", "/api/v1/users/me", token=token)
    if answer.status_code != 200:
        return [f"profile: {answer.status_code} {answer.text}"]
    profile = answer.json()
    wrong = []
    if profile["phone"] is not None or profile["cpf"] is not None:
        wrong.append(f"a new profile is not empty: {profile}")

    for refused in person["refused"]:
        answer = edge.call("PATCH", "/api/v1/users/me", token=token, json=refused["patch"])
        if (answer.status_code, codes(answer)) != (422, refused["errors"]):
            wrong.append(f"{refused['patch']}: {answer.status_code} {answer.text}, not {refused['errors']}")
    if person["refused"]:
        after = edge.call("GET", "/api/v1/users/me", token=token).json()
        if after != profile:
            wrong.append(f"a refused change left its mark: {profile} became {after}")

    if person["profile"]:
        answer = edge.call("PATCH", "/api/v1/users/me", token=token, json=person["profile"])
        if answer.status_code != 200:
            return [*wrong, f"{person['profile']}: {answer.status_code} {answer.text}"]
        profile = answer.json()
        if edge.call("GET", "/api/v1/users/me", token=token).json() != profile:
            wrong.append("what was saved is not what is read")

    enriched = edge.enriched(token, profile["revision"])
    expected = person["enriched"] | {
        "user_id": profile["id"],
        "revision": profile["revision"],
        "age": age_of(person["profile"].get("birth_date")),
        "avatar": {"hash": hashlib.sha256(person["email"].lower().encode()).hexdigest()},
    }
    expected["email"] = expected["email"] | {"normalized": person["email"].lower()}
    return wrong + differences(expected, enriched, "enriched")


def timed(edge, person) -> tuple[str, float, list[str]]:
    began = time.monotonic()
    try:
        wrong = journey(edge, person)
    except Exception as error:  # one person's trouble must not hide the others'
        wrong = [f"{type(error).__name__}: {error}"]
    return person["email"], time.monotonic() - began, wrong


def test_everybody_signs_up_and_is_enriched(edge, people):
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda person: timed(edge, person), people))
    took = time.monotonic() - began

    durations = sorted(duration for _, duration, _ in outcomes)
    print(
        f"\n{len(people)} people in {took:.0f} s, {AT_ONCE} at once; a way took "
        f"{statistics.median(durations):.2f} s, 99 % within {durations[len(durations) * 99 // 100]:.2f} s; "
        f"{edge.waited:.0f} s waited for rate limits"
    )
    for (call, status), count in sorted(edge.answers.items()):
        print(f"{count:7d}  {status}  {call}")
    wrong = {email: texts for email, _, texts in outcomes if texts}
    assert not wrong, f"{len(wrong)} of {len(people)}: " + "\n".join(
        f"{who}: {texts}" for who, texts in list(wrong.items())[:20]
    )


def test_an_address_serves_once(edge, people):
    person = next(person for person in people if not person["signup_errors"])
    answer = edge.sign_up(person | {"email": person["email"].upper(), "name": "Outra Pessoa"})
    assert answer.status_code == 409, answer.text


def test_the_administrator_sees_everybody_once(edge, people, administrator):
    expected = {person["email"].lower() for person in people if not person["signup_errors"]}
    seen: list[str] = []
    cursor = None
    while True:
        query = "?limit=100" + (f"&cursor={cursor}" if cursor else "")
        answer = edge.call("GET", f"/api/v1/users{query}", token=administrator)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= 100
        seen += [item["email"].lower() for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert expected <= set(seen)
