"""The results of claims and boards, computed from the scores of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np

from harness.claims.diagnostics import EPOCH, with_diagnostics
from harness.claims.execute import TEAM
from harness.claims.plan import Folds, Run, Sides
from harness.claims.regime import lacking
from harness.claims.spec import Claim
from harness.claims.trainings import MEASURES, TrainingFacts
from harness.claims.verdicts import Difference, Verdict, combine_verdicts, difference, needed, verdict
from harness.evaluation.bootstrap import apart, bootstrap, possible, trial_groups, unseen_difference
from harness.evaluation.entries import check_one_truth
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.records import Record
from harness.evaluation.scoring import Scored
from harness.runs.folder import finished
from harness.tracks import Score, ScoreInfo, get_track


@dataclass(frozen=True)
class ScoreResult(Record):
    """The verdict on one score of a claim.

    ``expected`` are the bounds of the difference, None where there is none. ``decides`` tells whether the
    verdict on the claim follows from this score, too. ``sides`` are the means over the seeds.
    ``difference`` and its interval are a ratio for times; the ends of the interval are None where there are
    too few seeds or groups. ``decided_by`` has the groups and seeds that would decide an undecided score, by
    the way to decide it.
    """

    key: str
    title: str
    digits: int
    ratio: bool
    decides: bool
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

    ``lacking`` says why it was not tested, a few words each. ``regime`` has the worst values of scores that
    its networks may have. ``reported`` has what the report states: ``scores``, and what they are ``of``.
    ``sides`` has the weight of each side in the difference, its description as ``text``, its ``runs``, and
    the means of all ``scores`` over its seeds, by key.
    """

    name: str
    kind: str
    standing: str
    says: str
    source: str
    track: str
    data: str
    preset: str
    verdict: Verdict
    lacking: tuple[str, ...]
    regime: Mapping[str, float]
    reported: tuple[Mapping[str, Any], ...]
    sides: tuple[Mapping[str, Any], ...]
    cases: int
    groups: int
    seeds: int
    scores: tuple[ScoreResult, ...]


def not_tested(claim: Claim, reason: str) -> ClaimResult:
    """The result of a claim whose data or runs are missing."""
    n_sides = len(claim.sides)
    return _result(
        claim, [()] * n_sides, [{}] * n_sides, verdict="not tested", lacking=(reason,), cases=0, groups=0,
        seeds=0, scores=(),
    )  # fmt: skip


def judge(
    claim: Claim, sides: Sides, scored: Mapping[Folds, Scored], facts: Mapping[Run, TrainingFacts]
) -> ClaimResult:
    """The verdict on a claim, from the scores of its runs and the facts of their trainings."""
    submissions = [scored[folds] for seeds in sides for folds in seeds]
    check_one_truth(submissions)
    track, shape = with_diagnostics(get_track(claim.track)), (len(sides), len(sides[0]))
    sums = [submission.sums() for submission in submissions]
    values, resampled = [each.total_scores(track) for each in sums], bootstrap(track, sums)
    by_key = {
        score.key: np.array([each[score.key] for each in values]).reshape(shape) for score in track.scores
    }
    means = [{key: float(each[side].mean()) for key, each in by_key.items()} for side in range(shape[0])]
    names = "AB" if len(sides) == 2 else [str(side) for side in claim.sides]
    lacks = tuple(
        f"{name}: {lack}"
        for name, seeds, scores in zip(names, sides, means, strict=True)
        for lack in lacking(track, claim.regime, [facts[run] for folds in seeds for run in folds], scores)
    )
    weights = np.array(claim.weights, float)
    cases, groups = len(submissions[0].case_ids), sums[0].groups
    groups_of = [trial_groups(track, each) for each in sums]
    info_of: dict[str, ScoreInfo] = {info.key: info for info in (*track.scores, *MEASURES)}
    results = []
    for key in (*claim.expected, *claim.beside):
        info = info_of[key]
        if info in MEASURES:
            by_seed = np.array([[MEASURES[info](folds[0].folder) for folds in seeds] for seeds in sides])
            found = difference(weights @ (np.log(by_seed) if info is EPOCH else by_seed))
        else:
            by_seed = by_key[key]
            found = difference(weights @ by_seed, weights @ resampled[key].reshape(-1, *shape), groups)
        tested = not lacks or info is EPOCH  # a time does not depend on what was learnt
        trials = min(each.get(key, 0) for each in groups_of)
        results.append(_score_result(claim, info, by_seed, found, cases, trials, tested))
    judged = combine_verdicts([result.verdict for result in results if result.decides])
    return _result(
        claim, sides, means, verdict=judged, lacking=lacks, cases=cases, groups=groups, seeds=shape[1],
        scores=tuple(results),
    )  # fmt: skip


