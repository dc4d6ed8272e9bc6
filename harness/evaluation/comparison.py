"""Comparing two submissions: how far apart they are, how surely, and on which cases most."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.evaluation.bootstrap import MIN_GROUPS, bootstrap, chance_lower, interval
from harness.evaluation.leaderboard import check_one_truth
from harness.evaluation.scoring import Scored, known
from harness.schemas import COMPARISON
from harness.tracks import Score

SHOWN = 3


def compared(first: Scored, second: Scored) -> dict[str, Any]:
    """The comparison of two that were scored on the same cases, as JSON values."""
    track = first.track
    check_one_truth([first, second])
    sums = [first.sums(), second.sums()]
    groups, one, other = sums[0].shape[0], first.values(), second.values()
    drawn = bootstrap(track, sums)
    low, high = interval(drawn[:, 0] - drawn[:, 1], groups)
    signed = drawn * [1 if score.lower_is_better else -1 for score in track.scores]
    chance = chance_lower(*np.moveaxis(signed if groups >= MIN_GROUPS else signed[:0], 1, 0))
    return {
        "schema": COMPARISON,
        "track": track.name,
        "cases_compared": len(first.case_ids),
        "groups": groups,
        "truth_fingerprint": first.truth_fingerprint,
        **{
            name: {"file": each.path.name, "team": each.team, "method": each.method,
                   "submission_sha256": each.sha256, "source": each.source}
            for name, each in (("a", first), ("b", second))
        },
        "scores": [
            {
                "key": score.key,
                "title": score.title,
                "lower_is_better": score.lower_is_better,
                "ranked": score.ranked,
                "digits": score.digits,
                "a": float(one[index]),
                "b": float(other[index]),
                "difference": float(one[index] - other[index]),
                "low": known(low[index]),
                "high": known(high[index]),
                "p_a_better": known(chance[index]),
            }
            for index, score in enumerate(track.scores)
        ],
        "cases": _cases(first, second),
    }  # fmt: skip


def _cases(first: Scored, second: Scored) -> list[dict[str, Any]]:
    """Where they differ most by each ranked score; equal differences by how far all scores differ."""
    scores: list[Score] = [one for one in first.track.scores if one.column]
    columns = [one.column or "" for one in scores]
    differences = np.stack([first.columns[name].astype(float) - second.columns[name] for name in columns])
    spread = differences.std(axis=1, keepdims=True)
    total = np.abs(differences / np.where(spread > 0, spread, 1)).sum(axis=0)
    cases = []
    for score, difference in zip(scores, differences, strict=True):
        if not score.ranked:
            continue
        order = np.lexsort((-total, -np.abs(difference)))[:SHOWN]
        cases += [
            {
                "score": score.key,
                "case_id": first.case_ids[row],
                "group": int(first.groups[row]),
                "a": float(first.columns[score.column or ""][row]),
                "b": float(second.columns[score.column or ""][row]),
                "difference": float(difference[row]),
            }
            for row in order
            if difference[row]
        ]
    return cases
