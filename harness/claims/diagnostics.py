"""What claims are about and no submission is ranked by: a further score of each track, and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.claims.spec import EPOCH_SECONDS
from harness.tracks import MASS_MAPPING, STAMPS, Columns, Score, Track

BORDER = 8  # pixels


def _measuring(track: Track, further: Score, by_case: Callable[..., dict[str, np.ndarray]]) -> Track:
    """The track with a score more, the mean of a column that ``by_case`` may add."""

    def statistics(columns: Columns) -> np.ndarray:
        return np.column_stack([track.statistics(columns), columns[further.column or ""]])

    def summarise(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
        mean = sums[..., -1:] / count[..., None]
        return np.concatenate([track.summarise(sums[..., :-1], count), mean], axis=-1)

    scores = (*track.scores, further)
    return replace(track, scores=scores, by_case=by_case, statistics=statistics, summarise=summarise)


def _with_border(kappa: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    frame = np.pad(
        np.zeros([side - 2 * BORDER for side in kappa.shape[1:]], bool), BORDER, constant_values=True
    )
    error = np.abs(predictions[:, frame].astype(np.float64) - kappa[:, frame])
    return {**MASS_MAPPING.by_case(kappa, predictions), "border_mae": error.mean(axis=1)}


EPOCH = Score(EPOCH_SECONDS, "seconds an epoch", "Time of an epoch of the training.", digits=2)
BORDER_MAE = Score(
    "border_mae", "MAE near the border", f"MAE of the outer {BORDER} pixels.", column="border_mae"
)
CONFIDENCE = Score("confidence", "confidence", "Mean of the highest probability.", column="confidence")
MEASURED = {
    MASS_MAPPING.name: _measuring(MASS_MAPPING, BORDER_MAE, _with_border),
    STAMPS.name: _measuring(STAMPS, CONFIDENCE, STAMPS.by_case),
}
"""The tracks with what claims are about and no submission is ranked by."""
