"""What `astroboard reproduce` compares, read from ``claims.toml`` beside this file: claims, and boards."""

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

REAL = "real"
TRACKS = {"sparse": MASS_MAPPING.name, "dense": MASS_MAPPING.name, "stamps": STAMPS.name, REAL: STAMPS.name}
"""The track of each data set; sparse and dense are noise models of the maps."""
ABLATION = "ablation"
KINDS = ("claim", "experiment", "board", ABLATION)
EPOCH_SECONDS = "epoch_seconds"
"""What is compared as a ratio, and is no score of a submission."""


@dataclass(frozen=True)
class Side:
    """What is trained: a baseline, its settings other than those of the table ``like`` in the preset, how its
    data are split, and the data on which a network is trained beforehand.
    """

    baseline: str
    settings: dict[str, Any]
    like: str
    split: str = ""
    start: str = ""

    def __str__(self) -> str:
        parts = [f"{name} = {value}" for name, value in self.settings.items()]
        parts += [f"{self.split} split"] if self.split else []
        return ", ".join([self.baseline, *parts, *([f"trained on {self.start} first"] if self.start else [])])


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
    weighted: tuple[tuple[int, Side], ...]
    expected: dict[str, tuple[float, float]]

    @property
    def track(self) -> str:
        return TRACKS[self.data]

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(side for _, side in self.weighted)


@dataclass(frozen=True)
class Board:
    """Sides to rank side by side. Those of a curve differ in what ``over`` says, of which each has one of
    ``values``; there are none if it is the size of the training set, which the data tell.
    """

    name: str
    kind: str
    says: str
    source: str
    data: str
    sides: tuple[Side, ...]
    over: str = ""
    values: tuple[float, ...] = ()

    @property
    def track(self) -> str:
        return TRACKS[self.data]


def compared(preset: str, wanted: Sequence[str] = (), real: bool = False) -> list[Claim | Board]:
    """What has these names, kinds or tracks, as it is at a preset; of none, all but ablations.

    Without ``real`` alerts, what is about them is left out, or refused if it is named.
    """
    every = [_entry(name, table | table.get(preset, {})) for name, table in _tables().items()]
    for name in wanted:
        if name not in names():
            raise HarnessError(f"there is no claim {name!r}; there are: {', '.join(names())}")
    chosen = set(wanted or KINDS[:-1])
    for one in every:
        if one.name in chosen and one.data == REAL and not real:
            raise HarnessError(f"{one.name} is about real alerts: name a data set of such with --stamps")
    return [
        one
        for one in every
        if (chosen & {one.name, one.kind} or (one.track in chosen and one.kind != ABLATION))
        and (real or one.data != REAL)
    ]


def names() -> list[str]:
    """All that claims can be called for by: their names, kinds and tracks."""
    return [*KINDS, *dict.fromkeys(TRACKS.values()), *_tables()]


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("harness.claims") / "claims.toml").read_text(encoding="utf-8"))


def _entry(name: str, table: dict[str, Any]) -> Claim | Board:
    texts = {key: table[key] for key in ("kind", "says", "source", "data")}
    if "baselines" in table:
        sides = tuple(_side(one) if isinstance(one, str) else _side(**one) for one in table["baselines"])
        return Board(name=name, sides=sides, **texts)
    if "over" in table:
        shared, values = table.get("all", {}), table["values"]
        sides = tuple(_side(table["like"], **shared, **{table["over"]: value}) for value in values)
        numbers = () if isinstance(values[0], str) else tuple(map(float, values))
        return Board(name=name, sides=sides, over=table["title"], values=numbers, **texts)
    pairs = [(1, table), (-1, table.get("against", {}))]
    weighted = [
        (sign * weight, _side(table["like"], **pair[key]))
        for sign, pair in pairs
        for weight, key in ((1, "a"), (-1, "b"))
        if key in pair
    ]
    expected = {key: _bounds(key, value) for key, value in table["expected"].items()}
    return Claim(name=name, weighted=tuple(weighted), expected=expected, **texts)


def _side(like: str, baseline: str = "", split: str = "", start: str = "", **settings: Any) -> Side:
    return Side(baseline or like, settings, like, split, start)


def _bounds(key: str, value: Any) -> tuple[float, float]:
    equal = 1.0 if key == EPOCH_SECONDS else 0.0
    low, high = {"lower": (-inf, equal), "higher": (equal, inf)}[value] if isinstance(value, str) else value
    return low, high
