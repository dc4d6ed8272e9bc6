"""How sure a score is: whole groups (clusters, objects) are drawn, the same ones for every submission.

Cases of one group are not independent, so drawing cases would give intervals that are too narrow.
docs/ranking.md explains what the draws are used for: intervals, probabilities and p-values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri, stdtrit

from harness.tracks import Columns, Score, Track

RESAMPLES = 2000
SEED = 20240
CHUNK = 100
LEVEL = 0.95
MIN_GROUPS_FOR_INTERVAL = 3
MIN_GROUPS_FOR_PERCENTILES = 8
"""With fewer groups, percentiles would need values beyond those of any group."""
MIN_GROUPS_FOR_RANKS = 6
"""With fewer, all groups agree by chance too often (2 in 2^n) for ranks to be told apart with 95 %."""


@dataclass(frozen=True)
class GroupSums:
    """Sums over each group of the statistics of a track, side by side, and last the number of cases.

    So the sums of all resamples of the groups are one matrix product. The matrix (groups, S + 1) is sparse,
    since most of a histogram of one group is empty. ``shapes`` are those of the statistics, by name.
    """

    matrix: sparse.csr_array
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.matrix.shape[0])

    def by_name(self, totals: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Sums (..., S + 1) of some of the rows as statistics (..., *shape) by name, and numbers of cases."""
        sums, start = {}, 0
        for name, shape in self.shapes.items():
            columns = slice(start, start := start + prod(shape))
            sums[name] = totals[..., columns].reshape((*totals.shape[:-1], *shape))
        return sums, totals[..., -1]

    def scores(self, track: Track, totals: np.ndarray) -> dict[str, np.ndarray]:
        """The track's scores (...), by key, of sums (..., S + 1) of some of the rows."""
        return track.summarise(*self.by_name(totals))

    def total_scores(self, track: Track) -> dict[str, float]:
        """The track's scores over all groups, by key."""
        return {key: float(value) for key, value in self.scores(track, self.matrix.sum(axis=0)).items()}


def group_sums(track: Track, columns: Columns, groups: np.ndarray) -> GroupSums:
    """The sums over each group (N,) of the track's statistics of the cases, in the order of their numbers."""
    statistics, cases = track.statistics(columns, groups), len(groups)
    _, index = np.unique(groups, return_inverse=True)
    member = sparse.csr_array((np.ones(cases), (index, np.arange(cases))))
    flat = [
        sparse.csr_array(each.astype(np.float64).reshape((cases, -1)))
        for each in (*statistics.values(), np.ones(cases))
    ]
    shapes = {name: each.shape[1:] for name, each in statistics.items()}
    return GroupSums(sparse.hstack([member @ each for each in flat], format="csr"), shapes)


def bootstrap(
    track: Track, sums: Sequence[GroupSums], resamples: int = RESAMPLES, dense_share: float = 0.2
) -> dict[str, np.ndarray]:
    """The scores of each resample of the groups, from `group_sums` of each system: (resamples, systems) each.

    No resamples, (0, systems), where there are fewer groups than MIN_GROUPS_FOR_INTERVAL. The product is
    dense where more than ``dense_share`` of the entries are not 0: it is then faster.
    """
    groups, width = sums[0].matrix.shape
    if groups < MIN_GROUPS_FOR_INTERVAL:
        return {score.key: np.empty((0, len(sums))) for score in track.scores}
    columns = sparse.hstack([each.matrix for each in sums], format="csc")
    if columns.nnz > dense_share * groups * len(sums) * width:
        dense, index = _distinct(columns.toarray())
        drawn = ((weights @ dense)[:, index] for weights in draw_groups(groups, resamples))
    else:
        rows = columns.T.tocsr()
        drawn = ((rows @ weights.T).T for weights in draw_groups(groups, resamples))
    return concatenated([sums[0].scores(track, chunk.reshape(-1, len(sums), width)) for chunk in drawn])


