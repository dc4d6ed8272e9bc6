"""Scores of convergence maps κ: one number for each pair of a target T and a prediction P.

All functions take arrays (..., H, W) of real numbers and return float64 (...), a scalar for a single map.
Lower is better and 0 is best, except for `correlation`. Sums run over the pixels of one map, in float64. The
score of a map does not depend on other maps in the array. WMAPE, DICEE and DPEAKS rank the mass-mapping
challenge of Astrodatatón USM 2024. All functions raise ValueError if shapes differ, if a value is not finite
in float32, or if a setting is out of range.

Each score has two implementations that agree. The formulas here need only NumPy and SciPy. If numba is
installed, `metrics.compiled` scores float16 and float32 maps of 128 × 128 pixels several times as fast. Numba
is imported by the first such call, because the import takes longer than scoring a thousand maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checking import Scores, apply_to_maps, refusal

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

ZERO_REPLACEMENT = 1e-5
COMPILED_SHAPE = (128, 128)

MASK_SIZES = "mask sizes"  # (..., 3): pixels above the mean of T, of P, of both
OFFSETS = "offsets"  # (..., n_peaks, 2): from the peaks of T to those of P
INPUTS = {
    "wmape": "wmape", "dicee": MASK_SIZES, "dpeaks": OFFSETS, "l2_dpeaks": OFFSETS, "mae": "mae",
    "wmse": "wmse", "correlation": "correlation",
}  # fmt: skip
"""The scores, in their order, and what each is computed from: itself, or something shared."""


def map_scores(
    target: ArrayLike, prediction: ArrayLike, keys: Iterable[str] | None = None
) -> dict[str, Scores]:
    """Several scores of the same maps, computed in one pass if they are compiled.

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)
    keys : iterable of str, names of scores, optional
        By default ``wmape``, ``dicee``, ``dpeaks``, ``l2_dpeaks``, ``mae``, ``wmse`` and ``correlation``.

    Returns
    -------
    dict of float64 of shape (...)
        By name, in the order of ``keys``; each equals the result of its function with default settings.
    """
    keys = list(INPUTS if keys is None else keys)
    if unknown := [key for key in keys if key not in INPUTS]:
        raise refusal("keys", f"be among {', '.join(INPUTS)}", ", ".join(unknown))
    return _scores(target, prediction, keys)


def wmape(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Weighted mean absolute percentage error: Σ W |P − T| / |T| / Σ W, W = 1 + T / max(T).

    T is the target, P the prediction. The score is a fraction, not a percentage. Every exact 0 in T and in P
    is replaced by 1e-5 first, also for the maximum. Pixels where T is near 0 dominate the score: a P of zeros
    scores about 1, better than many good maps. Weights are negative where T < −max(T) < 0.

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)

    Raises
    ------
    ValueError
        Also if the weights of a map add up to 0, as they do where the mean of T is −max(T).

    Examples
    --------
    >>> wmape([[1.0, 2.0]], [[1.5, 2.0]])
    np.float64(0.21428571428571427)
    """
    return _scores(target, prediction, ["wmape"])["wmape"]


def dicee(target: ArrayLike, prediction: ArrayLike, alpha: float = 0.5, beta: float = 0.5) -> Scores:
    """Dice error of the dense regions, 1 − TP / (TP + α FP + β FN), in 0..1.

    The mask of a map is where it is strictly above its own mean. TP counts the pixels in both masks, FP those
    in the mask of P alone, FN those in that of T alone. A denominator of 0 scores 0: so do two constant maps,
    whose masks are empty. A constant P scores 1 for any other T.

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)
    alpha, beta : float, the weights α of FP and β of FN, 0 or more
        With the defaults the score is one minus the Dice coefficient (Dice 1945).

    References
    ----------
    Dice (1945), Measures of the amount of ecologic association between species, Ecology 26, 297.

    Examples
    --------
    >>> dicee([[0.0, 1.0, 1.0, 1.0]], [[0.0, 0.0, 9.0, 9.0]])
    np.float64(0.2)
    """
    if not (0 <= alpha < np.inf and 0 <= beta < np.inf):
        raise refusal("alpha and beta", "be finite and 0 or more", f"{alpha} and {beta}")
    return _scores(target, prediction, ["dicee"], alpha=alpha, beta=beta)["dicee"]


