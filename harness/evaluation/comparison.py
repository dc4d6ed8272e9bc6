"""Comparing two submissions: how far apart they are, how surely, and on which cases most."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.store import open_dataset
from harness.evaluation.bootstrap import (
    MIN_GROUPS_FOR_RANKS,
    bootstrap,
    chance_lower,
    exact_intervals,
    interval,
    none_if_nan,
    possible,
    settled_difference,
    trial_groups,
    unseen_difference,
)
from harness.evaluation.entries import check_one_truth, score_all
from harness.evaluation.records import Record
from harness.evaluation.scoring import Scored
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.schemas import COMPARISON


@dataclass(frozen=True)
class Side(Record):
    """One of the two that are compared."""

    file: str
    team: str
    method: str
    submission_sha256: str
    source: str


@dataclass(frozen=True)
class ScoreDifference(Record):
    """A score of both, the difference a − b with its 95 % interval, and the probability that A is better.

    None: not known with so few groups.
    """

    key: str
    title: str
    lower_is_better: bool
    ranked: bool
    digits: int
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    p_a_better: float | None


@dataclass(frozen=True)
class CaseDifference(Record):
    """A case where the two differ much in the score with the key ``score``.

    Of classes, ``label`` is the true one, ``a_answer`` and ``b_answer`` are the most probable ones.
    """

    score: str
    case_id: str
    group: int
    a: float
    b: float
    difference: float
    label: str | None = None
    a_answer: str | None = None
    b_answer: str | None = None


@dataclass(frozen=True)
class Comparison(Record):
    """Two submissions that were scored on the same cases."""

    SCHEMA = COMPARISON

    track: str
    cases_compared: int
    groups: int
    truth_fingerprint: str
    a: Side
    b: Side
    scores: tuple[ScoreDifference, ...]
    cases: tuple[CaseDifference, ...]


def compare(
    first: Path, second: Path, truth: Path | None, progress: ProgressCallback = no_progress,
    executor: Executor | None = None, cases_shown: int = 3,
) -> tuple[Comparison, list[Scored]]:  # fmt: skip
    """Score two submissions, or read score cards, and compare them: the comparison, and both as scored.

    ``truth`` may be None where both are cards. ``cases_shown`` is how many cases are listed for each ranked
    score that is a mean over cases. Raises HarnessError where one of them cannot be scored, or they were not
    scored on the same cases.
    """
    with open_dataset(truth) if truth else nullcontext() as data:
        track, scored, unreadable = score_all([first, second], data, progress, executor)
    refused = [(entry.path.name, entry.report.summary()) for entry in scored if not entry.report.accepted]
    for name, reason in unreadable + refused:
        raise HarnessError(f"{name} cannot be compared: {reason}")
    check_one_truth(scored)
    sums = [entry.sums() for entry in scored]
    groups, (a, b) = sums[0].groups, (each.total_scores(track) for each in sums)
    drawn, exact = bootstrap(track, sums), [exact_intervals(track, each) for each in sums]
    groups_of = [trial_groups(track, each) for each in sums]
    scores = []
    for score in track.scores:
        key, resamples = score.key, drawn[score.key]
        bounds = possible(interval(resamples[:, 0] - resamples[:, 1], groups), score.within)
        reach = unseen_difference(score, min(each[key] for each in groups_of))
        low, high = settled_difference(bounds, exact[0][key], exact[1][key], reach)
        ranked = resamples[: None if groups >= MIN_GROUPS_FOR_RANKS else 0] * score.sign
        scores.append(ScoreDifference(
            key, score.title, score.lower_is_better, score.ranked, score.digits,
            a=a[key], b=b[key], difference=a[key] - b[key], low=none_if_nan(low), high=none_if_nan(high),
            p_a_better=none_if_nan(chance_lower(ranked[:, 0], ranked[:, 1])),
        ))  # fmt: skip
    sides = [Side(entry.path.name, entry.team, entry.method, entry.sha256, entry.source) for entry in scored]
    comparison = Comparison(
        track.name, len(scored[0].case_ids), groups, scored[0].truth_fingerprint, sides[0], sides[1],
        tuple(scores), tuple(_most_different_cases(scored[0], scored[1], cases_shown)),
    )  # fmt: skip
    return comparison, scored


def _most_different_cases(first: Scored, second: Scored, count: int) -> list[CaseDifference]:
    """The cases that differ most in each ranked score; of equal ones those that differ most in all scores.

    The differences in all scores are added up in units of their standard deviations.
    """
    scores = [score for score in first.track.scores if score.column]
    if not scores:
        return []
    a, b = (
        np.stack([each.columns[score.column].astype(float) for score in scores]) for each in (first, second)
    )
    differences = a - b
    deviations = differences.std(axis=1, keepdims=True)
    total = np.abs(differences / np.where(deviations > 0, deviations, 1)).sum(axis=0)
    cases = []
    for index, score in enumerate(scores):
        for row in np.lexsort((-total, -np.abs(differences[index])))[: count if score.ranked else 0]:
            if differences[index, row]:
                one, other, difference = (float(each[index, row]) for each in (a, b, differences))
                cases.append(CaseDifference(
                    score.key, first.case_ids[row], int(first.groups[row]), one, other, difference,
                    **_classes(first, second, row),
                ))  # fmt: skip
    return cases


def _classes(first: Scored, second: Scored, row: int) -> dict[str, str]:
    """The true class of a case, and the most probable ones; nothing where the truth is no class."""
    track = first.track
    if not track.answer:
        return {}
    columns = {
        "label": first.columns[track.label],
        "a_answer": first.columns[track.answer],
        "b_answer": second.columns[track.answer],
    }
    return {name: track.classes[int(column[row])] for name, column in columns.items()}
