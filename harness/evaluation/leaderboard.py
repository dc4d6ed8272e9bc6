"""Ranking submissions: by each of the track's scores and over all, and how sure the board is of every rank.

How each number is made is explained in docs/ranking.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import Dataset, open_dataset
from harness.evaluation.bootstrap import (
    LEVEL,
    MIN_GROUPS,
    RESAMPLES,
    bootstrap,
    chance_lower,
    holm,
    interval,
    kendall_tau,
    scores_of,
    signed_rank,
    tail,
)
from harness.evaluation.cards import CardError, read_card
from harness.evaluation.scoring import Scored, known, score, spreads
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.schemas import LEADERBOARD
from harness.tracks import Track
from submissions import SubmissionError

CARD = ".json"
SPREADS = ("std", "low", "high", "seed_std")


def leaderboard(
    track: Track,
    scored: Sequence[Scored],
    unreadable: Sequence[tuple[str, str]] = (),
    wilcoxon: bool = False,
    part: str | None = None,
) -> dict[str, Any]:
    """The board of submissions that were all scored against one truth file, best first.

    Ranked by the mean of the ranks by each of the track's ranked scores; equal means share a rank. Seeds of
    one method are one row. Submissions with missing or invalid cases, and those that could not be read at all
    (name, reason), are listed as not ranked. ``part`` says which part of the groups the scores are of.
    """
    accepted = [one for one in scored if one.report.accepted]
    check_one_truth(scored)
    methods = by_method(accepted)
    rows = _ranked_rows(track, methods, wilcoxon) if methods else []
    board = board_of_rows(track, rows, not_ranked(scored, unreadable))
    return board | {"wilcoxon": wilcoxon, "part": part}


def not_ranked(scored: Sequence[Scored], unreadable: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """What a board lists below its rows, with the reason."""
    refused = [
        {"file": one.path.name, "team": one.team, "method": one.method, "reason": one.report.summary()}
        for one in scored
        if not one.report.accepted
    ]
    return refused + [
        {"file": name, "team": "", "method": "", "reason": reason} for name, reason in unreadable
    ]


def board_of_rows(
    track: Track, rows: Sequence[Mapping[str, Any]], refused: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """The board that these ranked rows make."""
    orders = (np.array([row[key] for row in rows]) for key in ("mean_rank", "normalised_mean"))
    return {
        "schema": LEADERBOARD,
        "track": track.name,
        "title": track.title,
        "cases": rows[0]["cases"] if rows else 0,
        "groups": rows[0]["groups"] if rows else 0,
        "truth_fingerprint": rows[0]["truth_fingerprint"] if rows else None,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "part": None,
        "ladder": False,
        "wilcoxon": False,
        "kendall_tau": kendall_tau(*orders),
        "scores": [
            {
                "key": one.key,
                "title": one.title,
                "meaning": one.meaning,
                "lower_is_better": one.lower_is_better,
                "ranked": one.ranked,
                "digits": one.digits,
            }
            for one in track.scores
        ],
        "rows": list(rows),
        "not_ranked": list(refused),
    }


def score_all(
    paths: Sequence[Path],
    data: Dataset | None,
    progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
) -> tuple[Track, list[Scored], list[tuple[str, str]]]:
    """Score submissions against the truth, and read score cards, for which it may be None.

    An ``executor`` shares out the cases of each. Returns the track, what was scored, and name and reason of
    what could not be read.
    """
    scored: list[Scored] = []
    unreadable = []
    for done, path in enumerate(paths):
        progress(done, len(paths), path.name)
        try:
            if path.suffix == CARD:
                scored.append(_card_for(data, path))
            elif data is None:
                raise HarnessError(f"{path} is no score card (.json): name the truth file with --truth")
            else:
                scored.append(score(path, data, executor=executor))
        except (SubmissionError, CardError) as error:
            unreadable.append((path.name, str(error)))
    if data is None and not scored:
        raise HarnessError(
            "none of the score cards can be ranked: " + "; ".join(why for _, why in unreadable)
        )
    return data.track if data else scored[0].track, scored, unreadable


def _card_for(data: Dataset | None, path: Path) -> Scored:
    card = read_card(path)
    if data is not None and (
        card.truth_fingerprint != data.fingerprint
        or card.case_ids != data.case_ids()
        or not np.array_equal(card.groups, data.groups())
    ):
        raise CardError(f"{path.name} was scored against another truth file than {data.path.name}")
    return card


def board_of(
    paths: Sequence[Path], truth: Path | None, progress: ProgressCallback = no_progress
) -> dict[str, Any]:
    """Score files, or read cards, and rank them. A file that cannot be read is not ranked."""
    with open_dataset(truth) if truth else nullcontext() as data:
        return leaderboard(*score_all(paths, data, progress))


def by_method(scored: Sequence[Scored]) -> list[list[Scored]]:
    """The submissions of each row: the seeds of one team's method together, everything else alone."""
    methods: dict[tuple[str, str], list[Scored]] = {}
    for one in sorted(
        scored, key=lambda one: (-1 if one.seed is None else one.seed, one.path.name, one.sha256)
    ):
        methods.setdefault((one.team, one.method), []).append(one)
    rows = []
    for _, same in sorted(methods.items()):
        seeds = {one.seed for one in same}
        alone = None in seeds or len(seeds) < len(same)
        rows += [[one] for one in same] if alone else [same]
    return rows


