"""What `astroboard reproduce` compares: claims and boards, declared in ``claims.toml`` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from math import inf
from typing import Any

from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS, get_track

REAL = "real"
DATA_SETS: dict[str, tuple[str, dict[str, str]]] = {
    "sparse": (MASS_MAPPING.name, {"noise": "sparse"}),
    "dense": (MASS_MAPPING.name, {"noise": "dense"}),
    "stamps": (STAMPS.name, {}),
    REAL: (STAMPS.name, {}),
}
"""The track of each data set, and the options of its simulation. Real alerts come from the user."""
ABLATION = "ablation"
KINDS = ("claim", "experiment", "board", ABLATION)
EPOCH_SECONDS = "epoch_seconds"
"""The key of a comparison of times. It is compared as a ratio and is no score of a submission."""
SEEDS = {"smoke": 2, "laptop": 3, "paper": 5}


@dataclass(frozen=True)
class Size:
    """How much is simulated and trained: cases by track, seeds of each side, folds of the real alerts.

    Real alerts are too few to spare some for a test: they are cross-validated.
    """

    cases: Mapping[str, int]
    seeds: int
    folds: int = 5


def preset_size(preset: str, seeds: int | None = None) -> Size:
    """The size of a preset, with another number of seeds if one is given."""
    cases = {name: get_track(name).claim_cases[preset] for name, _ in DATA_SETS.values()}
    return Size(cases, seeds or SEEDS[preset])


@dataclass(frozen=True)
class Side:
    """What is trained: a baseline with the settings of the preset's table ``like``, but for ``settings``.

    ``split`` names how the data are split. A network with a ``start`` is first trained on the data set of
    that name.
    """

    baseline: str
    settings: dict[str, Any]
    like: str
    split: str = ""
    start: str = ""

    def __str__(self) -> str:
        words = [self.baseline, *(f"{name} = {value}" for name, value in self.settings.items())]
        words += [f"{self.split} split"] if self.split else []
        return ", ".join(words + ([f"trained on {self.start} first"] if self.start else []))


@dataclass(frozen=True)
class Claim:
    """A claim or a board, as its table declares it.

    A claim has ``expected``: by score, the bounds of the difference, or of the ratio of times, if it is true.
    ``weights`` are those of its sides in the difference: A (1) and B (−1) first. A board has neither. The
    sides of a curve differ in one setting, titled ``over``, and each has one of its ``values``. There are no
    values where the setting is the split: then the data say how large the training set is.
    """

    name: str
    kind: str
    says: str
    source: str
    track: str
    data: str
    sides: tuple[Side, ...]
    weights: tuple[int, ...] = ()
    expected: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    over: str = ""
    values: tuple[float, ...] = ()

    def description(self) -> dict[str, str]:
        """The fields that its result repeats."""
        return {key: getattr(self, key) for key in ("name", "kind", "says", "source", "track", "data")}


def select(preset: str, wanted: Sequence[str] = (), real: bool = False) -> list[Claim]:
    """The claims and boards of these names, kinds or tracks, at a preset; all but ablations without any.

    Without ``real`` alerts, those about them are left out, and refused if they are asked for by name. Raises
    HarnessError for an unknown name.
    """
    specs = [_claim(name, table | table.get(preset, {})) for name, table in _tables().items()]
    for name in wanted:
        if name not in names():
            raise HarnessError(f"there is no claim {name!r}; there are: {', '.join(names())}")
    chosen = set(wanted or KINDS[:-1])
    for spec in specs:
        if spec.name in chosen and spec.data == REAL and not real:
            raise HarnessError(f"{spec.name} is about real alerts: name a data set of such with --stamps")
    return [
        spec
        for spec in specs
        if (chosen & {spec.name, spec.kind} or (spec.track in chosen and spec.kind != ABLATION))
        and (real or spec.data != REAL)
    ]


def names() -> list[str]:
    """All words that select claims: kinds, tracks and their own names."""
    return [*KINDS, *dict.fromkeys(track for track, _ in DATA_SETS.values()), *_tables()]


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("harness.claims") / "claims.toml").read_text(encoding="utf-8"))


def _claim(name: str, table: dict[str, Any]) -> Claim:
    texts = {key: table[key] for key in ("kind", "says", "source", "data")}
    texts |= {"name": name, "track": DATA_SETS[table["data"]][0]}
    if "baselines" in table:
        rows = (row if isinstance(row, dict) else {"like": row} for row in table["baselines"])
        return Claim(**texts, sides=tuple(_side(**row) for row in rows))
    if "over" in table:
        shared, values = table.get("all", {}), table["values"]
        sides = tuple(_side(table["like"], **shared, **{table["over"]: value}) for value in values)
        numbers = () if isinstance(values[0], str) else tuple(map(float, values))
        return Claim(**texts, sides=sides, over=table["title"], values=numbers)
    weights: tuple[int, ...] = (1, -1)
    changes = [table["a"], table["b"]]
    if "against" in table:
        weights, changes = (*weights, -1, 1), [*changes, table["against"]["a"], table["against"]["b"]]
    sides = tuple(_side(table["like"], **settings) for settings in changes)
    expected = {key: _bounds(key, value) for key, value in table["expected"].items()}
    return Claim(**texts, sides=sides, weights=weights, expected=expected)


def _side(like: str, baseline: str = "", split: str = "", start: str = "", **settings: Any) -> Side:
    return Side(baseline or like, settings, like, split, start)


def _bounds(key: str, value: Any) -> tuple[float, float]:
    equal = 1.0 if key == EPOCH_SECONDS else 0.0
    low, high = {"lower": (-inf, equal), "higher": (equal, inf)}[value] if isinstance(value, str) else value
    return low, high
