"""Ranks of rows by each score and over all, and how sure they are. docs/ranking.md explains every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.evaluation.bootstrap import MIN_GROUPS_FOR_RANKS, chance_lower, interval, none_if_nan, tail
from harness.tracks import Track

Values = Mapping[str, np.ndarray]
"""Scores by key, of rows (rows,) or of resamples of them (R, rows)."""


def standings(
    track: Track, values: Values, drawn: Values, groups: int, names: Sequence[tuple[str, ...]]
) -> tuple[list[int], list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The order of rows on a board, and their ranks, from their scores and the resamples of these.

    Returns the indices of the rows, best first, and in this order fields of the `Row` of each, and by the key
    of each score fields of the `Cell` of each. ``names`` decide between rows of equal rank. What needs
    resamples is None where there are none, or fewer groups than MIN_GROUPS_FOR_RANKS.
    """
    mean_rank = rank_then_aggregate(track, values).mean
    order = sorted(range(len(names)), key=lambda index: (mean_rank[index], *names[index]))
    values = {key: each[order] for key, each in values.items()}
    most = None if groups >= MIN_GROUPS_FOR_RANKS else 0
    drawn = {key: resamples[:most, order] for key, resamples in drawn.items()}
    ranks, drawn_ranks = rank_then_aggregate(track, values), rank_then_aggregate(track, drawn)
    normalised_mean, rank_of_means = aggregate_then_rank(track, values)
    overall: dict[str, list[Any]] = _with_bounds(ranks.overall, drawn_ranks.overall, groups) | {
        "mean_rank": ranks.mean.tolist(),
        "rank_of_means": rank_of_means.tolist(),
        "normalised_mean": normalised_mean.tolist(),
        "group": _inseparable(drawn_ranks.mean, groups),
        "p_better_than_next": _better_than_next(drawn_ranks.mean),
        "p_better": _better_than_each(drawn_ranks.mean),
    }
    by_score = {}
    for score in track.scores:
        cells = {"p_better_than_next": _better_than_next(drawn[score.key] * score.sign)}
        if score.ranked:
            bounds = _with_bounds(ranks.by_score[score.key], drawn_ranks.by_score[score.key], groups)
        else:
            bounds = dict.fromkeys(("rank", "rank_low", "rank_high"), [None] * len(order))
        by_score[score.key] = _by_row(bounds | cells)
    return order, _by_row(overall), by_score


def _by_row(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class Ranks(NamedTuple):
    """Ranks (..., rows): by each ranked score, their mean, and the ranks by this mean."""

    by_score: dict[str, np.ndarray]
    mean: np.ndarray
    overall: np.ndarray


def rank_then_aggregate(track: Track, values: Values) -> Ranks:
    """Rank by each ranked score, then by the mean of these ranks; equal values share a rank."""
    by_score = {score.key: shared_ranks(values[score.key] * score.sign) for score in track.ranked}
    mean = np.mean(list(by_score.values()), axis=0)
    return Ranks(by_score, mean, shared_ranks(mean))


def aggregate_then_rank(track: Track, values: Values) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the normalised ranked scores, and the ranks by this mean: both (rows,).

    A score is normalised to the distance from the best row, in units of the median distance of the rows that
    are not the best: 0 is the best row, a typical other one has 1. A row that is beyond all others does not
    make these alike, as it would between the least and the greatest.
    """
    signed = np.transpose([values[score.key] * score.sign for score in track.ranked])  # (rows, scores)
    distances = signed - signed.min(axis=0)
    units = [np.median(column[column > 0]) if column.any() else 1.0 for column in distances.T]
    means = (distances / units).mean(axis=1)
    return means, shared_ranks(means)


def shared_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the lowest; equal values share the best rank that they take up.

    So a rank is 1 plus the number of lower values. This is `scipy.stats.rankdata` with ``method="min"``,
    without the 0.3 s that the import of scipy.stats would add to every scoring.
    """
    lower = [(values < values[..., index, None]).sum(axis=-1) for index in range(values.shape[-1])]
    return 1 + np.stack(lower, axis=-1)


def _with_bounds(rank: np.ndarray, drawn: np.ndarray, groups: int) -> dict[str, list[Any]]:
    """Ranks (rows,) and the bounds of their intervals, which are whole ranks and hold the rank itself."""
    low, high = interval(drawn, groups)
    low = np.minimum(np.floor(np.maximum(low, 1)), rank)
    high = np.maximum(np.ceil(np.minimum(high, len(rank))), rank)
    bounds = {"rank": rank, "rank_low": low, "rank_high": high}
    return {name: [None if np.isnan(end) else int(end) for end in ends] for name, ends in bounds.items()}


def _inseparable(mean_ranks: np.ndarray, groups: int) -> list[int | None]:
    """Number rows that cannot be separated, from resamples (R, rows) of what orders the board.

    A row is compared with the first row of the current group. It opens the next group where that first row
    is better in all resamples but the share that an interval leaves out at one end. Ties count half. To
    compare neighbours instead would chain rows that drift apart step by step into one group.
    """
    rows = mean_ranks.shape[1]
    if not len(mean_ranks):
        return [None] * rows
    numbers: list[int | None] = []
    number, first = 1, 0
    for row in range(rows):
        if chance_lower(mean_ranks[:, first], mean_ranks[:, row]) >= 1 - tail(groups):
            number, first = number + 1, row
        numbers.append(number)
    return numbers


def _better_than_next(drawn: np.ndarray) -> list[float | None]:
    """The share of the resamples (R, rows), lower being better, in which each row beats the row below it."""
    return [*map(none_if_nan, chance_lower(drawn[:, :-1], drawn[:, 1:])), None]


def _better_than_each(drawn: np.ndarray) -> list[tuple[float, ...] | None]:
    """As `_better_than_next`, of each row against every row; None without resamples."""
    if not len(drawn):
        return [None] * drawn.shape[1]
    columns = list(drawn.T)
    return [tuple(round(float(chance_lower(row, other)), 4) for other in columns) for row in columns]
