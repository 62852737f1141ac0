"""Personal names as Portuguese writes them."""

import re
import unicodedata
from typing import Final

from alicerce_enrichment.models import Name

# Lower case within a name, and never a first or last name of their own.
_PARTICLES: Final = frozenset(
    ["da", "das", "de", "del", "der", "di", "do", "dos", "du", "e", "la", "van", "von", "y"]
)
# Tell relatives apart; they go with the surname before them.
_SUFFIXES: Final = frozenset(
    ["filha", "filho", "jr", "jr.", "júnior", "junior", "neta", "neto", "segundo", "sobrinha", "sobrinho"]
)
_ROMAN: Final = frozenset(["ii", "iii", "iv", "vi", "vii", "viii"])
_PIECES: Final = re.compile(r"([-'’])")
_ELIDED: Final = frozenset(["d", "l"])


def _capitalise(piece: str) -> str:
    # Mixed case is somebody's own spelling (McArthur, DiCaprio); all capitals or none is just typing.
    if piece and (piece.islower() or piece.isupper()):
        return piece[:1].upper() + piece[1:].lower()
    return piece


def _case(word: str, *, leading: bool) -> str:
    lower = word.lower()
    if lower in _PARTICLES and not leading:
        return lower
    if lower in _ROMAN and not leading:
        return lower.upper()
    pieces = _PIECES.split(word)
    cased = [_capitalise(piece) for piece in pieces]
    if len(pieces) > 2 and pieces[0].lower() in _ELIDED and pieces[1] != "-":
        cased[0] = pieces[0].lower()
    return "".join(cased)


_INVISIBLE: Final = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


def _clean(value: str) -> str:
    kept = "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in value)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _initial(word: str) -> str:
    return next((char.upper() for char in word if char.isalpha()), "")


def enrich_name(value: str | None) -> Name | None:
    """Clean, case and split a name: ` MARIA  da silva JÚNIOR` is Maria da Silva Júnior, initials MS.

    The last name is the last word that is no particle, with the suffix that follows it (`Silva Júnior`).
    """
    words = _clean(value or "").split()
    if not words:
        return None
    cased = [_case(word, leading=position == 0) for position, word in enumerate(words)]
    end = len(cased)
    while end > 2 and (cased[end - 1].lower() in _SUFFIXES or cased[end - 1].lower() in _ROMAN):
        end -= 1
    surname = next((i for i in range(end - 1, 0, -1) if cased[i].lower() not in _PARTICLES), None)
    initials = _initial(cased[0]) + ("" if surname is None else _initial(cased[surname]))
    return Name(
        full=" ".join(cased),
        first=cased[0],
        last=None if surname is None else " ".join(cased[surname:]),
        initials=initials or None,
    )
