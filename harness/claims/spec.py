"""What `astroboard reproduce` compares: claims and boards, declared in ``claims.toml`` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from math import inf
from types import MappingProxyType
from typing import Any

from harness.claims.diagnostics import EPOCH
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS, get_track

STANDINGS = ("claimed", "proposed", "ours")
"""Whether a report says that it is so, suggests that it might be, or only we ask."""
ABLATION = "ablation"
KINDS = ("claim", "experiment", "board", ABLATION)


@dataclass(frozen=True)
class DataSet:
    """Cases of a ``track`` that claims are tested on, simulated with these ``options``.

    ``regime`` has the worst value of some scores that a network may have there and still count as one that
    has learnt: twice the error of the report.
    """

    track: str
    options: Mapping[str, str]
    regime: Mapping[str, float]


UNET_DICEE = 0.045  # of the network of Urcelay, Hernandez & Ugarte (2024)
CNN_ACCURACY = 0.8652  # of the plain network of Castillo & Foix (2020)
AS_REPORTED = {"dicee": 2 * UNET_DICEE}
REAL = "real"
DATA_SETS = {
    "sparse": DataSet(MASS_MAPPING.name, {"noise": "sparse"}, AS_REPORTED),
    "sparse-field": DataSet(MASS_MAPPING.name, {"noise": "sparse", "boundary": "field"}, AS_REPORTED),
    "dense": DataSet(MASS_MAPPING.name, {"noise": "dense"}, {}),
    "stamps": DataSet(STAMPS.name, {}, {"accuracy": 1 - 2 * (1 - CNN_ACCURACY)}),
    REAL: DataSet(STAMPS.name, {}, {"balanced_accuracy": 0.4}),  # twice that of a guess
}
"""Data sets by name. Real alerts come from the user."""
SEEDS = {
    "smoke": {MASS_MAPPING.name: 2, STAMPS.name: 2},
    "laptop": {MASS_MAPPING.name: 2, STAMPS.name: 3},
    "night": {MASS_MAPPING.name: 1, STAMPS.name: 3},
    "gpu": {MASS_MAPPING.name: 3, STAMPS.name: 3},
    "paper": {MASS_MAPPING.name: 5, STAMPS.name: 5},
}
"""How many seeds each preset trains from, by track."""
FULL_SIZE = ("gpu", "paper")  # presets whose networks are of the size of the reports


@dataclass(frozen=True)
class Size:
    """How much is simulated and trained: cases and seeds of each side by track, folds of the real alerts.

    Real alerts are too few to spare some for a test: they are cross-validated. ``settings`` replace those of
    the preset in every baseline that has them.
    """

    cases: Mapping[str, int]
    seeds: Mapping[str, int]
    folds: int = 5
    settings: Mapping[str, Any] = field(default_factory=dict)


def preset_size(
    preset: str, seeds: int | None = None, settings: Mapping[str, Any] = MappingProxyType({})
) -> Size:
    """The size of a preset, with another number of seeds or with other settings if these are given."""
    cases = {name: get_track(name).claim_cases[preset] for name in SEEDS[preset]}
    return Size(cases, dict.fromkeys(cases, seeds) if seeds else SEEDS[preset], settings=settings)


@dataclass(frozen=True)
class Side:
    """What is trained: a baseline with the settings of the preset's table ``like``, but for ``settings``.

    ``split`` names how the data are split. A network with a ``start`` is first trained on the data set of
    that name; ``first`` is then the baseline whose network it starts from, by default its own.
    """

    baseline: str
    settings: dict[str, Any]
    like: str
    split: str = ""
    start: str = ""
    first: str = ""

    def __str__(self) -> str:
        words = [self.baseline]
        for name, value in self.settings.items():
            inner = value.items() if isinstance(value, dict) else ()
            words += [f"{name}.{key} = {number}" for key, number in inner] or [f"{name} = {value}"]
        words += [f"{self.split} split"] if self.split else []
        if self.start:
            words += [f"from {self.first}" if self.first else f"trained on {self.start} first"]
        return ", ".join(words)


@dataclass(frozen=True)
class Claim:
    """A claim or a board, as its table declares it.

    ``standing`` is one of STANDINGS, empty for boards. ``preset`` has its settings and its size. A claim has
    ``expected``: by score, the bounds of the difference, or of the ratio of times, if it is true. These
    scores decide; those of ``beside`` are judged as well and decide nothing. ``regime`` has the worst value
    of some scores that its networks may have, or it is not tested. ``weights`` are those of its sides in the
    difference: A (1) and B (−1) first. A board has none of these.

    ``reported`` has what the report states, of A and of B or in rows beside those of a board: ``scores``, and
    what they are ``of``. ``note`` is what a reader of a board must know. The sides of a curve differ in one
    setting, titled ``over``, and each has one of its ``values``. There are no values where the setting is the
    split: then the data say how large the training set is.
    """

    name: str
    kind: str
    standing: str
    says: str
    source: str
    track: str
    data: str
    preset: str
    sides: tuple[Side, ...]
    weights: tuple[int, ...] = ()
    expected: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    beside: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    regime: Mapping[str, float] = field(default_factory=dict)
    reported: tuple[Mapping[str, Any], ...] = ()
    note: str = ""
    over: str = ""
    values: tuple[float, ...] = ()

    def description(self) -> dict[str, Any]:
        """The fields that its result repeats."""
        keys = ("name", "kind", "standing", "says", "source", "track", "data", "preset")
        return {key: getattr(self, key) for key in keys}


def select(preset: str | None = None, wanted: Sequence[str] = (), real: bool = False) -> list[Claim]:
    """The claims and boards of these names, kinds or tracks; all but ablations without any.

    Each has the ``preset``, or the one that it is meant for if none is given. Raises HarnessError for an
    unknown name, and without ``real`` alerts for the name of a claim or board that needs them.
    """
    for name in wanted:
        if name not in names():
            raise HarnessError(f"a claim must be one of {', '.join(names())}, got {name!r}")
    specs = [_claim(name, table, preset) for name, table in _tables().items()]
    chosen = set(wanted or KINDS[:-1])
    for spec in specs:
        if spec.name in chosen and spec.data == REAL and not real:
            raise HarnessError(f"{spec.name} must have real alerts, got none; name a data set with --stamps")
    return [
        spec
        for spec in specs
        if chosen & {spec.name, spec.kind} or (spec.track in chosen and spec.kind != ABLATION)
    ]


def names() -> list[str]:
    """All words that select claims: kinds, tracks and their own names."""
    return [*KINDS, *dict.fromkeys(each.track for each in DATA_SETS.values()), *claim_names()]


def claim_names() -> list[str]:
    """The names of all claims, experiments, boards and ablations."""
    return [*_tables()]


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("harness.claims") / "claims.toml").read_text(encoding="utf-8"))


def _claim(name: str, table: dict[str, Any], preset: str | None) -> Claim:
    preset = preset or table.get("preset", "laptop")
    table = table | (table.get("full_size", {}) if preset in FULL_SIZE else {})
    data_set = DATA_SETS[table["data"]]
    keys = ("kind", "standing", "says", "source", "data", "note")
    common: dict[str, Any] = {"standing": ""} | {key: table[key] for key in keys if key in table}
    common |= {"name": name, "track": data_set.track, "preset": preset}
    common["reported"] = tuple(
        {"of": row["of"], "scores": {key: row[key] for key in row if key != "of"}}
        for row in table.get("reported", [])
    )
    if "baselines" in table:
        rows = (row if isinstance(row, dict) else {"like": row} for row in table["baselines"])
        return Claim(**common, sides=tuple(_side(**row) for row in rows))
    if "over" in table:
        shared, values = table.get("all", {}), table["values"]
        sides = tuple(_side(table["like"], **shared, **{table["over"]: value}) for value in values)
        numbers = () if isinstance(values[0], str) else tuple(map(float, values))
        return Claim(**common, sides=sides, over=table["title"], values=numbers)
    pairs: list[dict[str, Any]] = [table]
    weights: tuple[int, ...] = (1, -1)
    if "against" in table:
        pairs, weights = [table, table["against"]], (1, -1, -1, 1)
    sides = tuple(_side(**{"like": table["like"]} | pair[side]) for pair in pairs for side in "ab")
    expected, beside = (
        {key: _bounds(key, value) for key, value in table.get(name, {}).items()}
        for name in ("expected", "beside")
    )
    return Claim(
        **common, sides=sides, weights=weights, expected=expected, beside=beside,
        regime=table.get("regime", data_set.regime),
    )  # fmt: skip


def _side(
    like: str, baseline: str = "", split: str = "", start: str = "", first: str = "", **settings: Any
) -> Side:
    return Side(baseline or like, settings, like, split, start, first)


def _bounds(key: str, value: Any) -> tuple[float, float]:
    equal = 1.0 if key == EPOCH.key else 0.0
    low, high = {"lower": (-inf, equal), "higher": (equal, inf)}[value] if isinstance(value, str) else value
    return low, high