def check_one_truth(scored: Sequence[Scored]) -> None:
    """Raise HarnessError unless all were scored on the same cases, in the same groups and order."""
    for one in scored[1:]:
        first = scored[0]
        if (one.track, one.truth_fingerprint) != (first.track, first.truth_fingerprint):
            raise HarnessError(
                f"{first.path.name} and {one.path.name} were scored against different truth files; "
                "one is needed for all"
            )
        if one.case_ids != first.case_ids or not np.array_equal(one.groups, first.groups):
            raise HarnessError(
                f"{first.path.name} and {one.path.name} have other cases, groups or another order of them, "
                "though they name one truth; score both again with one file"
            )


def _ranked_rows(track: Track, methods: Sequence[Sequence[Scored]], wilcoxon: bool) -> list[dict[str, Any]]:
    every = [one for same in methods for one in same]
    counts = np.array([len(same) for same in methods])
    starts = np.cumsum(counts) - counts
    sums = [one.sums() for one in every]
    groups = sums[0].shape[0]

    def over_seeds(values: np.ndarray) -> np.ndarray:  # (..., submissions, M) → (..., rows, M)
        return np.asarray(np.add.reduceat(values, starts, axis=-2) / counts[:, None])

    by_seed = np.stack([scores_of(track, one.sum(axis=0)) for one in sums])
    values, resampled = over_seeds(by_seed), over_seeds(bootstrap(track, sums))
    stds = over_seeds(np.stack([spreads(one) for one in every]))
    low, high = interval(resampled, groups)
    rows = []
    for index, (same, start) in enumerate(zip(methods, starts, strict=True)):
        mine, first = by_seed[start : start + len(same)], same[0]
        seeds = mine.std(axis=0, ddof=1) if len(same) > 1 else np.full(len(track.scores), np.nan)
        table = zip(track.scores, values[index], stds[index], low[index], high[index], seeds, strict=True)
        rows.append(
            {
                "file": first.path.name,
                "source": first.source,
                "team": first.team,
                "method": first.method,
                "cases": len(first.case_ids),
                "groups": groups,
                "submission_sha256": first.sha256,
                "truth_fingerprint": first.truth_fingerprint,
                "seeds": [_seed(one, scores) for one, scores in zip(same, mine, strict=True)],
                "metrics": {
                    one.key: {
                        "mean": float(value),
                        **{name: known(each) for name, each in zip(SPREADS, others, strict=True)},
                    }
                    for one, value, *others in table
                },
            }
        )
    order = place(track, rows, values, resampled if groups >= MIN_GROUPS else resampled[:0])
    if wilcoxon:
        _add_p_values(track, [rows[index] for index in order], [methods[index] for index in order])
    return [rows[index] for index in order]


def _seed(one: Scored, scores: np.ndarray) -> dict[str, Any]:
    by_key = zip((each.key for each in one.track.scores), scores.tolist(), strict=True)
    return {
        "file": one.path.name,
        "seed": one.seed,
        "submission_sha256": one.sha256,
        "scores": dict(by_key),
    }


def place(
    track: Track, rows: Sequence[dict[str, Any]], values: np.ndarray, resampled: np.ndarray
) -> list[int]:
    """Add to the rows what ranks them, from their scores (rows, M) and the resamples of these, (R, rows, M).

    Returns the order of the rows. Without resamples what is not known is null.
    """
    groups = rows[0]["groups"]
    ranks, drawn = rank_by_score(track, values), rank_by_score(track, resampled)
    overall, drawn_overall = ranks.mean(axis=-1), drawn.mean(axis=-1)
    means = normalised(track, values).mean(axis=-1)
    places, drawn_places = shared_ranks(overall), shared_ranks(drawn_overall)
    names = [(row["team"], row["method"], row["file"], row["submission_sha256"]) for row in rows]
    order = sorted(range(len(rows)), key=lambda index: (overall[index], *names[index]))
    for index, row in enumerate(rows):
        row |= _with_bounds(places[index], drawn_places[:, index], groups, len(rows))
        row |= {
            "mean_rank": float(overall[index]),
            "rank_of_means": int(shared_ranks(means)[index]),
            "normalised_mean": float(means[index]),
        }
        for value in row["metrics"].values():
            value |= dict.fromkeys(("rank", "rank_low", "rank_high", "wilcoxon"))
        for column, one in enumerate(track.ranked):
            row["metrics"][one.key] |= _with_bounds(
                ranks[index, column], drawn[:, index, column], groups, len(rows)
            )
    _compare_neighbours(track, rows, order, drawn_overall, resampled)
    return order


