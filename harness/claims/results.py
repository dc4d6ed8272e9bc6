"""What came out of claims and boards, and how it is computed from the scores of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np

from harness.claims.diagnostics import EPOCH, with_diagnostics
from harness.claims.execute import TEAM, epoch_seconds
from harness.claims.plan import Folds, Sides
from harness.claims.spec import EPOCH_SECONDS, Claim
from harness.claims.verdicts import Difference, Verdict, combine_verdicts, difference, needed, verdict
from harness.evaluation.bootstrap import bootstrap
from harness.evaluation.entries import check_one_truth
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.records import Record
from harness.evaluation.scoring import Scored
from harness.runs.folder import finished
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
class ClaimResult(Record):
    """The description of a claim, its verdict and those on its scores.

    ``sides`` has the weight of each side in the difference, its description as ``text``, and its ``runs``.
    """

    name: str
    kind: str
    says: str
    source: str
    track: str
    data: str
    verdict: Verdict
    sides: tuple[Mapping[str, Any], ...]
    cases: int
    groups: int
    seeds: int
    scores: tuple[ScoreResult, ...]


def judge(claim: Claim, sides: Sides, scored: Mapping[Folds, Scored]) -> ClaimResult:
    """The verdict on a claim, from the scores of its runs and the times of their epochs."""
    submissions = [scored[folds] for seeds in sides for folds in seeds]
    check_one_truth(submissions)
    track, shape = with_diagnostics(get_track(claim.track)), (len(sides), len(sides[0]))
    sums = [submission.sums() for submission in submissions]
    values, resampled = [submission.values() for submission in submissions], bootstrap(track, sums)
    weights = np.array(claim.weights, float)
    cases, groups = len(submissions[0].case_ids), sums[0].groups
    score_of = {score.key: score for score in (*track.scores, EPOCH)}
    scores = []
    for key, expected in claim.expected.items():
        if key == EPOCH_SECONDS:
            by_seed = np.array([[epoch_seconds(folds[0].folder) for folds in seeds] for seeds in sides])
            found = difference(weights @ np.log(by_seed))
        else:
            by_seed = np.array([by_key[key] for by_key in values]).reshape(shape)
            found = difference(weights @ by_seed, weights @ resampled[key].reshape(-1, *shape), groups)
        scores.append(_score_result(score_of[key], by_seed, found, expected, cases))
    return ClaimResult(
        **claim.description(),
        verdict=combine_verdicts([score.verdict for score in scores]),
        sides=tuple(
            {"weight": weight, "text": str(side), "runs": _run_names(seeds)}
            for weight, side, seeds in zip(claim.weights, claim.sides, sides, strict=True)
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
    bounds = (log(expected[0]) if expected[0] > 0 else -inf, log(expected[1])) if ratio else expected
    in_units: Callable[[float], float] = exp if ratio else float
    low, high = found.interval()
    judged = verdict(low, high, bounds)
    decided_by = {
        way: {"seeds": seeds}
        | ({"groups": groups, "cases": round(groups * cases / found.groups)} if found.groups else {})
        for way, (groups, seeds) in (needed(found, bounds) if judged == "undecided" else {}).items()
    }
    return ScoreResult(
        key=score.key,
        title=score.title,
        digits=score.digits,
        ratio=ratio,
        expected=tuple(bound if isfinite(bound) else None for bound in expected),
        sides=tuple(by_seed.mean(axis=1).tolist()),
        difference=in_units(found.value),
        low=in_units(low) if isfinite(low) else None,
        high=in_units(high) if isfinite(high) else None,
        verdict=judged,
        decided_by=decided_by,
    )


def rank(spec: Claim, sides: Sides, scored: Mapping[Folds, Scored]) -> dict[str, Any]:
    """The board of methods, as JSON: the seeds of a side are one row. A curve has a value of each row."""
    named_by_baseline = len({side.baseline for side in spec.sides}) == len(spec.sides)
    names = [side.baseline if named_by_baseline else str(side) for side in spec.sides]
    track = get_track(spec.track)
    submissions = [
        replace(scored[folds], track=track, method=name, team=TEAM, seed=seed)
        for name, seeds in zip(names, sides, strict=True)
        for seed, folds in enumerate(seeds)
    ]
    values: dict[str, float] = {}
    if spec.over:
        numbers = spec.values or [float(finished(seeds[0][0].folder)["cases"]) for seeds in sides]
        values = dict(zip(names, numbers, strict=True))
    return spec.description() | {
        "over": spec.over,
        "values": values,
        "runs": dict(zip(names, map(_run_names, sides), strict=True)),
        "board": replace(rank_entries(track, submissions), title=spec.says).to_json(),
    }


def _run_names(seeds: Sequence[Folds]) -> list[str]:
    return [run.folder.name for folds in seeds for run in folds]