def dpeaks(target: ArrayLike, prediction: ArrayLike, n_peaks: int = 3, sigma: float = 3.0) -> Scores:
    """Distance of the peaks of T and P, paired by rank: Σ |Δrow| + |Δcolumn|, in pixels.

    The peaks are those of `find_peaks`. One that a map does not have is at (0, 0).

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)
    n_peaks : int, peaks of each map, 1 or more
    sigma : float, standard deviation of the Gaussian that smooths the maps, in pixels, above 0

    Examples
    --------
    >>> spot, moved = np.zeros((2, 32, 32))
    >>> spot[10, 10] = moved[12, 9] = 1
    >>> dpeaks(spot, moved)
    np.float64(3.0)
    """
    return _scores(target, prediction, ["dpeaks"], n_peaks=n_peaks, sigma=sigma)["dpeaks"]


def l2_dpeaks(target: ArrayLike, prediction: ArrayLike, n_peaks: int = 3, sigma: float = 3.0) -> Scores:
    """Mean Euclidean distance, in pixels, of the pairs of peaks that `dpeaks` takes.

    Parameters
    ----------
    target, prediction, n_peaks, sigma : as for `dpeaks`
    """
    return _scores(target, prediction, ["l2_dpeaks"], n_peaks=n_peaks, sigma=sigma)["l2_dpeaks"]


def mae(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Mean absolute error, the mean of |P − T|.

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)
    """
    return _scores(target, prediction, ["mae"])["mae"]


def wmse(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Weighted mean squared error, Σ W' (P − T)² / Σ W', W' = 1 + (T + |min T|) / (|max T| + |min T|).

    Where T is 0 everywhere, W' is 1.

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)
    """
    return _scores(target, prediction, ["wmse"])["wmse"]


def correlation(target: ArrayLike, prediction: ArrayLike) -> Scores:
    """Pearson's correlation of the pixels, in −1..1, best at 1; 0 where T or P is constant.

    Parameters
    ----------
    target, prediction : array_like of shape (..., H, W)

    Examples
    --------
    >>> correlation([[0.0, 1.0, 3.0]], [[5.0, 4.0, 2.0]])
    np.float64(-1.0)
    """
    return _scores(target, prediction, ["correlation"])["correlation"]


def find_peaks(maps: ArrayLike, n_peaks: int = 3, sigma: float = 3.0) -> NDArray[np.int64]:
    """The highest peaks of smoothed maps, the highest first.

    Maps are cast to float32 and smoothed by SciPy's ``gaussian_filter`` with its defaults, ``sigma`` in
    pixels. A peak is a pixel off the border, above the map's minimum, and not below any of its eight
    neighbours. Peaks of equal height, as the pixels of a plateau, come in the order of the pixels. (0, 0)
    fills the places of peaks that a map does not have. These are exactly the peaks of scikit-image's
    ``peak_local_max(smoothed, num_peaks=n_peaks)``.

    Parameters
    ----------
    maps : array_like of shape (..., H, W)
    n_peaks, sigma : as for `dpeaks`

    Returns
    -------
    int64 of shape (..., n_peaks, 2), row and column of each peak

    Examples
    --------
    >>> spots = np.zeros((16, 16))
    >>> spots[4, 9], spots[11, 3] = 2, 1
    >>> find_peaks(spots, n_peaks=3, sigma=1)
    array([[ 4,  9],
           [11,  3],
           [ 0,  0]])
    """
    _check_peak_settings(n_peaks, sigma)
    if (kernels := _kernels(maps)) and sigma == kernels.SIGMA:
        array = np.asarray(maps)
        stack = array.reshape(-1, *COMPILED_SHAPE)
        if found := kernels.find_peaks(stack, n_peaks):
            peaks = _certain_peaks(stack, found[0], found[1], sigma)
            return peaks.reshape(*array.shape[:-2], n_peaks, 2)
    peaks = apply_to_maps(lambda chunk: _find_peaks(chunk, n_peaks, sigma), np.float32, maps=maps)
    return np.asarray(peaks)


def _scores(
    target: ArrayLike, prediction: ArrayLike, keys: Sequence[str],
    alpha: float = 0.5, beta: float = 0.5, n_peaks: int = 3, sigma: float = 3.0,
) -> dict[str, Scores]:  # fmt: skip
    """The scores ``keys``, by name: what they are computed from, first, then the scores."""
    _check_peak_settings(n_peaks, sigma)
    inputs = {INPUTS[key] for key in keys}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = _by_compiled(target, prediction, inputs, n_peaks, sigma)
        if found is None:
            found = {name: _by_numpy(target, prediction, name, n_peaks, sigma) for name in inputs}
    final: dict[str, Callable[[Any], Scores]] = {
        "dicee": lambda sizes: _dice_error(sizes, alpha, beta),
        "dpeaks": lambda offsets: np.abs(offsets).sum(axis=(-2, -1), dtype=np.float64),
        "l2_dpeaks": lambda offsets: np.sqrt((offsets**2).sum(axis=-1)).mean(axis=-1),
    }
    return {key: final.get(key, _finite)(found[INPUTS[key]]) for key in keys}


