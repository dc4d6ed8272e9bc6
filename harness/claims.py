"""The claims that `astroboard reproduce` puts to the test, read from ``claims.toml`` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import inf
from typing import Any

from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS

TRACKS = {"sparse": MASS_MAPPING.name, "dense": MASS_MAPPING.name, "stamps": STAMPS.name}
"""The track of each data set; sparse and dense are noise models of the maps."""
BY_DEFAULT = ("claim", "experiment")
EPOCH_SECONDS = "epoch_seconds"
"""What is compared as a ratio, and is no score of a submission."""


@dataclass(frozen=True)
class Side:
    """What is trained: a baseline, its settings other than the preset's, and how its data are split."""

    baseline: str
    settings: dict[str, Any]
    split: str = ""

    def __str__(self) -> str:
        parts = [f"{name} = {value}" for name, value in self.settings.items()]
        return ", ".join([self.baseline, *parts, *([f"{self.split} split"] if self.split else [])])


@dataclass(frozen=True)
class Claim:
    """``weighted`` holds the sides with the weight of each in the difference, A (1) and B (−1) first.

    ``expected`` has, by score, the bounds between which the difference, or the ratio of the seconds, lies if
    the claim is true.
    """

    name: str
    kind: str
    says: str
    source: str
    data: str
    like: str
    weighted: tuple[tuple[int, Side], ...]
    expected: dict[str, tuple[float, float]]

    @property
    def track(self) -> str:
        return TRACKS[self.data]


def claims(preset: str, wanted: Sequence[str] = ()) -> list[Claim]:
    """The claims of these names, kinds or tracks, as they are at a preset; of none, all but ablations."""
    every = [_claim(name, table | table.get(preset, {})) for name, table in _tables().items()]
    known = {name for one in every for name in (one.name, one.kind, one.track)}
    for name in wanted:
        if name not in known:
            raise HarnessError(f"there is no claim {name!r}; there are: {', '.join(sorted(known))}")
    chosen = set(wanted or BY_DEFAULT)
    return [
        one
        for one in every
        if chosen & {one.name, one.kind} or (one.track in chosen and one.kind in BY_DEFAULT)
    ]


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("harness") / "claims.toml").read_text(encoding="utf-8"))


def _claim(name: str, table: dict[str, Any]) -> Claim:
    like, pairs = table["like"], [(1, table), (-1, table.get("against", {}))]
    weighted = [
        (sign * weight, _side(like, **pair[key]))
        for sign, pair in pairs
        for weight, key in ((1, "a"), (-1, "b"))
        if key in pair
    ]
    expected = {key: _bounds(key, value) for key, value in table["expected"].items()}
    texts = {key: table[key] for key in ("kind", "says", "source", "data")}
    return Claim(name=name, like=like, weighted=tuple(weighted), expected=expected, **texts)


def _side(like: str, baseline: str = "", split: str = "", **settings: Any) -> Side:
    return Side(baseline or like, settings, split)


def _bounds(key: str, value: Any) -> tuple[float, float]:
    equal = 1.0 if key == EPOCH_SECONDS else 0.0
    low, high = {"lower": (-inf, equal), "higher": (equal, inf)}[value] if isinstance(value, str) else value
    return low, high
