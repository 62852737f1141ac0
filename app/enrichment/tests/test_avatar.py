import hashlib

import pytest
from alicerce_enrichment.enrichers.avatar import enrich_avatar
from hypothesis import given
from hypothesis import strategies as st


def test_the_example_of_gravatar() -> None:
    avatar = enrich_avatar(" MyEmailAddress@example.com ")
    assert avatar is not None
    assert avatar.hash == "84059b07d4be67b806386c0aad8070a23f18836bbaae342275dc0a83414c32ee"


@pytest.mark.parametrize("email", [None, "", "  \t"])
def test_no_address_no_hash(email: str | None) -> None:
    assert enrich_avatar(email) is None


@given(st.text(st.characters()))
def test_any_text_is_hashed_or_nothing(email: str) -> None:
    avatar = enrich_avatar(email)
    assert avatar is None or len(bytes.fromhex(avatar.hash)) == hashlib.sha256().digest_size
