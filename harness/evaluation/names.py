"""Names that look alike, to identify teams by the names in their manifests."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

NOT_DRAWN = "\u115f\u1160\u17b4\u17b5\u2800\u303f\u3164\uffa0\ufffc\U0001d159"
"""Letters and symbols, says Unicode, that are drawn as nothing: fillers, dotless braille, a headless note."""
LATIN = re.compile(r"LATIN .*\b([A-Z])(?: WITH .*)?$")
"""Unicode's name of a letter that is drawn as A to Z is: small, turned, in a square, with a stroke."""
IN_ANY_CASE = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o", "m": "rn"})
"""I is confusable with l and O with 0, so the small i and o are where case does not count."""


@lru_cache(maxsize=100_000)
def skeletons(name: str) -> frozenset[str]:
    """What is left of a name: two names look alike if they have one of these texts in common.

    They are the skeletons of UTS 39 of the name as it is, in small and in large letters, since letters that
    differ as small ones may be confusable as large ones. Marks, spaces, punctuation and what is not drawn do
    not count. They are for comparing, not for showing.
    """
    return frozenset(_skeleton(form) for form in (name, name.casefold(), name.casefold().upper()))


def _skeleton(text: str) -> str:
    for form in ("NFD", "NFKD"):  # what a letter is confusable with comes before what it is compatible with
        letters = (letter for letter in unicodedata.normalize(form, text) if letter not in NOT_DRAWN)
        text = "".join(map(_prototype, letters))
    drawn = "".join(letter for letter in text if unicodedata.category(letter)[0] in "LNS")
    return drawn.casefold().translate(IN_ANY_CASE)


def _prototype(letter: str) -> str:
    """The letter, or the letters, that stand for all that are confusable with this one."""
    from confusable_homoglyphs.confusables import confusables_data  # which scoring does without

    if not letter.isascii() and (latin := LATIN.search(unicodedata.name(letter, ""))):
        return latin[1]
    found = confusables_data.get(letter) or confusables_data.get(f"\u200e{letter}\u200e", ())  # right to left
    alike: list[str] = [other["c"] for other in found]
    if len(alike) != 1:
        return letter  # confusable with nothing, or itself what stands for several
    if len(confusables_data.get(alike[0], ())) == 1:
        return min(letter, alike[0])  # a pair
    return alike[0]
