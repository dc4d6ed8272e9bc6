"""From files to a leaderboard: score, rank, and say how sure every rank is. docs/ranking.md explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from harness.data.split import secret_seed
from harness.data.store import open_dataset
from harness.evaluation.board import Board, Cell, Facts, NotRanked, Row, Seed
from harness.evaluation.bootstrap import (
    LEVEL,
    RESAMPLES,
    bootstrap,
    exact_intervals,
    holm,
    interval,
    kendall_tau,
    none_if_nan,
    settled,
    signed_rank,
)
from harness.evaluation.entries import by_method, check_one_truth, in_folders, read_references, score_all
from harness.evaluation.ladder import release_scores, subset_of
from harness.evaluation.ranking import standings
from harness.evaluation.rounding import coarse, supported_steps, to_step
from harness.evaluation.scoring import Scored, standard_deviations
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.tracks import Track
from submissions.manifest import FACTS, Manifest

Part = Literal["public", "private"]


class Leaderboard(NamedTuple):
    """A board, and the entries that it was made of, of which only the board's part of the cases is left."""

    board: Board
    scored: list[Scored]


def make_leaderboard(
    paths: Sequence[Path], truth: Path | None, *, wilcoxon: bool = False,
    public_fraction: float | None = None, seed: int | None = None, final: bool = False,
    ladder: Path | None = None, references: Path | None = None,
    progress: ProgressCallback = no_progress, executor: Executor | None = None,
) -> Leaderboard:  # fmt: skip
    """Score submissions, or read score cards, and rank them. Nothing is drawn.

    A folder among the paths stands for the files in it, which are one person's: the seeds of one method there
    are one row. A file that cannot be read is listed as not ranked. ``truth`` may be None where all are
    cards. ``public_fraction`` scores only that share of the groups, or with ``final`` all others; they are
    drawn with ``seed``, by default one that is derived from the truth. ``ladder`` names the file that keeps
    released scores, ``references`` published ones (`read_references`). Raises HarnessError where the entries
    are not of one truth, or the seed is missing.
    """
    owners = in_folders(paths)
    shown = ladder is not None or (public_fraction is not None and not final)
    with open_dataset(truth) if truth else nullcontext() as data:
        coarsely = replace(data, track=coarse(data.track)) if data else None
        track, scored, unreadable = score_all(list(owners), coarsely if shown else data, progress, executor)
        track, public = data.track if data else track, scored
        if final and track.classes and data:  # the public board was of rounded probabilities
            _, public, _ = score_all(list(owners), coarsely, progress, executor)
        published, baselines = read_references(references, track) if references else ((), [])
        scored, public = (
            [replace(entry, owner=owners[entry.path], track=track) for entry in entries]
            for entries in (scored, public)
        )
        if public_fraction is not None and seed is None:
            if data is None:
                raise HarnessError("a public subset must be drawn with a seed or a truth file, got neither")
            seed = secret_seed(data)
    part: Part | None = None
    public_ranks: dict[tuple[str, ...], int] = {}
    if public_fraction is not None and seed is not None:
        part = "private" if final else "public"
        if final:
            public = [subset_of(entry, public_fraction, seed, False) for entry in public]
            rows = rank_entries(track, public, part="public").rows
            public_ranks = {_identity(row): row.rank for row in rows}
        scored = [subset_of(entry, public_fraction, seed, final) for entry in scored]
    board = rank_entries(track, scored, unreadable, wilcoxon, part, ladder)
    rows = tuple(
        replace(row, public_rank=public_ranks.get(_identity(row)),
                baseline=row.method in baselines or row.file in baselines)
        for row in board.rows
    )  # fmt: skip
    return Leaderboard(replace(board, rows=rows, references=published), scored)


def rank_entries(
    track: Track, scored: Sequence[Scored], unreadable: Sequence[tuple[str, str]] = (),
    wilcoxon: bool = False, part: Part | None = None, ladder: Path | None = None,
) -> Board:  # fmt: skip
    """The board of entries that were all scored against one truth file, best first.

    Ranked by the mean of the ranks by each of the track's ranked scores; equal means share a rank. Seeds of
    one method of one owner are one row. Submissions with missing or invalid cases, and those that could not
    be read at all (name, reason), are listed as not ranked. With ``ladder`` the rows are the scores that it
    releases.
    """
    check_one_truth(scored)
    accepted = [entry for entry in scored if entry.report.accepted]
    if ladder:
        track, rows = replace(track, scores=track.ranked), release_scores(track, accepted, ladder)
    else:
        rows = _rows(track, by_method(accepted), wilcoxon, part == "public") if accepted else []
    first = rows[0] if rows else None
    orders = (np.array([getattr(row, name) for row in rows]) for name in ("mean_rank", "normalised_mean"))
    refused = [NotRanked(entry.path.name, entry.team, entry.method, entry.report.summary())
               for entry in scored if not entry.report.accepted]  # fmt: skip
    refused += [NotRanked(name, "", "", reason) for name, reason in unreadable]
    return Board(
        track.name, track.title, cases=first.cases if first else 0, groups=first.groups if first else 0,
        truth_fingerprint=first.truth_fingerprint if first else None, level=LEVEL, resamples=RESAMPLES,
        part=part, ladder=ladder is not None, wilcoxon=wilcoxon, kendall_tau=kendall_tau(*orders),
        scores=tuple(score.info for score in track.scores), rows=tuple(rows), not_ranked=tuple(refused),
        classes=accepted[0].class_counts() if accepted and not ladder and part != "public" else None,
    )  # fmt: skip


