import pytest
from alicerce_enrichment.enrichers.cpf import check_digit, enrich_cpf
from hypothesis import assume, given
from hypothesis import strategies as st

nine_digits = st.lists(st.integers(0, 9), min_size=9, max_size=9).filter(lambda digits: len(set(digits)) > 1)


def complete(digits: list[int]) -> str:
    first = check_digit(digits)
    return "".join(map(str, [*digits, first, check_digit([*digits, first])]))


@pytest.mark.parametrize(
    ("value", "formatted", "region"),
    [
        ("52998224725", "529.982.247-25", "ES, RJ"),
        (" 529.982.247-25\n", "529.982.247-25", "ES, RJ"),
        ("11144477735", "111.444.777-35", "ES, RJ"),
        ("12345678909", "123.456.789-09", "PR, SC"),
        ("01234567890", "012.345.678-90", "SP"),
    ],
)
def test_valid(value: str, formatted: str, region: str) -> None:
    cpf = enrich_cpf(value)
    assert cpf is not None
    assert (cpf.valid, cpf.formatted, cpf.region) == (True, formatted, region)


@pytest.mark.parametrize(
    "value",
    [
        "52998224724",
        "52998224735",
        "00000000000",
        "111.111.111-11",
        "5299822472",
        "529982247255",
        "529.982.24725",
        "5 2 9 9 8 2 2 4 7 2 5",
        "٥٢٩٩٨٢٢٤٧٢٥",
        "not a number",
    ],
)
def test_invalid(value: str) -> None:
    cpf = enrich_cpf(value)
    assert cpf is not None
    assert cpf.model_dump() == {"valid": False, "formatted": None, "region": None}


@pytest.mark.parametrize("value", [None, "", "   "])
def test_missing(value: str | None) -> None:
    assert enrich_cpf(value) is None


@given(nine_digits)
def test_the_ninth_digit_tells_a_region(digits: list[int]) -> None:
    cpf = enrich_cpf(complete(digits))
    assert cpf is not None
    assert cpf.valid
    assert cpf.region


@given(nine_digits, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_always_caught(digits: list[int], place: int, shift: int) -> None:
    right = complete(digits)
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    # Remainders 0 and 10 share the check digit 0: the algorithm itself cannot tell these apart.
    assume(not (int(right[9]) == 0 or int(right[10]) == 0 or int(wrong[9]) == 0 or int(wrong[10]) == 0))
    cpf = enrich_cpf(wrong)
    assert cpf is not None
    assert not cpf.valid


@given(st.text(st.characters()))
def test_any_text_gets_an_answer(value: str) -> None:
    cpf = enrich_cpf(value)
    assert cpf is None or cpf.valid == (cpf.formatted is not None)
