"""Scores of convergence maps κ: one number for each pair of a true map T and a predicted map P.

All take arrays (..., H, W) of real numbers and return float64 (...), a scalar for one map. Lower is better
and 0 best, but for `correlation`. Sums run over the pixels of one map, in float64; a map's score does not
depend on the maps beside it. Where shapes differ, nothing is given, or a value is not finite in float32,
ValueError says so. WMAPE, DICEE and DPEAKS rank the mass-mapping challenge of Astrodatatón USM 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checking import Scores, apply_to_maps

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

STAND_IN_FOR_ZERO = 1e-5
BLOCK, LARGEST_MATRIX = 32, 512  # pixels, of the smoothing by matrices
NO_OVERFLOW = 1e37
UNIT = 2.0**-24  # rounding to float32 changes a number by less than this share of it
COMPILED = (128, 128)  # pixels of the maps that `metrics.compiled` is for


def wmape(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Weighted mean absolute percentage error, as a fraction: Σ W |P − T| / |T| / Σ W, W = 1 + T / max(T).

    Every exact 0 in T and in P becomes 1e-5 before anything else, the maximum included. Pixels where T is
    near 0 dominate, so that an all-zero P scores about 1, better than many a good map. Weights are negative
    where T < −max(T) < 0. ValueError if those of a map add up to 0, as they do for a mean of −max(T).

    >>> wmape([[1.0, 2.0]], [[1.5, 2.0]])
    np.float64(0.21428571428571427)
    """
    return _score(_wmape, target, prediction)


def _wmape(truth: Floats, error: Floats) -> Scores:
    truth[truth == 0] = STAND_IN_FOR_ZERO
    error[error == 0] = STAND_IN_FOR_ZERO
    error -= truth
    error /= truth
    np.abs(error, out=error)
    highest, unweighted = truth.max(axis=1), error.sum(axis=1)
    error *= truth
    # Σ W e = Σ e + Σ T e / max(T), and Σ W likewise: the weights need no array of their own.
    return (unweighted + error.sum(axis=1) / highest) / (truth.shape[1] + truth.sum(axis=1) / highest)


def dicee(target: ArrayLike, prediction: ArrayLike, alpha: float = 0.5, beta: float = 0.5) -> Scores:
    """Dice error of the dense regions, 1 − TP / (TP + α FP + β FN), in 0..1.

    A mask is where a map is strictly above its own mean; FP counts the pixels in the mask of P alone, FN
    those in that of T alone. A denominator of 0 scores 0: so do two constant maps, whose masks are empty. A
    constant P scores 1 for any other T. α and β are 0 or more.

    >>> dicee([[0.0, 1.0, 1.0, 1.0]], [[0.0, 0.0, 9.0, 9.0]])
    np.float64(0.2)
    """
    if not (0 <= alpha < np.inf and 0 <= beta < np.inf):
        raise ValueError(f"alpha and beta must be finite and 0 or more, but are {alpha} and {beta}")

    def formula(truth: Floats, guess: Floats) -> Scores:
        masks = [_above_mean(truth), _above_mean(guess)]
        masks.append(masks[0] & masks[1])
        counts = [np.bitwise_count(one).sum(axis=1, dtype=np.int64) for one in masks]
        return _dice_error(counts, alpha, beta)

    return _score(formula, target, prediction)


def _dice_error(counts: Sequence[Scores], alpha: float, beta: float) -> Scores:
    """From how many pixels (n,) are in the mask of T, in that of P, and in both."""
    in_truth, in_guess, in_both = counts
    wrong = alpha * (in_guess - in_both) + beta * (in_truth - in_both)
    return np.divide(wrong, in_both + wrong, out=np.zeros(wrong.shape), where=wrong > 0)


