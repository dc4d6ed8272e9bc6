"""Rounding of published scores, so that they reveal nothing about single cases.

With all their digits, the scores of one submission could tell which cases are public and the class of each:
by probabilities that are moved by tiny amounts, each by another one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from harness.evaluation.bootstrap import GroupSums
from harness.tracks import ByCase, Track

PROBABILITY_DIGITS, LEAST_PROBABILITY = 3, 0.01


def coarse(track: Track) -> Track:
    """The same track; probabilities of classes are rounded to three digits before they are scored.

    What changes none of these digits changes no score. In the log-loss probabilities count as 0.01 at least,
    so that no case outweighs all others.
    """
    return replace(track, columns=partial(_coarse_columns, track.by_case)) if track.classes else track


def _coarse_columns(columns: ByCase, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    rounded = np.asarray(probabilities, np.float64).round(PROBABILITY_DIGITS)
    found = columns(labels, rounded / rounded.sum(axis=1, keepdims=True))
    if "log_loss" in found:
        found["log_loss"] = np.minimum(found["log_loss"], -np.log(LEAST_PROBABILITY))
    return found


def left_out(track: Track, sums: GroupSums) -> dict[str, np.ndarray]:
    """The track's scores, by key, without each of the groups in turn: (groups,) each, NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums.scores(track, sums.matrix.sum(axis=0) - sums.matrix.toarray())


def supported_step(value: float, without: np.ndarray, digits: int, spread: float) -> float:
    """To what a score may be rounded: 1, 2 or 5 times 10^k, the same for all but odd submissions.

    It is at least the last of the ``digits``, and the standard error of groups that differ by the score's
    usual ``spread``, in which no submission has a say. Where leaving out some group changes the score by more
    than half of that (``without``: the scores without each), it is twice the change: else a few cases that
    matter more than all others could be read from the score.
    """
    changes = np.where(np.isfinite(without), without, 0) - value
    least = max(10.0**-digits, spread / np.sqrt(len(without)), 2 * np.abs(changes).max())
    power = 10.0 ** np.floor(np.log10(least))
    return float(power * next(step for step in (1, 2, 5, 10) if least <= power * step * (1 + 1e-9)))


def supported_steps(track: Track, sums: GroupSums) -> dict[str, float]:
    """`supported_step` of each of the track's scores, by key."""
    values, without = sums.total_scores(track), left_out(track, sums)
    return {
        score.key: supported_step(values[score.key], without[score.key], score.digits, score.spread)
        for score in track.scores
    }


def to_step(values: np.ndarray | float, steps: np.ndarray | float) -> np.ndarray:
    """Values rounded to multiples of their steps."""
    return np.asarray(np.round(np.round(np.asarray(values) / steps) * steps, 12) + 0.0)  # no -0
