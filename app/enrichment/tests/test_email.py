import pytest
from alicerce_enrichment.enrichers.email import enrich_email
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "normalized", "domain", "provider"),
    [
        ("maria@example.com", "maria@example.com", "example.com", "custom"),
        ("  Maria.Silva+news@Example.COM ", "maria.silva+news@example.com", "example.com", "custom"),
        ("ana@gmail.com", "ana@gmail.com", "gmail.com", "free"),
        ("ana@UOL.com.br", "ana@uol.com.br", "uol.com.br", "free"),
        ("x@alicerce.test", "x@alicerce.test", "alicerce.test", "custom"),
        ("x@mailinator.com", "x@mailinator.com", "mailinator.com", "disposable"),
        ("x@inbox.mailinator.com", "x@inbox.mailinator.com", "inbox.mailinator.com", "disposable"),
        ("x@notgmail.com", "x@notgmail.com", "notgmail.com", "custom"),
        ("josé@exemplo.com.br", "josé@exemplo.com.br", "exemplo.com.br", "custom"),
        ("a@xn--mnchen-3ya.example", "a@münchen.example", "münchen.example", "custom"),
    ],
)
def test_valid(value: str, normalized: str, domain: str, provider: str) -> None:
    email = enrich_email(value)
    assert email is not None
    assert email.model_dump() == {
        "valid": True,
        "normalized": normalized,
        "domain": domain,
        "provider": provider,
    }


@pytest.mark.parametrize(
    "value",
    [
        "maria",
        "maria@",
        "@example.com",
        "a b@example.com",
        "a@localhost",
        "a@b..com",
        "a@example.com, b@example.com",
        "a" * 400,
    ],
)
def test_invalid(value: str) -> None:
    email = enrich_email(value)
    assert email is not None
    assert email.model_dump() == {"valid": False, "normalized": value, "domain": None, "provider": None}


@pytest.mark.parametrize("value", [None, "", " "])
def test_missing(value: str | None) -> None:
    assert enrich_email(value) is None


@given(st.text(st.characters()) | st.from_regex(r"\S+@\S+\.\S+", fullmatch=True))
def test_any_text_gets_an_answer(value: str) -> None:
    email = enrich_email(value)
    assert email is None or email.valid == (email.domain is not None)


@given(st.emails())
def test_normalising_twice_changes_nothing(value: str) -> None:
    once = enrich_email(value)
    assert once is not None
    assert enrich_email(once.normalized) == once
