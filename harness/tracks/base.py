"""A track as one declarative object: its columns, its scores, and where its other parts are.

Scores are functions of sums over cases. A track computes columns of each case, turns some of them into
statistics that can be summed (an entry of a confusion matrix, a loss), and each score is a function of their
sums and of the number of cases. The scores of all resamples of the cases therefore follow from one matrix
product, for means as well as for F-scores. Columns, statistics and scores are identified by name, never by
position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pkgutil import resolve_name
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from submissions.formats.base import Format

Columns = Mapping[str, np.ndarray]
"""Arrays by name, whose first axis is the cases."""
Statistic: TypeAlias = np.ndarray | sparse.coo_array
"""What is summed over the cases, its first axis: sparse where most of it is 0."""
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
    """The description of a score for readers; ``digits`` is the number of decimals to show.

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

    Define ``by_case`` for a score that is computed for each case, ``mean_of`` for the mean of a column of the
    track, and ``summary`` for any other score. A score with ``summary`` that equals the mean of a column may
    also name that column: standard deviations, Wilcoxon's test and the comparison of cases use its values.

    Parameters
    ----------
    key : str
        The name of the score in files, and of the column that ``by_case`` computes.
    title, meaning : str
        Text for readers: a short name for tables, and a sentence.
    lower_is_better, ranked : bool
        The direction, and whether it determines the order of the leaderboard.
    digits : int
        Number of decimals to show.
    by_case : callable, optional
        ``by_case(targets, predictions)`` returns one number per case, (N,). It must be a function of a
        module, not a lambda, because other processes import it by name.
    mean_of : str, optional
        The column of the track that the score is the mean of.
    summary : callable, optional
        ``summary(sums, cases)`` returns the score (...) from the sums (..., *shape) of the track's statistics
        and the numbers of cases (...).
    spread : float
        The usual standard deviation over cases, which determines the rounding of public leaderboards.
    trials : callable, optional
        For a score that is a function of the share of correct cases: ``trials(sums, cases)`` returns the
        number of these cases (...), correct or not. If all or none are correct, all resamples are equal, and
        the exact interval of the share is used instead.
    of_share : callable, optional
        ``of_share(share)`` returns the minimum and maximum of the score for a share of correct cases.
    within : tuple of float
        The minimum and maximum possible values.
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
        """The column that the score is the mean of; empty if it is not a mean."""
        return self.mean_of or (self.key if self.by_case else "")

    @property
    def info(self) -> ScoreInfo:
        """The description of the score on leaderboards."""
        return ScoreInfo(**{item.name: getattr(self, item.name) for item in fields(ScoreInfo)})


@dataclass(frozen=True)
class Track:
    """A competition: everything specific to it, in one object.

    A track whose scores all have ``by_case`` needs no ``columns`` and no ``further_statistics``. Parts with
    heavy imports are given as strings "module:name", which `load` imports when they are needed. Everything
    from ``sources`` on is optional; without a part, the commands that need it are not available.

    Parameters
    ----------
    name, title : str
        The name in commands and files, and the title for pages.
    noun : str
        The plural noun for its cases.
    inputs, truth : Column
        The columns of a data set with the inputs and the target of the predictions.
    scores : tuple of Score
        The scores, in the order of the leaderboard's columns.
    format : Format
        How predictions are written in a submission.
    columns : callable, optional
        ``columns(targets, predictions)`` returns columns (N,) by name: those that statistics are computed
        from, and scores that are faster to compute together. Other scores are computed by their ``by_case``.
    further_statistics : callable, optional
        ``further_statistics(columns, groups)`` returns arrays (N, ...) by name, dense or sparse, which are
        summed over the cases in addition to the columns that scores are means of. ``groups`` are those of
        the cases, (N,).
    classes : tuple of str
        The names of the classes, if the truth is a label.
    label : str
        The column with the number of the true class of each case.
    answer : str
        The column with the number of the most probable class of each case.
    constant_prediction : float
        The value of all numbers in a constant, valid prediction, as in the sample submission.
    test_metadata : tuple of str
        Names of the metadata columns that do not reveal the truth; test inputs have only these.
    sources : tuple of str
        The sources for `pack`, in the order in which they are tried.
    simulator : str
        The function that simulates data sets.
    simulator_options : mapping
        The values of each option of the simulator, the default first.
    simulator_defaults : mapping
        Defaults of options that depend on the value of another option.
    splitter : str
        The function that assigns cases to training, validation and test sets.
    shares : tuple of str
        The fields of `harness.data.split.Shares` that the splitter uses.
    symmetries : str
        The function that transforms inputs by the track's symmetries, and predictions back: see `View`.
    drawing : str
        The module that draws cases and the other pictures of a submission's page.
    diagnostics : str
        A tuple of scores that claims may use, and that leaderboards do not show.
    claim_cases, demo_cases : mapping
        Numbers of cases that each preset simulates for `reproduce` and for `demo`.
    """

    name: str
    title: str
    inputs: Column
    truth: Column
    scores: tuple[Score, ...]
    format: Format
    noun: str = "cases"
    columns: ByCase | None = None
    further_statistics: Callable[[Columns, np.ndarray], dict[str, Statistic]] | None = None
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
        """The scores that determine the order of the leaderboard."""
        return tuple(score for score in self.scores if score.ranked)

    @property
    def by_case(self) -> ByCase:
        """The function that returns all columns. Unlike the track, it can be sent to another process."""
        functions = {score.key: score.by_case for score in self.scores if score.by_case}
        return partial(_columns_by_case, self.columns, functions)

    def statistics(self, columns: Columns, groups: np.ndarray) -> dict[str, Statistic]:
        """The statistics to sum over the cases: arrays (N, ...) by name, from columns and groups (N,)."""
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
