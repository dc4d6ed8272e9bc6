"""Diagnostics of predictions and trainings that claims may use in addition to the scores.

The maps' diagnostics are those from which the losses of Urcelay, Hernandez & Ugarte (2024) were designed: the
error at the borders, the peaks found in any order, the wrong pixels near the mean, the grid of a kernel of 2.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np

from harness.tracks import Score, ScoreInfo, Track, load
from metrics import find_peaks

BORDER = 8  # pixels
PEAKS = 3
PEAK_DISTANCE = 3  # rows plus columns: within it the MultiFocal loss counts a pixel as part of a peak
NEAR_MEAN = 0.01  # the half width of the band of κ that the MultiFocal loss calls structure, in its code


def border_mae(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The mean absolute error of the outer pixels of maps (N, H, W): (N,)."""
    inner = np.zeros([side - 2 * BORDER for side in target.shape[1:]], bool)
    border = np.pad(inner, BORDER, constant_values=True)
    error = np.abs(prediction[:, border].astype(np.float64) - target[:, border])
    return np.asarray(error.mean(axis=1))


def mae_of_zeros(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """The mean absolute error that a map of zeros would have, of maps (N, H, W): (N,)."""
    return np.asarray(np.abs(target.astype(np.float64)).mean(axis=(1, 2)))


def peaks_found(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The share of the three highest true peaks that are predicted, whatever their order, of maps (N, H, W).

    A true peak is found if one of the three predicted peaks is less than 3 pixels from it, rows plus columns.
    Each predicted peak counts for one true peak; of all ways to pair them the one that finds most counts.
    """
    true, predicted = (find_peaks(maps, PEAKS) for maps in (target, prediction))  # (N, 3, 2)
    near = np.abs(true[:, :, None] - predicted[:, None]).sum(axis=-1) < PEAK_DISTANCE  # (N, true, predicted)
    pairings = [near[:, range(PEAKS), order].mean(axis=1) for order in permutations(range(PEAKS))]
    return np.asarray(np.max(pairings, axis=0))


def errors_near_mean(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The share of the pixels that DICEE counts as wrong whose true κ is within 0.01 of the true map's mean.

    Such pixels lie at the rims of structures. Maps are (N, H, W); a map without a wrong pixel has 0.
    """
    target, prediction = target.astype(np.float64), prediction.astype(np.float64)
    distance = target - target.mean(axis=(1, 2), keepdims=True)
    wrong = (distance > 0) != (prediction > prediction.mean(axis=(1, 2), keepdims=True))
    near = (wrong & (np.abs(distance) <= NEAR_MEAN)).sum(axis=(1, 2))
    return np.asarray(near / np.maximum(wrong.sum(axis=(1, 2)), 1))


def grid_power(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """The power of predictions at periods near 2 pixels over that at periods near 3, of maps (N, H, W): (N,).

    A transposed convolution of stride 2 whose kernel has the width of the stride writes each block of 2×2
    pixels from one value. The map then has discontinuities between blocks, and its large scales have images
    close to the Nyquist frequency, where a smooth map has least power. The bands are the frequencies, along
    rows or columns, from 7/8 of Nyquist on, and from 5/8 to 6/8. White noise has a ratio of 1, and so has a
    map of one value.
    """
    power = np.abs(np.fft.fft2(prediction.astype(np.float64))) ** 2
    rows, columns = (2 * np.abs(np.fft.fftfreq(side)) for side in prediction.shape[1:])
    frequency = np.maximum(rows[:, None], columns)  # 1 at Nyquist
    bands = (frequency >= 7 / 8, (frequency >= 5 / 8) & (frequency < 6 / 8))
    least = np.finfo(np.float64).tiny  # makes 1 of 0 / 0
    near_two, near_three = (power[:, band].mean(axis=1) + least for band in bands)
    return np.asarray(near_two / near_three)


EPOCH = ScoreInfo("epoch_seconds", "seconds an epoch", "Time of an epoch of the training.", digits=2)
BEST_EPOCH = ScoreInfo(
    "best_epoch", "best epoch", "The epoch with the highest validation accuracy.", digits=1
)
MASS_MAPPING = (
    Score("border_mae", "MAE near the border", f"MAE of the outer {BORDER} pixels.", by_case=border_mae),
    Score("mae_of_zeros", "MAE of zeros", "MAE of a map of zeros.", by_case=mae_of_zeros),
    Score(
        "peaks_found", "peaks found", "Share of the three true peaks that are predicted, in any order.",
        lower_is_better=False, by_case=peaks_found,
    ),
    Score(
        "errors_near_mean", "errors near the mean", "Share of DICEE's wrong pixels with κ near the mean.",
        by_case=errors_near_mean,
    ),
    Score(
        "grid_power", "grid power", "Power of the map at periods near 2 pixels over that at periods near 3.",
        by_case=grid_power,
    ),
)  # fmt: skip
STAMPS = (Score("confidence", "confidence", "Mean of the highest probability.", mean_of="confidence"),)


def with_diagnostics(track: Track) -> Track:
    """The track with its diagnostics among the scores."""
    return replace(track, scores=(*track.scores, *(load(track.diagnostics) if track.diagnostics else ())))
