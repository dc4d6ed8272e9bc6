"""Whether the networks that a claim compares have learnt enough for it to be judged.

docs/claims.md has the rule and its reasons. A method that is not trained by epochs has nothing to learn more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from harness.claims.diagnostics import mae_of_zeros
from harness.claims.trainings import MIN_EPOCHS, TrainingFacts
from harness.tracks import Track

PLATEAU = 0.05
"""The share of its gain from which on a loss that fell in the last quarter of the epochs still falls."""


def lacking(
    track: Track, regime: Mapping[str, float], facts: Sequence[TrainingFacts], scores: Mapping[str, float]
) -> list[str]:
    """The conditions that the networks of one side fail, as short texts; empty if they meet all.

    ``regime`` has the worst value of some scores. ``facts`` are those of the side's runs, ``scores`` the
    means over its seeds, by key, with the diagnostics of the ``track``.
    """
    if not any(run.epochs for run in facts):
        return []
    found = []
    gains = [run.late_gain for run in facts if run.late_gain is not None]
    if len(gains) < len(facts):
        found.append(f"too few epochs to tell whether its loss still falls, needs {MIN_EPOCHS} or more")
    elif mean(gains) >= PLATEAU:
        share = f"{100 * mean(gains):.3g} % of its gain in the last quarter of the epochs"
        found.append(f"loss still falling: {share}, needs less than {100 * PLATEAU:.0f} %")
    zeros = scores.get(mae_of_zeros.__name__)
    if zeros is not None and scores["mae"] >= zeros:
        found.append(f"MAE {scores['mae']:.3g}, needs less than {zeros:.3g}, that of zeros")
    for score in track.scores:
        limit = regime.get(score.key)
        if limit is not None and score.sign * (scores[score.key] - limit) > 0:
            better = "less" if score.lower_is_better else "more"
            found.append(f"{score.title} {scores[score.key]:.3g}, needs {limit:.3g} or {better}")
    return found
