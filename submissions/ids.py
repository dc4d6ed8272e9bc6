"""Case ids rewritten by other programs: restored if that is safe, otherwise explained."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_ROUNDED = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+|[0-9]+[.,]0+|\d{15}0+")
"""An id that a program took for a number: with an exponent, a decimal point, or zeros after 15 digits."""


def lookup(case_ids: Sequence[str]) -> Callable[[str], str]:
    """The function that gives the case that an id means, "" where none is.

    A program that reads ids as numbers takes leading zeros from them, or pads them: such an id is found where
    only one case can be meant.
    """
    known = frozenset(case_ids)

    @cache
    def meant() -> dict[str, str]:
        keys = [_LEADING_ZEROS.sub("", case_id) for case_id in case_ids]
        times = Counter(keys)
        return {key: case_id for key, case_id in zip(keys, case_ids, strict=True) if times[key] == 1}

    return lambda text: text if text in known else meant().get(_LEADING_ZEROS.sub("", text), "")


def explain(text: str) -> str:
    """What happened to an id that looks like a number which a program rounded, as "; …", or ""."""
    if not _ROUNDED.fullmatch(text):
        return ""
    return (
        "; a program (Excel, pandas) has read the ids as numbers and rounded them: let it keep them as text"
    )