def _above_mean(maps: Floats) -> NDArray[np.uint8]:
    """The masks, eight pixels to a byte. A mean whose rounding might decide is summed exactly."""
    mean, low, high = maps.mean(axis=1), maps.min(axis=1), maps.max(axis=1)
    doubt = maps.shape[1] * np.finfo(np.float64).eps * np.maximum(high, -low)
    for row in np.flatnonzero((low < high) & (np.abs(maps - mean[:, None]).min(axis=1) <= doubt)):
        mean[row] = math.fsum(maps[row]) / maps.shape[1]
    # That of a constant map may round to below its value, and would then put all of it into the mask.
    return np.packbits(maps > np.maximum(mean, low)[:, None], axis=1)


def dpeaks(target: ArrayLike, prediction: ArrayLike, n_peaks: int = 3, sigma: float = 3.0) -> Scores:
    """Σ |Δrow| + |Δcolumn|, in pixels, over the peaks of `find_peaks` in T and P, paired by rank.

    >>> spot, moved = np.zeros((2, 32, 32))
    >>> spot[10, 10] = moved[12, 9] = 1
    >>> dpeaks(spot, moved)
    np.float64(3.0)
    """
    return _city_blocks(_peak_offsets(target, prediction, n_peaks, sigma))


def _city_blocks(offsets: Any) -> Scores:
    return np.abs(offsets).sum(axis=(-2, -1), dtype=np.float64)


def l2_dpeaks(target: ArrayLike, prediction: ArrayLike, n_peaks: int = 3, sigma: float = 3.0) -> Scores:
    """Mean Euclidean distance, in pixels, of the pairs of peaks that `dpeaks` takes."""
    return _mean_distance(_peak_offsets(target, prediction, n_peaks, sigma))


def _mean_distance(offsets: Any) -> Scores:
    return np.sqrt((offsets**2).sum(axis=-1)).mean(axis=-1)


def _peak_offsets(target: ArrayLike, prediction: ArrayLike, n_peaks: int, sigma: float) -> Any:
    _check_peak_settings(n_peaks, sigma)

    def formula(truth: Singles, guess: Singles, *scratch: Singles) -> NDArray[np.int64]:
        return _peaks(guess, n_peaks, sigma, scratch) - _peaks(truth, n_peaks, sigma, scratch)

    return apply_to_maps(formula, np.float32, 3, target=target, prediction=prediction)


def find_peaks(maps: ArrayLike, n_peaks: int = 3, sigma: float = 3.0) -> NDArray[np.int64]:
    """The highest peaks of maps (..., H, W) after smoothing: row and column of each, (..., n_peaks, 2).

    Maps are cast to float32 and smoothed by SciPy's ``gaussian_filter`` with its defaults, ``sigma`` in
    pixels. A peak is a pixel off the border, above the map's minimum, and not below any of its eight
    neighbours. The highest comes first; equals, as the pixels of a plateau, come in the order of the pixels.
    (0, 0) fills the places of peaks that a map does not have. These are exactly the peaks of scikit-image's
    ``peak_local_max(smoothed, num_peaks=n_peaks)``.

    >>> spots = np.zeros((16, 16))
    >>> spots[4, 9], spots[11, 3] = 2, 1
    >>> find_peaks(spots, n_peaks=3, sigma=1)
    array([[ 4,  9],
           [11,  3],
           [ 0,  0]])
    """
    _check_peak_settings(n_peaks, sigma)

    def formula(chunk: Singles, *scratch: Singles) -> NDArray[np.int64]:
        return _peaks(chunk, n_peaks, sigma, scratch)

    peaks: NDArray[np.int64] = apply_to_maps(formula, np.float32, 3, maps=maps)
    return peaks


def _check_peak_settings(n_peaks: int, sigma: float) -> None:
    if not isinstance(n_peaks, int | np.integer) or n_peaks < 1 or not 0 < sigma < np.inf:
        raise ValueError(
            f"n_peaks must be a whole number from 1 and sigma positive, but are {n_peaks} and {sigma}"
        )