def _rows(track: Track, methods: list[list[Scored]], wilcoxon: bool, public: bool) -> list[Row]:
    """The rows of the board, best first, each of the seeds of one method.

    On a ``public`` board nothing is finer than `supported_step`: neither scores, nor what is made of them.
    """
    entries = [entry for seeds in methods for entry in seeds]
    sums = [entry.sums() for entry in entries]
    by_entry = [each.total_scores(track) for each in sums]
    counts = np.array([len(seeds) for seeds in methods])
    starts = np.cumsum(counts) - counts

    def over_seeds(by_key: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:  # (..., entries) → (..., rows)
        return {key: np.add.reduceat(each, starts, axis=-1) / counts for key, each in by_key.items()}

    values, drawn = over_seeds(_columns(by_entry)), over_seeds(bootstrap(track, sums))
    stds = over_seeds(_columns([standard_deviations(entry) for entry in entries]))
    exact = over_seeds(_columns([exact_intervals(track, each) for each in sums]))
    steps: dict[str, np.ndarray] = {}
    if public:
        of_entries = [supported_steps(track, each) for each in sums]
        by_entry = [
            {key: float(to_step(value, of_entry[key])) for key, value in scores.items()}
            for scores, of_entry in zip(by_entry, of_entries, strict=True)
        ]
        steps = {key: np.maximum.reduceat(each, starts) for key, each in _columns(of_entries).items()}
        values, drawn = (
            {key: to_step(each, steps[key]) for key, each in by_key.items()} for by_key in (values, drawn)
        )
        # An exact bound shows that all cases are right, or none, which a rounded score must not.
        exact = {key: np.full_like(each, np.nan) for key, each in exact.items()}
    groups = sums[0].groups
    bounds = {
        score.key: settled(score, interval(drawn[score.key], groups), exact[score.key])
        for score in track.scores
    }
    names = [(seeds[0].team, seeds[0].method, seeds[0].path.name, seeds[0].sha256) for seeds in methods]
    order, overall, by_score = standings(track, values, drawn, groups, names)
    p_values = _p_values(track, [methods[index] for index in order]) if wilcoxon else {}
    rows = []
    for row, index in enumerate(order):
        seeds, by_seed = methods[index], by_entry[starts[index] : starts[index] + counts[index]]
        first, cells = seeds[0], {}
        for key, seed_std in _seed_stds(by_seed).items():
            std, low, high = (none_if_nan(each[index]) for each in (stds[key], *bounds[key]))
            cell = Cell(float(values[key][index]), std, low, high, seed_std,
                        wilcoxon=p_values.get((row, key)), **by_score[key][row])  # fmt: skip
            cells[key] = cell.rounded(float(steps[key][index])) if public else cell
        rows.append(Row(
            first.path.name, first.source, first.team, first.method, len(first.case_ids), groups,
            first.sha256, first.truth_fingerprint,
            seeds=tuple(Seed(entry.path.name, entry.seed, entry.sha256, scores)
                        for entry, scores in zip(seeds, by_seed, strict=True)),
            metrics=cells, **overall[row], facts=_facts(first.manifest),
        ))  # fmt: skip
    return rows


def _identity(row: Row) -> tuple[str, ...]:
    """What tells rows apart. A score card may claim the SHA-256 of another's submission."""
    return row.file, row.team, row.method, row.submission_sha256


def _facts(manifest: Manifest | None) -> Facts | None:
    """What is known of a method beyond its names; None where a manifest says nothing, or there is none."""
    if manifest is None:
        return None
    facts = Facts(
        hardware=tuple(manifest.hardware or ()), **{name: getattr(manifest, name) for name in FACTS}
    )
    return None if facts == Facts() else facts


def _columns(by_entry: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """What each entry has by key, a number or a pair, as an array (entries,) or (2, entries) by key."""
    return {key: np.transpose([of_entry[key] for of_entry in by_entry]) for key in by_entry[0]}


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
    raw: dict[tuple[int, str], float] = {}
    for score in (score for score in track.ranked if score.column):
        means = [_group_means(seeds, score.column) for seeds in methods]
        raw |= {(index, score.key): signed_rank(a - b) for index, (a, b) in enumerate(pairwise(means))}
    return dict(zip(raw, holm(np.array(list(raw.values()))).tolist(), strict=True))


def _group_means(seeds: Sequence[Scored], column: str) -> np.ndarray:
    """The mean over the cases of each group of a score by case, and over the seeds: (groups,)."""
    _, index, cases = np.unique(seeds[0].groups, return_inverse=True, return_counts=True)
    by_case = np.mean([entry.columns[column] for entry in seeds], axis=0)
    return np.asarray(np.bincount(index, by_case) / cases)
