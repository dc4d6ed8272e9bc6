"""Scores used only by `reproduce`: border MAE, mean confidence, seconds per epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.claims.spec import EPOCH_SECONDS
from harness.tracks import Score, Track, load

BORDER = 8  # pixels


def border_mae(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The mean absolute error of the outer pixels of maps (N, H, W): (N,)."""
    inner = np.zeros([side - 2 * BORDER for side in target.shape[1:]], bool)
    border = np.pad(inner, BORDER, constant_values=True)
    error = np.abs(prediction[:, border].astype(np.float64) - target[:, border])
    return np.asarray(error.mean(axis=1))


EPOCH = Score(EPOCH_SECONDS, "seconds an epoch", "Time of an epoch of the training.", digits=2)
MASS_MAPPING = (
    Score("border_mae", "MAE near the border", f"MAE of the outer {BORDER} pixels.", by_case=border_mae),
)
STAMPS = (Score("confidence", "confidence", "Mean of the highest probability.", mean_of="confidence"),)


def with_diagnostics(track: Track) -> Track:
    """The track with its diagnostics among the scores."""
    return replace(track, scores=(*track.scores, *(load(track.diagnostics) if track.diagnostics else ())))
