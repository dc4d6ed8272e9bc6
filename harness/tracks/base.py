"""A track as one declarative object: its columns, its scores, how they are summed up.

Every score is a function of *sums over cases*: `by_case` gives columns with a row a case, `statistics`
turns them into a matrix (cases, S), and `summarise` turns sums of its rows, with the number of cases, into
the scores. So the score of any resampled set of cases is a matrix product away,
for means and for F-scores alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from submissions.formats.registry import Format

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Column:
    """One column of a dataset file: dtype and shape of a case's value."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """One score of a track. ``column`` is the by-case column that it is the mean of, if it is a mean."""

    key: str
    title: str
    meaning: str
    lower_is_better: bool = True
    ranked: bool = False
    column: str | None = None
    digits: int = 4


@dataclass(frozen=True)
class Track:
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

    @property
    def ranked(self) -> tuple[Score, ...]:
        return tuple(score for score in self.scores if score.ranked)
