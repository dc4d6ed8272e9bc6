"""From files to a leaderboard: score, rank, and say how sure every rank is. docs/ranking.md explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from harness.data.split import secret_seed
from harness.data.store import open_dataset
from harness.evaluation.board import Board, Cell, NotRanked, Row, Seed
from harness.evaluation.bootstrap import (
    LEVEL,
    RESAMPLES,
    bootstrap,
    holm,
    intervals,
    kendall_tau,
    none_if_nan,
    signed_rank,
)
from harness.evaluation.entries import by_method, check_one_truth, score_all
from harness.evaluation.ladder import release_scores, subset_of
from harness.evaluation.ranking import board_order, standings
from harness.evaluation.scoring import Scored, standard_deviations
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.tracks import Track

Part = Literal["public", "private"]


class Leaderboard(NamedTuple):
    """A board, and the entries that it was made of, of which only the board's part of the cases is left."""

    board: Board
    scored: list[Scored]


def make_leaderboard(
    paths: Sequence[Path],
    truth: Path | None,
    *,
    wilcoxon: bool = False,
    public_fraction: float | None = None,
    seed: int | None = None,
    final: bool = False,
    ladder: Path | None = None,
    progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
) -> Leaderboard:
    """Score submissions, or read score cards, and rank them. Nothing is drawn.

    A file that cannot be read is listed as not ranked. ``truth`` may be None where all are cards.
    ``public_fraction`` scores that share of the groups only, drawn with ``seed`` (without one: made of the
    truth), or with ``final`` all others. ``ladder`` names the file that keeps released scores. Raises
    HarnessError where the entries are not of one truth, or the seed is missing.
    """
    with open_dataset(truth) if truth else nullcontext() as data:
        track, scored, unreadable = score_all(paths, data, progress, executor)
        if public_fraction is not None and seed is None:
            if data is None:
                raise HarnessError("a public part must be drawn with a seed or a truth file, got neither")
            seed = secret_seed(data)
    part: Part | None = None
    if public_fraction is not None and seed is not None:
        part = "private" if final else "public"
        scored = [subset_of(entry, public_fraction, seed, final) for entry in scored]
    return Leaderboard(rank_entries(track, scored, unreadable, wilcoxon, part, ladder), scored)


def rank_entries(
    track: Track,
    scored: Sequence[Scored],
    unreadable: Sequence[tuple[str, str]] = (),
    wilcoxon: bool = False,
    part: Part | None = None,
    ladder: Path | None = None,
) -> Board:
    """The board of entries that were all scored against one truth file, best first.

    Ranked by the mean of the ranks by each of the track's ranked scores; equal means share a rank. Seeds of
    one method are one row. Submissions with missing or invalid cases, and those that could not be read at all
    (name, reason), are listed as not ranked. With ``ladder`` the rows are the scores that it releases.
    """
    accepted = [entry for entry in scored if entry.report.accepted]
    check_one_truth(scored)
    if ladder:
        track, rows = replace(track, scores=track.ranked), release_scores(track, accepted, ladder)
    else:
        rows = _rows(track, by_method(accepted), wilcoxon) if accepted else []
    orders = (np.array([getattr(row, name) for row in rows]) for name in ("mean_rank", "normalised_mean"))
    refused = [
        NotRanked(entry.path.name, entry.team, entry.method, entry.report.summary())
        for entry in scored
        if not entry.report.accepted
    ]
    return Board(
        track=track.name,
        title=track.title,
        cases=rows[0].cases if rows else 0,
        groups=rows[0].groups if rows else 0,
        truth_fingerprint=rows[0].truth_fingerprint if rows else None,
        level=LEVEL,
        resamples=RESAMPLES,
        part=part,
        ladder=ladder is not None,
        wilcoxon=wilcoxon,
        kendall_tau=kendall_tau(*orders),
        scores=tuple(score.info for score in track.scores),
        rows=tuple(rows),
        not_ranked=(*refused, *(NotRanked(name, "", "", reason) for name, reason in unreadable)),
    )