def _peaks(maps: Singles, n_peaks: int, sigma: float, scratch: Sequence[Singles]) -> NDArray[np.int64]:
    """Peaks (n, n_peaks, 2) by matrix products in single precision, by SciPy's slower filter if in doubt."""
    smooth, *spare = scratch
    n, height, width = maps.shape
    peaks = np.zeros((n, n_peaks, 2), np.int64)
    if min(height, width) < 3:
        return peaks
    low, high = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    doubtful, largest = low < high, np.maximum(high, -low).astype(np.float64)
    if max(height, width) <= LARGEST_MATRIX and largest.max() < NO_OVERFLOW:
        # A weighted mean of k values, with rounded weights and in any order, is off by less than k + 2
        # units of the largest value. There are two such means here, and the filter rounds twice.
        terms = min(2 * int(4 * sigma + 0.5) + 1, max(height, width))
        error = (2 * (terms + 2) + 4) * UNIT * largest + 1e-30
        slack = np.where(doubtful, 2 * error, -np.inf)  # a constant map shall have no candidates
        _smooth(maps, sigma, spare[0], smooth)
        peaks, certain = _highest(smooth, n_peaks, slack.astype(np.float32), spare)
        doubtful &= ~certain
    if doubtful.any():
        peaks[doubtful] = _peaks_by_filter(maps[doubtful], n_peaks, sigma)
    return peaks


def gaussian_filter(maps: Singles, sigmas: tuple[float, ...]) -> Singles:
    """SciPy's, imported when it is asked for: that takes longer than to score a thousand maps."""
    from scipy import ndimage

    smooth: Singles = ndimage.gaussian_filter(maps, sigmas)
    return smooth


def _peaks_by_filter(maps: Singles, n_peaks: int, sigma: float) -> NDArray[np.int64]:
    smooth = gaussian_filter(maps, (0, sigma, sigma))
    return _highest(smooth, n_peaks, np.zeros(len(maps), np.float32), np.empty((2, *maps.shape), np.float32))[
        0
    ]


def _smooth(maps: Singles, sigma: float, half: Singles, smooth: Singles) -> None:
    """Write the smoothed maps into ``smooth``, by way of those smoothed along the first axis alone."""
    for outputs, inputs, weights in _smoothing(maps.shape[1], sigma):
        np.matmul(weights, maps[:, inputs], out=half[:, outputs])
    for outputs, inputs, weights in _smoothing(maps.shape[2], sigma):
        np.matmul(half[:, :, inputs], weights.T, out=smooth[:, :, outputs])


@lru_cache(maxsize=16)
def _smoothing(size: int, sigma: float) -> list[tuple[slice, slice, Singles]]:
    """SciPy's Gaussian filter of ``size`` pixels as blocks of a banded matrix: outputs, inputs, weights."""
    from scipy.ndimage import gaussian_filter1d

    matrix = gaussian_filter1d(np.eye(size), sigma, axis=0).astype(np.float32)
    blocks = []
    for start in range(0, size, BLOCK):
        rows = matrix[start : start + BLOCK]
        used = np.flatnonzero(rows.any(axis=0))
        inputs = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append((slice(start, start + len(rows)), inputs, np.ascontiguousarray(rows[:, inputs])))
    return blocks


