"""A track as one declarative object: its columns, its scores, how they are summed up.

Every score is a function of *sums over cases*: `by_case` gives columns with a row a case, `statistics`
turns them into a matrix (cases, S), and `summarise` turns sums of its rows, with the number of cases, into
the scores. So the score of any resampled set of cases is a matrix product away,
for means and for F-scores alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pkgutil import resolve_name
from typing import Any

import numpy as np

from submissions.formats.base import Format

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Column:
    """One column of a dataset file: dtype and shape of a case's value."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ScoreInfo:
    """What a reader has to know of a score; ``digits`` are those after the decimal point to show."""

    key: str
    title: str
    meaning: str
    lower_is_better: bool = True
    ranked: bool = False
    digits: int = 4

    @property
    def sign(self) -> int:
        """1, or -1 where higher is better: times this, lower values are better."""
        return 1 if self.lower_is_better else -1


@dataclass(frozen=True)
class Score(ScoreInfo):
    """One score of a track. ``column`` is the column by case that it is the mean of; empty: it is no mean."""

    column: str = ""

    @property
    def info(self) -> ScoreInfo:
        """What a board says of the score."""
        return ScoreInfo(**{each.name: getattr(self, each.name) for each in fields(ScoreInfo)})


@dataclass(frozen=True)
class Track:
    """A competition. What is heavy is named as "module:name" and imported by `load` when it is needed.

    ``sources`` are what data sets are packed from, in the order in which they are tried. ``simulator`` makes
    a data set; ``simulator_options`` has the choices of each of its options, the default first. ``splitter``
    assigns the cases to train, validation and test. ``drawing`` is the module that draws cases and what else
    a page of a submission shows. ``diagnostics`` are scores that claims may be about and boards do not show;
    ``claim_cases`` are how many cases each preset simulates to test claims, ``demo_cases`` to demonstrate.
    """

    name: str
    title: str
    inputs: Column
    truth: Column
    scores: tuple[Score, ...]
    by_case: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
    statistics: Callable[[Columns], np.ndarray]
    summarise: Callable[[np.ndarray, np.ndarray], np.ndarray]
    format: Format
    classes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    simulator: str = ""
    simulator_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    splitter: str = ""
    drawing: str = ""
    diagnostics: str = ""
    claim_cases: Mapping[str, int] = field(default_factory=dict)
    demo_cases: Mapping[str, int] = field(default_factory=dict)

    @property
    def ranked(self) -> tuple[Score, ...]:
        return tuple(score for score in self.scores if score.ranked)


def load(reference: str) -> Any:
    """What "module:name" refers to, or the module itself where there is no ``:name``."""
    return resolve_name(reference)
