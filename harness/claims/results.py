"""What came out of claims and boards, and how it is computed from the scores of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np

from harness.claims.diagnostics import EPOCH, MEASURED
from harness.claims.execute import TEAM, epoch_seconds
from harness.claims.plan import Folds, Sides
from harness.claims.spec import EPOCH_SECONDS, BoardSpec, Claim
from harness.claims.verdicts import Difference, Verdict, combine_verdicts, difference, needed, verdict
from harness.evaluation.board import Board
from harness.evaluation.bootstrap import bootstrap
from harness.evaluation.entries import check_one_truth
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import Scored
from harness.runs.folder import finished
from harness.tracks import Score, get_track


@dataclass(frozen=True)
class ScoreResult:
    """The verdict on one score of a claim.

    ``sides`` are the means over the seeds. ``difference`` and its interval are a ratio for times; the ends of
    the interval are None where there are too few seeds or groups. ``decided_by`` has the groups and seeds
    that would decide an undecided score, by the way to decide it.
    """

    key: str
    title: str
    digits: int
    ratio: bool
    expected: tuple[float, float]
    sides: tuple[float, ...]
    difference: float
    low: float | None
    high: float | None
    verdict: Verdict
    decided_by: Mapping[str, Mapping[str, int]]

    def to_json(self) -> dict[str, Any]:
        return {
            **{"key": self.key, "title": self.title, "digits": self.digits, "ratio": self.ratio},
            "expected": [bound if isfinite(bound) else None for bound in self.expected],
            "sides": list(self.sides),
            **{"difference": self.difference, "low": self.low, "high": self.high},
            **{"verdict": self.verdict, "decided_by": self.decided_by},
        }


@dataclass(frozen=True)
class ClaimResult:
    """The verdict on a claim, with the names of the runs of each side."""

    claim: Claim
    verdict: Verdict
    runs: tuple[tuple[str, ...], ...]
    cases: int
    groups: int
    seeds: int
    scores: tuple[ScoreResult, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.claim.to_json(),
            "verdict": self.verdict,
            "sides": [
                {"weight": weight, "text": str(side), "runs": list(runs)}
                for (weight, side), runs in zip(self.claim.weighted, self.runs, strict=True)
            ],
            **{"cases": self.cases, "groups": self.groups, "seeds": self.seeds},
            "scores": [score.to_json() for score in self.scores],
        }


@dataclass(frozen=True)
class BoardResult:
    """A board with the names of the runs of each row, and for a curve the value of each row's setting."""

    spec: BoardSpec
    values: Mapping[str, float]
    runs: Mapping[str, tuple[str, ...]]
    board: Board

    def to_json(self) -> dict[str, Any]:
        return {
            **self.spec.to_json(),
            **{"over": self.spec.over, "values": dict(self.values)},
            "runs": {name: list(runs) for name, runs in self.runs.items()},
            "board": self.board.to_json(),
        }


def judge(claim: Claim, sides: Sides, scored: Mapping[Folds, Scored]) -> ClaimResult:
    """The verdict on a claim, from the scores of its runs and the times of their epochs."""
    submissions = [scored[folds] for seeds in sides for folds in seeds]
    check_one_truth(submissions)
    track, shape = MEASURED[claim.track], (len(sides), len(sides[0]))
    sums = [submission.sums() for submission in submissions]
    values, resampled = [submission.values() for submission in submissions], bootstrap(track, sums)
    weights = np.array([weight for weight, _ in claim.weighted], float)
    cases, groups = len(submissions[0].case_ids), sums[0].shape[0]
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
        claim,
        combine_verdicts([score.verdict for score in scores]),
        tuple(_run_names(seeds) for seeds in sides),
        cases,
        groups,
        shape[1],
        tuple(scores),
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
    means = tuple(by_seed.mean(axis=1).tolist())
    texts = score.key, score.title, score.digits
    return ScoreResult(*texts, ratio, expected, means, value, low_end, high_end, judged, decided_by)


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
        sizes = [float(finished(seeds[0][0].folder)["cases"]) for seeds in sides]
        values = dict(zip(names, spec.values or sizes, strict=True))
    return BoardResult(spec, values, dict(zip(names, map(_run_names, sides), strict=True)), board)


def _run_names(seeds: Sequence[Folds]) -> tuple[str, ...]:
    return tuple(run.folder.name for folds in seeds for run in folds)


def _logarithms(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    return log(low) if low > 0 else -inf, log(high)
