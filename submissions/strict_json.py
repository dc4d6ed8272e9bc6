"""Strict parsing of untrusted JSON: only what all programs read in the same way."""

import json
from math import isfinite
from typing import Any

MAX_DIGITS = 300
"""Of an integer: more cannot become a float."""


def loads(data: bytes) -> Any:
    """The value that JSON in UTF-8 tells.

    Raises ValueError for what is none, for a key that comes twice, for NaN and infinity, for numbers beyond
    those of float64, and for what nests too deeply.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            parse_constant=_number,
            parse_float=_number,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def _number(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError(f"{text:.20} is no number of JSON, or a number beyond all limits")
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has {len(text):,} digits, more than {MAX_DIGITS}")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key comes twice in one object")
    return value
