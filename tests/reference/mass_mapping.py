"""The scores of maps, one map and one formula at a time, slow and obvious."""

from fractions import Fraction

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max


def wmape(target, prediction):
    target = [1e-5 if t == 0 else float(t) for t in np.ravel(target)]
    prediction = [1e-5 if p == 0 else float(p) for p in np.ravel(prediction)]
    highest = max(target)
    weights = [1 + t / highest for t in target]
    errors = [abs(p - t) / abs(t) for t, p in zip(target, prediction, strict=True)]
    return sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)


def dicee(target, prediction, alpha=0.5, beta=0.5):
    target, prediction = (
        [Fraction(float(value)) for value in np.ravel(kappa)] for kappa in (target, prediction)
    )
    target_mean, prediction_mean = sum(target) / len(target), sum(prediction) / len(prediction)
    hits = false_alarms = misses = 0
    for t, p in zip(target, prediction, strict=True):
        hits += t > target_mean and p > prediction_mean
        false_alarms += not t > target_mean and p > prediction_mean
        misses += t > target_mean and not p > prediction_mean
    denominator = hits + alpha * false_alarms + beta * misses
    return 1 - hits / denominator if denominator else 0.0


def find_peaks(kappa, n_peaks=3, sigma=3.0):
    smooth = gaussian_filter(np.asarray(kappa).astype(np.float32), sigma)
    found = peak_local_max(smooth, num_peaks=n_peaks)
    peaks = np.zeros((n_peaks, 2), int)
    peaks[: len(found)] = found
    return peaks


def dpeaks(target, prediction, n_peaks=3, sigma=3.0):
    pairs = zip(find_peaks(target, n_peaks, sigma), find_peaks(prediction, n_peaks, sigma), strict=True)
    return sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairs)


def l2_dpeaks(target, prediction, n_peaks=3, sigma=3.0):
    pairs = zip(find_peaks(target, n_peaks, sigma), find_peaks(prediction, n_peaks, sigma), strict=True)
    return sum(np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in pairs) / n_peaks


def mae(target, prediction):
    pairs = list(zip(np.ravel(target), np.ravel(prediction), strict=True))
    return sum(abs(float(p) - float(t)) for t, p in pairs) / len(pairs)


def contrast_weights(target):
    target = [float(t) for t in np.ravel(target)]
    low, high = abs(min(target)), abs(max(target))
    return [1 + (t + low) / (high + low) if high + low else 1 for t in target]


def wmse(target, prediction):
    weights = contrast_weights(target)
    errors = [(float(p) - float(t)) ** 2 for t, p in zip(np.ravel(target), np.ravel(prediction), strict=True)]
    return sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)


def correlation(target, prediction):
    target, prediction = np.ravel(target).astype(np.float64), np.ravel(prediction).astype(np.float64)
    if len(set(target.tolist())) == 1 or len(set(prediction.tolist())) == 1:
        return 0.0
    return np.corrcoef(target, prediction)[0, 1]
