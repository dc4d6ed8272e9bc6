"""A track as one declarative object: its columns, its scores, and where its other parts are.

Scores are functions of *sums over cases*. A track computes columns of each case, turns some of them into
statistics that can be added up (an entry of a confusion matrix, a loss), and each score is a function of
their sums and of the number of cases. So the score of any resampled set of cases is a matrix product away,
for means and for F-scores alike. Columns, statistics and scores go by name, never by position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pkgutil import resolve_name
from typing import Any

import numpy as np

from submissions.formats.base import Format

Columns = Mapping[str, np.ndarray]
"""Arrays by name, whose first axis is the cases."""
Sums = Mapping[str, np.ndarray]
"""Sums over cases by the name of the statistic: (..., *shape of the statistic of one case)."""
ByCase = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
"""A function of (targets, predictions) that gives columns (N,) by name."""


@dataclass(frozen=True)
class Column:
    """One column of a dataset file: dtype and shape of a case's value."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ScoreInfo:
    """What a reader has to know of a score; ``digits`` are those after the decimal point to show.

    Tables of boards on the terminal and in Markdown have the scores that rank, and those ``in_tables``.
    ``of`` is the class that the score is about, if it is about one.
    """

    key: str
    title: str
    meaning: str
    lower_is_better: bool = True
    ranked: bool = False
    digits: int = 4
    in_tables: bool = False
    of: str = ""

    @property
    def sign(self) -> int:
        """1, or -1 where higher is better: times this, lower values are better."""
        return 1 if self.lower_is_better else -1


@dataclass(frozen=True)
class Score(ScoreInfo):
    """One score of a track: the mean over the cases of a column, or a function of sums over the cases.

    Give ``by_case`` for a score that is computed for each case, ``mean_of`` for the mean of a column of the
    track, ``summary`` for any other. A score with ``summary`` may name the column that it equals the mean of:
    standard deviations, Wilcoxon's test and the comparison of cases use the values of each case.

    Parameters
    ----------
    key : str
        The name of the score in files, and of the column that ``by_case`` computes.
    title, meaning : str
        What a reader sees: a few letters for the head of a table, and a sentence.
    lower_is_better, ranked : bool
        The direction, and whether it counts for the order of the board.
    digits : int
        Digits after the decimal point to show.
    by_case : callable, optional
        ``by_case(targets, predictions)`` gives one number a case, (N,). Defined in a module, not a lambda:
        other processes import it by its name.
    mean_of : str, optional
        The column of the track that the score is the mean of.
    summary : callable, optional
        ``summary(sums, cases)`` gives the score (...) from the sums (..., *shape) of the track's statistics
        and the numbers of cases (...).
    spread : float
        The standard deviation over cases that is usual. By it boards of public cases are rounded.
    trials : callable, optional
        For a score that follows from the share of cases that are right: ``trials(sums, cases)`` gives the
        number of these cases (...), right or wrong. All right or none, resamples of them are all the same,
        and the interval is the exact one of that share.
    of_share : callable, optional
        ``of_share(share)`` gives the least and the greatest value of the score for a share of right cases.
    within : tuple of float
        The least and the greatest value that there can be.
    """

    by_case: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    mean_of: str = ""
    summary: Callable[[Sums, np.ndarray], np.ndarray] | None = None
    spread: float = 0.25
    trials: Callable[[Sums, np.ndarray], np.ndarray] | None = None
    of_share: Callable[[float], tuple[float, float]] = lambda share: (share, share)
    within: tuple[float, float] = (-np.inf, np.inf)

    @property
    def column(self) -> str:
        """The column by case that the score is the mean of; empty where it is no mean."""
        return self.mean_of or (self.key if self.by_case else "")

    @property
    def info(self) -> ScoreInfo:
        """What a board says of the score."""
        return ScoreInfo(**{item.name: getattr(self, item.name) for item in fields(ScoreInfo)})