def _result(claim: Claim, sides: Sides, means: Sequence[Mapping[str, float]], **found: Any) -> ClaimResult:
    """What the claim says, its sides with their runs and mean scores, and what was ``found``."""
    described = tuple(
        {"weight": weight, "text": str(side), "runs": _run_names(seeds), "scores": scores}
        for weight, side, seeds, scores in zip(claim.weights, claim.sides, sides, means, strict=True)
    )
    return ClaimResult(
        **claim.description(), regime=claim.regime, reported=claim.reported, sides=described, **found
    )


def _score_result(
    claim: Claim, score: ScoreInfo, by_seed: np.ndarray, found: Difference, cases: int, trials: int,
    tested: bool,
) -> ScoreResult:  # fmt: skip
    """The verdict on one score from its values (sides, seeds). Times are judged by their logarithms.

    ``trials`` is the number of groups that the score is a share of, 0 if it is none.
    """
    expected = {**claim.expected, **claim.beside}[score.key]
    ratio = score is EPOCH
    bounds = (log(expected[0]) if expected[0] > 0 else -inf, log(expected[1])) if ratio else expected
    in_units: Callable[[float], float] = exp if ratio else float
    low, high = found.interval()
    if isinstance(score, Score) and isfinite(low):
        reach = sum(map(abs, claim.weights)) / 2 * unseen_difference(score, trials)
        low, high = possible(apart((low, high), reach), score.within, claim.weights)
    judged = verdict(low, high, bounds) if tested else "not tested"
    decided_by = {
        way: {"seeds": seeds}
        | ({"groups": groups, "cases": round(groups * cases / found.groups)} if found.groups else {})
        for way, (groups, seeds) in (needed(found, bounds) if judged == "undecided" else {}).items()
    }
    return ScoreResult(
        score.key, score.title, score.digits, ratio, decides=score.key in claim.expected,
        expected=tuple(bound if isfinite(bound) else None for bound in expected),
        sides=tuple(by_seed.mean(axis=1).tolist()), difference=in_units(found.value),
        low=in_units(low) if isfinite(low) else None, high=in_units(high) if isfinite(high) else None,
        verdict=judged, decided_by=decided_by,
    )  # fmt: skip


def rank(spec: Claim, sides: Sides, scored: Mapping[Folds, Scored]) -> dict[str, Any]:
    """The board of methods, as JSON: the seeds of a side are one row. A curve has a value of each row.

    ``diagnostics`` has the means over the seeds of the scores that a board does not show, by method.
    """
    named_by_baseline = len({side.baseline for side in spec.sides}) == len(spec.sides)
    names = [side.baseline if named_by_baseline else str(side) for side in spec.sides]
    track, rows = get_track(spec.track), dict(zip(names, sides, strict=True))
    submissions = [
        replace(scored[folds], track=track, method=name, team=TEAM, seed=seed, owner=TEAM)
        for name, seeds in rows.items()
        for seed, folds in enumerate(seeds)
    ]
    further = with_diagnostics(track).scores[len(track.scores) :]
    diagnostics = {}
    for name, seeds in rows.items():
        values = [scored[folds].values() for folds in seeds]
        means = {score.key: float(np.mean([each[score.key] for each in values])) for score in further}
        diagnostics[name] = means
    numbers: dict[str, float] = {}
    if spec.over:
        of_sides = spec.values or [float(finished(seeds[0][0].folder)["cases"]) for seeds in sides]
        numbers = dict(zip(names, of_sides, strict=True))
    return spec.description() | {
        "note": spec.note,
        "over": spec.over,
        "values": numbers,
        "runs": {name: _run_names(seeds) for name, seeds in rows.items()},
        "reported": list(spec.reported),
        "diagnostics": {
            "scores": [{key: getattr(score, key) for key in ("key", "title", "meaning", "digits")}
                       for score in further],
            "methods": diagnostics,
        },
        "board": replace(rank_entries(track, submissions), title=spec.says).to_json(),
    }  # fmt: skip


def _run_names(seeds: Sequence[Folds]) -> list[str]:
    return [run.folder.name for folds in seeds for run in folds]