def _by_numpy(target: ArrayLike, prediction: ArrayLike, name: str, n_peaks: int, sigma: float) -> Any:
    if name == OFFSETS:

        def offsets(target: Singles, prediction: Singles) -> NDArray[np.int64]:
            return _find_peaks(prediction, n_peaks, sigma) - _find_peaks(target, n_peaks, sigma)

        return apply_to_maps(offsets, np.float32, target=target, prediction=prediction)

    def by_pixels(target: Floats, prediction: Floats) -> Floats:
        return FORMULAS[name](target.reshape(len(target), -1), prediction.reshape(len(prediction), -1))

    return apply_to_maps(by_pixels, np.float64, target=target, prediction=prediction)


def _by_compiled(
    target: Any, prediction: Any, inputs: set[str], n_peaks: int, sigma: float
) -> dict[str, Any] | None:
    """None where NumPy has to do it: for other maps, other settings, and the message about a bad value."""
    kernels, with_peaks = _kernels(target, prediction), OFFSETS in inputs
    if not kernels or target.shape != prediction.shape or (with_peaks and sigma != kernels.SIGMA):
        return None
    leading = target.shape[:-2]
    stacks = [maps.reshape(-1, *COMPILED_SHAPE) for maps in (target, prediction)]
    scored = kernels.score_maps(*stacks, n_peaks if with_peaks else 0, pixels=inputs != {OFFSETS})
    if not scored:
        return None
    columns, peaks, certain = scored
    found: dict[str, Any] = {}
    if with_peaks:
        of_target, of_prediction = map(_certain_peaks, stacks, peaks, certain, [sigma] * 2)
        found[OFFSETS] = (of_prediction - of_target).reshape(*leading, n_peaks, 2)
    if len(columns):
        by_name = dict(zip(kernels.COLUMNS, columns.T, strict=True))
        sizes = np.stack([by_name[name] for name in ("in_target", "in_prediction", "in_both")], axis=-1)
        if (unclear := by_name["at_mean"] > 0).any():
            target, prediction = (stack[unclear] for stack in stacks)
            sizes[unclear] = _by_numpy(target, prediction, MASK_SIZES, n_peaks, sigma)
        found |= {name: column.reshape(leading)[()] for name, column in by_name.items()}
        found[MASK_SIZES] = sizes.reshape(*leading, 3)
    return found


def _kernels(*maps: Any) -> Any:
    """`metrics.compiled`, if it is there and for such maps."""
    for array in maps:
        if type(array) is not np.ndarray or array.shape[-2:] != COMPILED_SHAPE or not array.size:
            return None
        if array.dtype not in (np.float16, np.float32):
            return None
    return _import_compiled()


@lru_cache(maxsize=1)
def _import_compiled() -> Any:
    try:
        from metrics import compiled
    except (ImportError, RuntimeError):  # no numba, or no folder where it may keep what it compiled
        return None
    return compiled


# --- formulas of the pixels (n, H·W) of targets and predictions, which they may overwrite: (n,) or (n, 3)


def _wmape(target: Floats, prediction: Floats) -> Floats:
    target[target == 0] = ZERO_REPLACEMENT
    prediction[prediction == 0] = ZERO_REPLACEMENT
    error = np.subtract(prediction, target, out=prediction)
    error /= target
    np.abs(error, out=error)
    highest, unweighted = target.max(axis=1), error.sum(axis=1)
    error *= target
    # Σ W e = Σ e + Σ T e / max(T), and Σ W likewise: the weights need no array of their own.
    weights = target.shape[1] + target.sum(axis=1) / highest
    return np.asarray((unweighted + error.sum(axis=1) / highest) / weights)


def _mask_sizes(target: Floats, prediction: Floats) -> Floats:
    masks = [_above_mean(target), _above_mean(prediction)]
    masks.append(masks[0] & masks[1])
    return np.stack([mask.sum(axis=1, dtype=np.float64) for mask in masks], axis=-1)


