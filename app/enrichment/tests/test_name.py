import pytest
from alicerce_enrichment.enrichers.name import enrich_name
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "full", "first", "last", "initials"),
    [
        ("maria silva", "Maria Silva", "Maria", "Silva", "MS"),
        ("  MARIA  das\tdores DA silva ", "Maria das Dores da Silva", "Maria", "Silva", "MS"),
        ("JOÃO DOS SANTOS JÚNIOR", "João dos Santos Júnior", "João", "Santos Júnior", "JS"),
        ("carlos alberto neto", "Carlos Alberto Neto", "Carlos", "Alberto Neto", "CA"),
        ("maria neto", "Maria Neto", "Maria", "Neto", "MN"),
        ("joão paulo ii", "João Paulo II", "João", "Paulo II", "JP"),
        ("álvaro D'ÁVILA", "Álvaro d'Ávila", "Álvaro", "d'Ávila", "ÁD"),
        ("ana-clara sá-carneiro", "Ana-Clara Sá-Carneiro", "Ana-Clara", "Sá-Carneiro", "AS"),
        ("Scott McArthur", "Scott McArthur", "Scott", "McArthur", "SM"),
        ("leonardo DiCaprio e silva", "Leonardo DiCaprio e Silva", "Leonardo", "Silva", "LS"),
        ("da silva", "Da Silva", "Da", "Silva", "DS"),
        ("j. r. r. tolkien", "J. R. R. Tolkien", "J.", "Tolkien", "JT"),
        ("PELÉ", "Pelé", "Pelé", None, "P"),
        ("Maria de", "Maria de", "Maria", None, "M"),
        ("Jose\u0301 Souza", "José Souza", "José", "Souza", "JS"),
        ("李 小龙", "李 小龙", "李", "小龙", "李小"),
        ("12 34", "12 34", "12", "34", None),
    ],
)
def test_names(value: str, full: str, first: str, last: str | None, initials: str | None) -> None:
    name = enrich_name(value)
    assert name is not None
    assert name.model_dump() == {"full": full, "first": first, "last": last, "initials": initials}


@pytest.mark.parametrize("value", [None, "", " \t\n", "\u200b\x00"])
def test_missing(value: str | None) -> None:
    assert enrich_name(value) is None


@given(st.text(st.characters()))
def test_any_text_gets_an_answer(value: str) -> None:
    name = enrich_name(value)
    if name is not None:
        assert name.full == " ".join(name.full.split())
        assert name.first == name.full.split()[0]


@given(
    st.lists(
        st.sampled_from(["maria", "DA", "Silva", "dos", "SANTOS", "júnior", "d'ávila", "McAdam", "II"]),
        min_size=1,
    )
)
def test_normalising_twice_changes_nothing(words: list[str]) -> None:
    once = enrich_name(" ".join(words))
    assert once is not None
    assert enrich_name(once.full) == once