def concatenated(chunks: Sequence[Columns]) -> dict[str, np.ndarray]:
    """Arrays by name of successive cases or resamples, as one for each name."""
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _distinct(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns without repetitions, and which of them each one is.

    A dense product may round equal columns differently, as they are in different places of a block. Computed
    once, equal systems tie to the last bit, as they must for ranks.
    """
    seen: dict[bytes, int] = {}
    index = [seen.setdefault(hashlib.sha256(column.tobytes()).digest(), len(seen)) for column in columns.T]
    _, first = np.unique(index, return_index=True)
    return columns[:, first], np.array(index)


def draw_groups(groups: int, resamples: int) -> Iterator[np.ndarray]:
    """How often each group is drawn: counts (CHUNK, groups) at a time, the same ones at every call."""
    rng = np.random.default_rng(SEED)
    for start in range(0, resamples, CHUNK):
        weights = np.empty((min(CHUNK, resamples - start), groups))
        for row in weights:
            row[:] = np.bincount(rng.integers(groups, size=groups), minlength=groups)
        yield weights


def tail(groups: int) -> float:
    """The share of the resamples beyond each end of an interval: below 2.5 %, since groups are few.

    A percentile interval of a mean of n values is too narrow for two reasons: resamples vary about the
    sample's own mean, with a variance that is (n-1)/n of the right one, and the interval has the width of a
    normal distribution where Student's t, with n-1 degrees of freedom, is right. The expanded percentile
    interval makes up for both: it takes percentiles further out, those at which a normal distribution has
    what t has at 97.5 %, times sqrt(n/(n-1)). Hesterberg (2015), The American Statistician 69, 371.
    """
    return float(ndtr(-np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, (1 + LEVEL) / 2)))


def interval(resampled: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The bounds (...) of the 95 % interval, from resamples (R, ...); NaN where R is 0.

    Expanded percentiles. With fewer groups than MIN_GROUPS_FOR_PERCENTILES these would lie beyond the most
    extreme resamples, so plain percentiles are stretched about the mean by the same factor.
    """
    if not len(resampled):
        return (np.full(resampled.shape[1:], np.nan),) * 2
    if groups >= MIN_GROUPS_FOR_PERCENTILES:
        low, high = np.quantile(resampled, [tail(groups), 1 - tail(groups)], axis=0)
        return low, high
    ends = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    centre = np.asfortranarray(resampled).mean(axis=0)  # contiguous along R, so summed in pairs
    low, high = centre + ndtri(tail(groups)) / ndtri((1 - LEVEL) / 2) * (ends - centre)
    return low, high


def trial_groups(track: Track, sums: GroupSums) -> dict[str, int]:
    """Of how many groups each score is a share, by key; 0 if it is none."""
    by_group = sums.by_name(sums.matrix.toarray())
    return {
        score.key: int(np.count_nonzero(score.trials(*by_group))) if score.trials else 0
        for score in track.scores
    }


def least_share(groups: int) -> float:
    """The least share of which n of n groups is a sample: the lower bound of Clopper & Pearson (1934)."""
    return float(((1 - LEVEL) / 2) ** (1 / groups))


def exact_intervals(track: Track, sums: GroupSums) -> dict[str, tuple[float, float]]:
    """The exact 95 % intervals of scores that follow from a share where all is right or none; else NaN.

    That of Clopper & Pearson (1934) for 0 or n of n, where n is the number of groups that the share is of:
    the cases of one group are right together, as far as anybody knows.
    """
    values, groups_of = sums.total_scores(track), trial_groups(track, sums)
    found = {score.key: (np.nan, np.nan) for score in track.scores}
    for score in track.scores:
        value, groups = values[score.key], groups_of[score.key]
        if groups and value in (0, 1):
            low, high = (least_share(groups), 1.0) if value else (0.0, 1 - least_share(groups))
            found[score.key] = score.of_share(low)[0], score.of_share(high)[1]
    return found


def settled(
    score: Score, bounds: tuple[np.ndarray, np.ndarray], exact: np.ndarray | tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (...) that are within those of a score, and the ``exact`` ones (2, ...) where they are equal.

    Those of a mean of numbers, not of a share or the like, may be equal for good reason.
    """
    low, high = (np.clip(bound, *score.within) for bound in bounds)
    if not score.summary:
        return low, high
    constant = low == high
    return np.where(constant, exact[0], low), np.where(constant, exact[1], high)


def settled_difference(
    bounds: tuple[Any, Any], a: tuple[float, float], b: tuple[float, float], reach: float
) -> tuple[Any, Any]:
    """Bounds of the difference a − b of two scores; if they coincide, those from both exact intervals.

    Each exact interval is one-sided, and misses in 2.5 % of the samples. At most 5 % miss in either. Where
    one of them is NaN, the bounds lie ``reach`` of `unseen_difference` beyond the common one.
    """
    if bounds[0] < bounds[1]:
        return bounds
    exact = (a[0] - b[1], a[1] - b[0])
    return apart(bounds, reach) if np.isnan(exact[0]) else exact


def unseen_difference(score: Score, groups: int) -> float:
    """The largest difference of two shares of n ``groups`` that agree on all of these; 0 of 0 groups.

    With a confidence of 97.5 % they then differ on at most 1 − 0.025^(1/n) of all groups (Clopper & Pearson
    1934). A score is a concave function of its share, so that it changes most from a share of 0 on.
    """
    if not groups:
        return 0.0
    return score.of_share(1 - least_share(groups))[1] - score.of_share(0)[0]


def apart(bounds: tuple[Any, Any], reach: float) -> tuple[Any, Any]:
    """Bounds that coincide, moved by ``reach`` to either side; others as they are."""
    low, high = bounds
    return bounds if low < high else (low - reach, high + reach)


def possible(
    bounds: tuple[Any, Any], within: tuple[float, float], weights: Sequence[int] = (1, -1)
) -> tuple[Any, Any]:
    """Bounds (...) of a weighted sum of scores, clipped to its range, which follows from theirs, ``within``.

    The difference of two shares, for example, lies in -1..1.
    """
    least, most = map(sum, zip(*(sorted(each * end for end in within) for each in weights), strict=True))
    low, high = (np.clip(bound, least, most) for bound in bounds)
    return low, high


def none_if_nan(value: float | np.ndarray) -> float | None:
    """The value as a float, None for NaN."""
    return None if np.isnan(value) else float(value)


def chance_lower(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The share of the resamples (R, ...) in which the first is lower, ties counting half. NaN: none."""
    if not len(first):
        return np.full(first.shape[1:], np.nan)
    return np.asarray(((first < second) + 0.5 * (first == second)).mean(axis=0))


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test that paired differences (groups,) lie around zero.

    1 where all are zero, for which SciPy has none. scipy.stats is imported here: it takes 0.3 s.
    """
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) correction of p-values (n,): the chance of any false alarm stays that of one test.

    The smallest is multiplied by n, the next by n-1, and so on, and none may become less than the one before.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float | None:
    """Kendall's tau-b of two orders (n,): 1 the same, -1 reversed; None where one of them is all ties.

    The correlation of the signs of all differences. Not SciPy's, whose import takes 0.3 s.
    """
    first, second = (np.sign(values[:, None] - values) for values in (first, second))
    pairs = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / pairs) if pairs else None