def _above_mean(maps: Floats) -> NDArray[np.bool_]:
    """Where maps are above their own mean, which is summed exactly where its rounding might decide."""
    mean, low, high = maps.mean(axis=1), maps.min(axis=1), maps.max(axis=1)
    rounding = maps.shape[1] * np.finfo(np.float64).eps * np.maximum(high, -low)
    for row in np.flatnonzero((low < high) & (np.abs(maps - mean[:, None]).min(axis=1) <= rounding)):
        mean[row] = math.fsum(maps[row]) / maps.shape[1]
    # The mean of a constant map may round to below its value, and would then put all of it into the mask.
    return np.asarray(maps > np.maximum(mean, low)[:, None])


def _mae(target: Floats, prediction: Floats) -> Floats:
    prediction -= target
    return np.asarray(np.abs(prediction, out=prediction).mean(axis=1))


def _wmse(target: Floats, prediction: Floats) -> Floats:
    prediction -= target
    error = np.square(prediction, out=prediction)
    low, high = np.abs(target.min(axis=1, keepdims=True)), np.abs(target.max(axis=1, keepdims=True))
    target += low
    target /= np.where(low + high > 0, low + high, 1)
    target += 1
    error *= target
    return np.asarray(error.sum(axis=1) / target.sum(axis=1))


def _correlation(target: Floats, prediction: Floats) -> Floats:
    varies = (target.min(axis=1) < target.max(axis=1)) & (prediction.min(axis=1) < prediction.max(axis=1))
    for maps in (target, prediction):
        maps -= maps.mean(axis=1, keepdims=True)
        maps /= np.where(varies, np.linalg.norm(maps, axis=1), 1)[:, None]
    target *= prediction
    return np.where(varies, np.clip(target.sum(axis=1), -1, 1), 0)


FORMULAS = {
    "wmape": _wmape, MASK_SIZES: _mask_sizes, "mae": _mae, "wmse": _wmse, "correlation": _correlation,
}  # fmt: skip


def _finite(scores: Scores) -> Scores:
    if not np.isfinite(scores).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(scores))[0]]
        got = f"{np.asarray(scores)[*index]}; its weights add up to 0, or divide by 0"
        raise refusal(f"the score of map {index}", "be finite", got)
    return scores


def _dice_error(sizes: Any, alpha: float, beta: float) -> Scores:
    in_target, in_prediction, in_both = np.moveaxis(sizes, -1, 0)
    wrong = alpha * (in_prediction - in_both) + beta * (in_target - in_both)
    return np.divide(wrong, in_both + wrong, out=np.zeros(np.shape(wrong)), where=wrong > 0)[()]


# --- peaks


def _check_peak_settings(n_peaks: int, sigma: float) -> None:
    if not isinstance(n_peaks, int | np.integer) or n_peaks < 1 or not 0 < sigma < np.inf:
        expected = "be a whole number from 1, and sigma positive and finite"
        raise refusal("n_peaks", expected, f"{n_peaks} and {sigma}")


def _find_peaks(maps: Singles, n_peaks: int, sigma: float) -> NDArray[np.int64]:
    """The peaks (n, n_peaks, 2) of maps (n, H, W), by SciPy's filter."""
    from scipy import ndimage  # here, since to import it takes longer than to score a thousand maps

    peaks = np.zeros((len(maps), n_peaks, 2), np.int64)
    smooth = ndimage.gaussian_filter(maps, (0, sigma, sigma))
    max_over_row = np.maximum(np.maximum(smooth[:, :, :-2], smooth[:, :, 1:-1]), smooth[:, :, 2:])
    max_over_3x3 = np.maximum(np.maximum(max_over_row[:, :-2], max_over_row[:, 1:-1]), max_over_row[:, 2:])
    inner = smooth[:, 1:-1, 1:-1]
    candidates = (inner == max_over_3x3) & (inner > smooth.min(axis=(1, 2), keepdims=True))
    for heights, candidate, found in zip(inner, candidates, peaks, strict=True):
        pixels = np.argwhere(candidate)
        order = np.argsort(-heights[candidate], kind="stable")[:n_peaks]  # equals stay in the order of pixels
        found[: len(order)] = pixels[order] + 1
    return peaks


def _certain_peaks(
    maps: NDArray[Any], peaks: NDArray[np.int64], certain: NDArray[np.bool_], sigma: float
) -> NDArray[np.int64]:
    """Replace the compiled peaks that are uncertain."""
    for index in np.flatnonzero(~certain):
        peaks[index] = _find_peaks(maps[index : index + 1].astype(np.float32), peaks.shape[1], sigma)[0]
    return peaks