def _highest(
    smooth: Singles, n_peaks: int, slack: Singles, spare: Sequence[Singles] | Singles
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Peaks (n, n_peaks, 2) of smoothed maps, and for each map whether they are beyond doubt.

    ``slack`` (n,) is how far the difference of two pixels may be off; no comparison closer than that decides.
    """
    n, height, width = smooth.shape
    size, pixels, slack = height * width, smooth.reshape(-1), slack[:, None]
    three, nine = (array[:n].reshape(-1) for array in spare)
    three, nine, raised = three[:-2], nine[: -2 * width - 2], three.reshape(n, size)
    # The highest of 3 × 3, in the flat array: wrong on the borders of a map, which are excluded below.
    np.maximum(pixels[:-2], pixels[2:], out=three)
    np.maximum(three, pixels[1:-1], out=three)
    np.maximum(three[: -2 * width], three[2 * width :], out=nine)
    np.maximum(nine, three[width:-width], out=nine)
    np.add(smooth.reshape(n, size), slack, out=raised)  # in the place of ``three``
    place = np.flatnonzero(raised.reshape(-1)[width + 1 : -width - 1] >= nine) + (width + 1)

    # A pixel this close to the minimum is no peak, or one in doubt: if it is needed, so is the filter.
    floor = smooth.min(axis=(1, 2), keepdims=True)[:, 0] + slack
    place = place[pixels[place] > floor[place // size, 0]]
    row, column = np.divmod(place % size, width)
    place = place[(row > 0) & (row < height - 1) & (column > 0) & (column < width - 1)]
    place = place[np.lexsort((-pixels[place], place // size))]  # stable: equals stay in the order of pixels
    which = place // size
    rank = np.arange(len(place)) - np.searchsorted(which, which)
    place, which, rank = (values[rank <= n_peaks] for values in (place, which, rank))

    places = np.repeat(np.arange(n)[:, None] * size, n_peaks + 1, axis=1)
    heights = np.repeat(floor, n_peaks + 1, axis=1)
    places[which, rank], heights[which, rank] = place, pixels[place]
    peaks, peak, runner_up = places[:, :-1], heights[:, :-1], heights[:, 1:]
    neighbours = np.array([-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1])
    around = pixels[peaks[..., None] + neighbours].max(axis=-1)
    certain = (peak > around + slack) & (peak > runner_up + slack)
    return np.stack(np.divmod(peaks % size, width), axis=-1), certain.all(axis=1)


def mae(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Mean absolute error, the mean of |P − T|."""
    return _score(lambda t, p: _distance(t, p).mean(axis=1), target, prediction)


def wmae(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Weighted mean absolute error, Σ W' |P − T| / Σ W', with the weights W' of `wmse`."""
    return _score(lambda t, p: _weighted_mean(_distance(t, p), _contrast(t)), target, prediction)


def wmse(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Weighted mean squared error, Σ W' (P − T)² / Σ W', W' = 1 + (T + |min T|) / (|max T| + |min T|).

    Where T is 0 everywhere, W' is 1.
    """
    return _score(
        lambda t, p: _weighted_mean(np.square(_distance(t, p), out=p), _contrast(t)), target, prediction
    )


def _distance(truth: Floats, guess: Floats) -> Floats:
    guess -= truth
    return np.abs(guess, out=guess)


def _contrast(truth: Floats) -> Floats:
    low, high = np.abs(truth.min(axis=1, keepdims=True)), np.abs(truth.max(axis=1, keepdims=True))
    truth += low
    truth /= np.where(low + high > 0, low + high, 1)
    truth += 1
    return truth


def _weighted_mean(values: Floats, weights: Floats) -> Scores:
    values *= weights
    return values.sum(axis=1) / weights.sum(axis=1)


def correlation(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Pearson's correlation of the pixels, in −1..1, best at 1; 0 where T or P is constant.

    >>> correlation([[0.0, 1.0, 3.0]], [[5.0, 4.0, 2.0]])
    np.float64(-1.0)
    """
    return _score(_correlation, target, prediction)


def _correlation(truth: Floats, guess: Floats) -> Scores:
    varies = (truth.min(axis=1) < truth.max(axis=1)) & (guess.min(axis=1) < guess.max(axis=1))
    for maps in (truth, guess):
        maps -= maps.mean(axis=1, keepdims=True)
        maps /= np.where(varies, np.linalg.norm(maps, axis=1), 1)[:, None]
    truth *= guess
    return np.where(varies, np.clip(truth.sum(axis=1), -1, 1), 0)


def _score(formula: Callable[[Floats, Floats], Scores], target: ArrayLike, prediction: ArrayLike) -> Scores:
    """``formula`` of the pixels (n, H·W) of T and of P, which it may overwrite: (n,)."""

    def flat(truth: Floats, guess: Floats) -> Scores:
        return formula(truth.reshape(len(truth), -1), guess.reshape(len(guess), -1))

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _finite(apply_to_maps(flat, np.float64, target=target, prediction=prediction))


def _finite(scores: Scores) -> Scores:
    if not np.isfinite(scores).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(scores))[0]]
        raise ValueError(f"the score of map {index} is not finite: its weights add up to 0, or divide by 0")
    return scores


ALL: dict[str, Callable[[ArrayLike, ArrayLike], Scores]] = {
    "wmape": wmape,
    "dicee": dicee,
    "dpeaks": dpeaks,
    "l2_dpeaks": l2_dpeaks,
    "mae": mae,
    "wmae": wmae,
    "wmse": wmse,
    "correlation": correlation,
}


def map_scores(target: ArrayLike, prediction: ArrayLike) -> dict[str, Scores]:
    """All scores above, each with its defaults, by name.

    Where numba is installed, those of float16 and float32 maps of 128 × 128 pixels are compiled: several
    times as fast, and equal to rounding (`dicee`, `dpeaks` and `l2_dpeaks` exactly).
    """
    scores = _compiled_scores(target, prediction)
    return scores or {name: score(target, prediction) for name, score in ALL.items()}


def _compiled_scores(target: ArrayLike, prediction: ArrayLike) -> dict[str, Scores] | None:
    maps = [each for each in (target, prediction) if type(each) is np.ndarray]
    if [each.dtype in (np.float16, np.float32) and each.shape[-2:] == COMPILED for each in maps] != [
        True
    ] * 2:
        return None
    if maps[0].shape != maps[1].shape or not maps[0].size or not (kernels := _kernels()):
        return None
    leading = maps[0].shape[:-2]
    maps = [each.reshape(-1, *COMPILED) for each in maps]
    found = kernels.scores(*maps, 3, *_weights(3.0, kernels.RADIUS))
    if not found:
        return None
    columns, peaks, doubtful = found
    for its_maps, its_peaks, in_doubt in zip(maps, peaks, doubtful, strict=True):
        if in_doubt.any():
            its_peaks[in_doubt] = _peaks_by_filter(its_maps[in_doubt].astype(np.float32), 3, 3.0)
    offsets = peaks[1] - peaks[0]
    by_pixels = dict(zip(kernels.COLUMNS, columns.T, strict=True))
    dice = _dice_error([by_pixels[name] for name in ("in_truth", "in_guess", "in_both")], 0.5, 0.5)
    if (at_mean := by_pixels["at_mean"] > 0).any():
        dice[at_mean] = dicee(maps[0][at_mean], maps[1][at_mean])
    scores = by_pixels | {
        "dicee": dice,
        "dpeaks": _city_blocks(offsets),
        "l2_dpeaks": _mean_distance(offsets),
    }
    return {name: _finite(scores[name].reshape(leading)[()]) for name in ALL}


@lru_cache(maxsize=1)
def _kernels() -> Any:
    try:
        from metrics import compiled
    except (ImportError, RuntimeError):  # no numba, or no folder where it may keep what it compiled
        return None
    return compiled


@lru_cache(maxsize=1)
def _weights(sigma: float, radius: int) -> tuple[Singles, float]:
    """Weights of SciPy's Gaussian filter of that radius from the middle outwards, and how far off the
    difference of two pixels may be that are smoothed with them, for values up to 1.

    Sums that begin far out stay small for long: to round them changes them by less than Σ w (1 + |distance|)
    units. Sums of two pixels, products and weights are rounded, too, each by less than a unit in all. There
    are two such sums; SciPy's filter rounds twice, and so does the comparison of two results.
    """
    outwards = np.arange(radius + 1)
    heights = np.exp(-0.5 * (outwards / sigma) ** 2)
    weights = heights / (heights[0] + 2 * heights[1:].sum())
    reach = weights[0] + 2 * (weights[1:] * (1 + outwards[1:])).sum()
    return weights.astype(np.float32), 2 * (2 * (reach + 3) + 3) * UNIT