def _rows(track: Track, methods: Sequence[Sequence[Scored]], wilcoxon: bool) -> list[Row]:
    """The rows of the board, best first, each of the seeds of one method."""
    entries = [entry for seeds in methods for entry in seeds]
    counts = np.array([len(seeds) for seeds in methods])
    starts = np.cumsum(counts) - counts
    sums = [entry.sums() for entry in entries]
    groups = sums[0].groups

    def over_seeds(values: np.ndarray) -> np.ndarray:  # (..., entries) → (..., rows)
        return np.asarray(np.add.reduceat(values, starts, axis=-1) / counts)

    by_entry = [each.total_scores(track) for each in sums]
    deviations = [standard_deviations(entry) for entry in entries]
    values = {key: over_seeds(np.array([scores[key] for scores in by_entry])) for key in by_entry[0]}
    stds = {key: over_seeds(np.array([each[key] for each in deviations])) for key in deviations[0]}
    drawn = {key: over_seeds(resamples) for key, resamples in bootstrap(track, sums).items()}
    bounds = intervals(drawn, groups)
    names = [(first.team, first.method, first.path.name, first.sha256) for first, *_ in methods]
    order = board_order(track, values, names)
    ranks = standings(
        track,
        {key: each[order] for key, each in values.items()},
        {key: each[:, order] for key, each in drawn.items()},
        groups,
    )
    p_values = _p_values(track, [methods[index] for index in order]) if wilcoxon else {}

    rows = []
    for place, index in enumerate(order):
        seeds, first = methods[index], methods[index][0]
        its_scores = by_entry[starts[index] : starts[index] + counts[index]]
        seed_stds = _seed_stds(its_scores)
        cells = {
            score.key: Cell(
                mean=float(values[score.key][index]),
                std=none_if_nan(stds[score.key][index]),
                low=none_if_nan(bounds[score.key][0][index]),
                high=none_if_nan(bounds[score.key][1][index]),
                seed_std=seed_stds[score.key],
                wilcoxon=p_values.get((place, score.key)),
                **ranks.of_cell(place, score.key),
            )
            for score in track.scores
        }
        rows.append(
            Row(
                file=first.path.name,
                source=first.source,
                team=first.team,
                method=first.method,
                cases=len(first.case_ids),
                groups=groups,
                submission_sha256=first.sha256,
                truth_fingerprint=first.truth_fingerprint,
                seeds=tuple(
                    Seed(entry.path.name, entry.seed, entry.sha256, scores)
                    for entry, scores in zip(seeds, its_scores, strict=True)
                ),
                metrics=cells,
                **ranks.of_row(place),
            )
        )
    return rows


def _seed_stds(by_seed: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    """The standard deviation over the seeds of each score; None with one seed."""
    if len(by_seed) < 2:
        return dict.fromkeys(by_seed[0])
    matrix = np.array([list(scores.values()) for scores in by_seed])
    return dict(zip(by_seed[0], matrix.std(axis=0, ddof=1).tolist(), strict=True))


def _p_values(track: Track, methods: Sequence[Sequence[Scored]]) -> dict[tuple[int, str], float]:
    """Wilcoxon's test of each row (index, key) against the next, for the ranked scores that are means.

    The test takes its differences as independent, which cases of one group are not, so these are the
    differences of the means of the groups. Holm's correction is for all p-values of the board together.
    """
    columns = {score.key: score.column for score in track.ranked if score.column}
    raw: dict[tuple[int, str], float] = {}
    for key, column in columns.items():
        means = [_group_means(seeds, column) for seeds in methods]
        raw |= {(index, key): signed_rank(a - b) for index, (a, b) in enumerate(pairwise(means))}
    return dict(zip(raw, holm(np.array(list(raw.values()))).tolist(), strict=True))


def _group_means(seeds: Sequence[Scored], column: str) -> np.ndarray:
    """The mean over the cases of each group of a score by case, and over the seeds: (groups,)."""
    _, index, cases = np.unique(seeds[0].groups, return_inverse=True, return_counts=True)
    by_case = np.mean([entry.columns[column] for entry in seeds], axis=0)
    return np.asarray(np.bincount(index, by_case) / cases)
