"""Scores used only by `reproduce`: border MAE, mean confidence, seconds per epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.claims.spec import EPOCH_SECONDS
from harness.tracks import MASS_MAPPING, STAMPS, Score

BORDER = 8  # pixels


def border_mae(kappa: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The mean absolute error of the outer pixels of maps (N, H, W): (N,)."""
    frame = np.pad(
        np.zeros([side - 2 * BORDER for side in kappa.shape[1:]], bool), BORDER, constant_values=True
    )
    error = np.abs(predictions[:, frame].astype(np.float64) - kappa[:, frame])
    return np.asarray(error.mean(axis=1))


EPOCH = Score(EPOCH_SECONDS, "seconds an epoch", "Time of an epoch of the training.", digits=2)
BORDER_MAE = Score(
    "border_mae", "MAE near the border", f"MAE of the outer {BORDER} pixels.", by_case=border_mae
)
CONFIDENCE = Score("confidence", "confidence", "Mean of the highest probability.", mean_of="confidence")
MEASURED = {
    track.name: replace(track, scores=(*track.scores, further))
    for track, further in ((MASS_MAPPING, BORDER_MAE), (STAMPS, CONFIDENCE))
}
"""The tracks with what claims are about and no submission is ranked by."""