@dataclass(frozen=True)
class Track:
    """A competition: all that is particular to it, in one object.

    A track whose scores all have ``by_case`` needs no ``columns`` and no ``further_statistics``. Heavy parts
    are named as "module:name", and `load` imports them when they are needed. All from ``sources`` on is
    optional: a track without a part cannot do what needs it.

    Parameters
    ----------
    name, title : str
        The name in commands and files, and a heading.
    noun : str
        What its cases are, several of them.
    inputs, truth : Column
        The columns of a data set that a method is given, and that it predicts.
    scores : tuple of Score
        In the order of the board.
    format : Format
        How predictions are written in a submission.
    columns : callable, optional
        ``columns(targets, predictions)`` gives columns (N,) by name: those that statistics are computed from,
        and scores that are faster computed together. A score that is not among them is computed by its own
        ``by_case``.
    further_statistics : callable, optional
        ``further_statistics(columns, groups)`` gives what is summed over the cases beside the columns that
        scores are the means of: arrays (N, ...) by name, for the groups (N,) of the cases.
    classes : tuple of str
        The names of the classes, if the truth is a label; its columns are the track's own choice.
    label : str
        The column by case that has the true class, by its number.
    answer : str
        The column by case that has the most probable class, by its number.
    constant_prediction : float
        Every number of a valid prediction that is the same for all cases, as in a sample submission.
    test_metadata : tuple of str
        The metadata that test inputs are handed out with: those that tell no truth.
    sources : tuple of str
        What data sets are packed from, in the order in which they are tried.
    simulator : str
        Makes a data set.
    simulator_options : mapping
        The choices of each option of the simulator, the default first.
    simulator_defaults : mapping
        Other defaults of some options, by the choice of another option that they go with.
    splitter : str
        Assigns the cases to train, validation and test.
    shares : tuple of str
        Which of `harness.data.split.Shares` the splitter uses.
    symmetries : str
        Moves inputs by each symmetry that truth follows, and their predictions back: see `View`.
    drawing : str
        The module that draws cases, and what else the page of a submission shows.
    diagnostics : str
        A tuple of scores that claims may be about and boards do not show.
    claim_cases, demo_cases : mapping
        How many cases each preset simulates to test claims, and to demonstrate.
    """

    name: str
    title: str
    inputs: Column
    truth: Column
    scores: tuple[Score, ...]
    format: Format
    noun: str = "cases"
    columns: ByCase | None = None
    further_statistics: Callable[[Columns, np.ndarray], dict[str, np.ndarray]] | None = None
    classes: tuple[str, ...] = ()
    label: str = ""
    answer: str = ""
    constant_prediction: float = 0.0
    test_metadata: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    simulator: str = ""
    simulator_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    simulator_defaults: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    splitter: str = ""
    shares: tuple[str, ...] = ("validation_part", "test_part", "validation_cases", "test_cases")
    symmetries: str = ""
    drawing: str = ""
    diagnostics: str = ""
    claim_cases: Mapping[str, int] = field(default_factory=dict)
    demo_cases: Mapping[str, int] = field(default_factory=dict)

    @property
    def ranked(self) -> tuple[Score, ...]:
        """The scores that order the board."""
        return tuple(score for score in self.scores if score.ranked)

    @property
    def by_case(self) -> ByCase:
        """The function that gives all columns. It can be sent to another process; the track itself cannot."""
        functions = {score.key: score.by_case for score in self.scores if score.by_case}
        return partial(_columns_by_case, self.columns, functions)

    def statistics(self, columns: Columns, groups: np.ndarray) -> dict[str, np.ndarray]:
        """What is summed over the cases: arrays (N, ...) by name, from columns (N,) and groups (N,)."""
        further = self.further_statistics(columns, groups) if self.further_statistics else {}
        means = {score.column: columns[score.column] for score in self.scores if not score.summary}
        return {**further, **means}

    def summarise(self, sums: Sums, cases: np.ndarray) -> dict[str, np.ndarray]:
        """The scores (...) by key, from sums (..., *shape) of the statistics and numbers of cases (...)."""
        return {
            score.key: score.summary(sums, cases) if score.summary else sums[score.column] / cases
            for score in self.scores
        }


def _columns_by_case(
    together: ByCase | None,
    functions: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]],
    targets: np.ndarray,
    predictions: np.ndarray,
) -> dict[str, np.ndarray]:
    columns = together(targets, predictions) if together else {}
    alone = {key: by_case for key, by_case in functions.items() if key not in columns}
    return columns | {key: by_case(targets, predictions) for key, by_case in alone.items()}


def load(reference: str) -> Any:
    """What "module:name" refers to, or the module itself where there is no ``:name``."""
    return resolve_name(reference)