def _with_bounds(rank: np.ndarray, drawn: np.ndarray, groups: int, rows: int) -> dict[str, int | None]:
    """A rank and the bounds of its interval, which are whole ranks and hold the rank itself."""
    low, high = interval(drawn, groups)
    if np.isnan(low):
        return {"rank": int(rank), "rank_low": None, "rank_high": None}
    bounds = (
        min(int(np.floor(max(float(low), 1))), int(rank)),
        max(int(np.ceil(min(float(high), rows))), int(rank)),
    )
    return {"rank": int(rank), "rank_low": bounds[0], "rank_high": bounds[1]}


def _compare_neighbours(
    track: Track, rows: Sequence[dict[str, Any]], order: Sequence[int], mean_ranks: np.ndarray,
    resampled: np.ndarray,
) -> None:  # fmt: skip
    """Add the chance that each row is better than the next, and number the rows that cannot be separated."""
    signed = resampled * [1 if one.lower_is_better else -1 for one in track.scores]
    number, first = 1, order[0]
    for index, following in zip(order, [*order[1:], None], strict=True):
        row = rows[index]
        if len(resampled):
            certain = 1 - tail(row["groups"])
            if chance_lower(mean_ranks[:, first], mean_ranks[:, index]) >= certain:
                number, first = number + 1, index
        row["group"] = number if len(resampled) else None
        chances = np.full(len(track.scores), np.nan)
        row["p_better_than_next"] = None
        if following is not None:
            row["p_better_than_next"] = known(
                float(chance_lower(mean_ranks[:, index], mean_ranks[:, following]))
            )
            chances = chance_lower(signed[:, index], signed[:, following])
        for one, chance in zip(track.scores, chances, strict=True):
            row["metrics"][one.key]["p_better_than_next"] = known(chance)


def _add_p_values(track: Track, rows: Sequence[dict[str, Any]], methods: Sequence[Sequence[Scored]]) -> None:
    """Wilcoxon's test of each row against the next, by groups, for the ranked scores that are means."""
    tested = [one for one in track.ranked if one.column]
    means = {one.key: [_group_means(same, one.column or "") for same in methods] for one in tested}
    pairs = [(index, one.key) for index in range(len(rows) - 1) for one in tested]
    raw = [signed_rank(means[key][index] - means[key][index + 1]) for index, key in pairs]
    corrected = dict(zip(pairs, holm(np.array(raw)).tolist(), strict=True))
    for index, row in enumerate(rows):
        for one in track.ranked:
            row["metrics"][one.key]["wilcoxon"] = corrected.get((index, one.key))


def _group_means(same: Sequence[Scored], column: str) -> np.ndarray:
    """The mean over the cases of each group of a score by case, and over the seeds: (groups,)."""
    _, index, cases = np.unique(same[0].groups, return_inverse=True, return_counts=True)
    by_case = np.mean([one.columns[column] for one in same], axis=0)
    return np.asarray(np.bincount(index, by_case) / cases)


def normalised(track: Track, values: np.ndarray) -> np.ndarray:
    """The ranked scores (rows, M) as distances from the best row, in units of the median such distance.

    0 is the best row; a typical other one has 1. The median is over the rows that are not the best, so a row
    that is beyond all others does not make these alike.
    """
    ranked = [index for index, one in enumerate(track.scores) if one.ranked]
    signed = values[:, ranked] * [1 if one.lower_is_better else -1 for one in track.ranked]
    distance = signed - signed.min(axis=0)
    units = [np.median(column[column > 0]) if column.any() else 1.0 for column in distance.T]
    return np.asarray(distance / units)


def rank_by_score(track: Track, values: np.ndarray) -> np.ndarray:
    """Ranks (..., systems, ranked scores) of values (..., systems, M): 1 is best, equal values share one."""
    ranked = [index for index, one in enumerate(track.scores) if one.ranked]
    sign = np.array([1 if one.lower_is_better else -1 for one in track.ranked])
    by_score = np.moveaxis(values[..., ranked] * sign, -1, -2)
    return np.moveaxis(shared_ranks(by_score), -1, -2)


def shared_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, 1 for the lowest; equal values share the rank of the first of them."""
    lower = [(values < values[..., index, None]).sum(axis=-1) for index in range(values.shape[-1])]
    return 1 + np.stack(lower, axis=-1)
