"""Comparing two submissions: how far apart they are, how surely, and on which cases most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evaluation.bootstrap import MIN_GROUPS_FOR_RANKS, bootstrap, chance_lower, interval, none_if_nan
from harness.evaluation.entries import check_one_truth
from harness.evaluation.records import Record
from harness.evaluation.scoring import Scored
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
    """A case where the two differ much in the score with the key ``score``."""

    score: str
    case_id: str
    group: int
    a: float
    b: float
    difference: float


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


def compare_scores(first: Scored, second: Scored, cases_shown: int = 3) -> Comparison:
    """How far two submissions are apart in each score, how surely, and on which cases most.

    ``cases_shown`` is how many cases are listed for each ranked score that is a mean over cases. Raises
    HarnessError where the two were not scored on the same cases.
    """
    check_one_truth([first, second])
    track, sums = first.track, [first.sums(), second.sums()]
    groups, (a, b) = sums[0].groups, (each.total_scores(track) for each in sums)
    drawn = bootstrap(track, sums)
    scores = []
    for score in track.scores:
        key = score.key
        signed = drawn[key][: None if groups >= MIN_GROUPS_FOR_RANKS else 0] * score.sign
        low, high = interval(drawn[key][:, 0] - drawn[key][:, 1], groups)
        scores.append(
            ScoreDifference(
                key=key,
                title=score.title,
                lower_is_better=score.lower_is_better,
                ranked=score.ranked,
                digits=score.digits,
                a=a[key],
                b=b[key],
                difference=a[key] - b[key],
                low=none_if_nan(low),
                high=none_if_nan(high),
                p_a_better=none_if_nan(chance_lower(signed[:, 0], signed[:, 1])),
            )
        )
    return Comparison(
        track=track.name,
        cases_compared=len(first.case_ids),
        groups=groups,
        truth_fingerprint=first.truth_fingerprint,
        a=_side(first),
        b=_side(second),
        scores=tuple(scores),
        cases=tuple(_most_different_cases(first, second, cases_shown)),
    )


def _side(scored: Scored) -> Side:
    return Side(scored.path.name, scored.team, scored.method, scored.sha256, scored.source)


def _most_different_cases(first: Scored, second: Scored, count: int) -> list[CaseDifference]:
    """The cases that differ most in each ranked score; of equal ones those that differ most in all scores.

    The differences in all scores are added up in units of their standard deviations.
    """
    means = [score for score in first.track.scores if score.column]
    differences = {
        score.key: first.columns[score.column].astype(float) - second.columns[score.column] for score in means
    }
    matrix = np.stack(list(differences.values()))
    deviations = matrix.std(axis=1, keepdims=True)
    total = np.abs(matrix / np.where(deviations > 0, deviations, 1)).sum(axis=0)
    return [
        CaseDifference(
            score=score.key,
            case_id=first.case_ids[row],
            group=int(first.groups[row]),
            a=float(first.columns[score.column][row]),
            b=float(second.columns[score.column][row]),
            difference=float(differences[score.key][row]),
        )
        for score in means
        if score.ranked
        for row in np.lexsort((-total, -np.abs(differences[score.key])))[:count]
        if differences[score.key][row]
    ]
