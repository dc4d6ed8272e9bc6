"""What came out of claims and boards, and how it is computed from the scores of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, log

import numpy as np

from harness.claims.diagnostics import EPOCH, with_diagnostics
from harness.claims.execute import TEAM, epoch_seconds
from harness.claims.plan import Folds, Sides
from harness.claims.spec import EPOCH_SECONDS, BoardSpec, Claim, Declaration
from harness.claims.verdicts import Difference, Verdict, combine_verdicts, difference, needed, verdict
from harness.evaluation.board import Board
from harness.evaluation.bootstrap import bootstrap
from harness.evaluation.entries import check_one_truth
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.records import Record
from harness.evaluation.scoring import Scored
from harness.runs.folder import finished
from harness.schemas import CLAIMS
from harness.tracks import Score, get_track


@dataclass(frozen=True)
class ScoreResult(Record):
    """The verdict on one score of a claim.

    ``expected`` are the bounds of the difference, None where there is none. ``sides`` are the means over the
    seeds. ``difference`` and its interval are a ratio for times; the ends of the interval are None where
    there are too few seeds or groups. ``decided_by`` has the groups and seeds that would decide an undecided
    score, by the way to decide it.
    """

    key: str
    title: str
    digits: int
    ratio: bool
    expected: tuple[float | None, ...]
    sides: tuple[float, ...]
    difference: float
    low: float | None
    high: float | None
    verdict: Verdict
    decided_by: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class SideResult(Record):
    """A side of a claim: its weight in the difference, its description, and the names of its runs."""

    weight: int
    text: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class ClaimResult(Declaration):
    """The verdict on a claim."""

    verdict: Verdict
    sides: tuple[SideResult, ...]
    cases: int
    groups: int
    seeds: int
    scores: tuple[ScoreResult, ...]


@dataclass(frozen=True)
class BoardResult(Declaration):
    """A board with the names of the runs of each row, and for a curve the value of each row's setting."""

    over: str
    values: Mapping[str, float]
    runs: Mapping[str, tuple[str, ...]]
    board: Board


@dataclass(frozen=True)
class ClaimsRecord(Record):
    """What a call of `astroboard reproduce` found, and the versions of the software that it is about."""

    SCHEMA = CLAIMS
    preset: str
    seeds: int
    claims: tuple[ClaimResult, ...]
    boards: tuple[BoardResult, ...]
    versions: Mapping[str, str]


def judge(claim: Claim, sides: Sides, scored: Mapping[Folds, Scored]) -> ClaimResult:
    """The verdict on a claim, from the scores of its runs and the times of their epochs."""
    submissions = [scored[folds] for seeds in sides for folds in seeds]
    check_one_truth(submissions)
    track, shape = with_diagnostics(get_track(claim.track)), (len(sides), len(sides[0]))
    sums = [submission.sums() for submission in submissions]
    values, resampled = [submission.values() for submission in submissions], bootstrap(track, sums)
    weights = np.array([weight for weight, _ in claim.weighted], float)
    cases, groups = len(submissions[0].case_ids), sums[0].groups
    scores = []
    for key, expected in claim.expected.items():
        if key == EPOCH_SECONDS:
            seconds = np.array([[epoch_seconds(folds[0].folder) for folds in seeds] for seeds in sides])
            found = difference(weights @ np.log(seconds))
            scores.append(_score_result(EPOCH, seconds, found, expected, cases))
        else:
            (score,) = (score for score in track.scores if score.key == key)
            by_seed = np.array([by_key[key] for by_key in values]).reshape(shape)
            by_resample = weights @ resampled[key].reshape(-1, *shape)
            found = difference(weights @ by_seed, by_resample, groups)
            scores.append(_score_result(score, by_seed, found, expected, cases))
    return ClaimResult(
        **claim.common(),
        verdict=combine_verdicts([score.verdict for score in scores]),
        sides=tuple(
            SideResult(weight, str(side), _run_names(seeds))
            for (weight, side), seeds in zip(claim.weighted, sides, strict=True)
        ),
        cases=cases,
        groups=groups,
        seeds=shape[1],
        scores=tuple(scores),
    )


def _score_result(
    score: Score, by_seed: np.ndarray, found: Difference, expected: tuple[float, float], cases: int
) -> ScoreResult:
    """The verdict on one score from its values (sides, seeds). Times are judged by their logarithms."""
    ratio = score is EPOCH
    bounds = _logarithms(expected) if ratio else expected
    low, high = found.interval()
    judged = verdict(low, high, bounds)
    decided_by = {
        way: {"seeds": seeds}
        | ({"groups": groups, "cases": round(groups * cases / found.groups)} if found.groups else {})
        for way, (groups, seeds) in (needed(found, bounds) if judged == "undecided" else {}).items()
    }
    value = exp(found.value) if ratio else found.value
    low_end, high_end = (
        None if not isfinite(end) else exp(end) if ratio else end for end in found.interval()
    )
    return ScoreResult(
        key=score.key,
        title=score.title,
        digits=score.digits,
        ratio=ratio,
        expected=tuple(bound if isfinite(bound) else None for bound in expected),
        sides=tuple(by_seed.mean(axis=1).tolist()),
        difference=value,
        low=low_end,
        high=high_end,
        verdict=judged,
        decided_by=decided_by,
    )


def rank(spec: BoardSpec, sides: Sides, scored: Mapping[Folds, Scored]) -> BoardResult:
    """The board of methods, the seeds of a side together in one row."""
    named_by_baseline = len({side.baseline for side in spec.sides}) == len(spec.sides)
    names = [side.baseline if named_by_baseline else str(side) for side in spec.sides]
    track = get_track(spec.track)
    submissions = [
        replace(scored[folds], track=track, method=name, team=TEAM, seed=seed)
        for name, seeds in zip(names, sides, strict=True)
        for seed, folds in enumerate(seeds)
    ]
    board = replace(rank_entries(track, submissions), title=spec.says)
    values: dict[str, float] = {}
    if spec.over:
        numbers = spec.values or [float(finished(seeds[0][0].folder)["cases"]) for seeds in sides]
        values = dict(zip(names, numbers, strict=True))
    runs = dict(zip(names, map(_run_names, sides), strict=True))
    return BoardResult(**spec.common(), over=spec.over, values=values, runs=runs, board=board)


def _run_names(seeds: Sequence[Folds]) -> tuple[str, ...]:
    return tuple(run.folder.name for folds in seeds for run in folds)


def _logarithms(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    return log(low) if low > 0 else -inf, log(high)
