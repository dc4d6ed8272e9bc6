"""The three ranked scores of maps as the challenge has them, against a loop with NumPy and scikit-image."""

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

import metrics

N_MAPS, LOOPED = 256, 32


def wmape(target, prediction):
    truth, guess = (np.where(kappa == 0, 1e-5, kappa).astype(np.float64) for kappa in (target, prediction))
    weights = 1 + truth / truth.max()
    return (weights * np.abs(guess - truth) / np.abs(truth)).sum() / weights.sum()


def dicee(target, prediction):
    truth, guess = (kappa > kappa.mean(dtype=np.float64) for kappa in (target, prediction))
    hits, false_alarms, misses = (truth & guess).sum(), (~truth & guess).sum(), (truth & ~guess).sum()
    return 1 - hits / (hits + 0.5 * false_alarms + 0.5 * misses)


def find_peaks(kappa):
    peaks = np.zeros((3, 2), int)
    found = peak_local_max(gaussian_filter(kappa.astype(np.float32), 3), num_peaks=3)
    peaks[: len(found)] = found
    return peaks


def dpeaks(target, prediction):
    return np.abs(find_peaks(target) - find_peaks(prediction)).sum()


def test_scores(ratio):
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(size=(N_MAPS, 128, 128)), (0, 2, 2))
    kappa = 0.05 * np.expm1(3 * field - 0.5)
    maps = [values.astype(np.float16) for values in (kappa, kappa + rng.normal(0, 0.05, kappa.shape))]
    looped = {}

    def loop():
        for score in (wmape, dicee, dpeaks):
            looped[score.__name__] = [
                score(*pair) for pair in zip(*(each[:LOOPED] for each in maps), strict=True)
            ]

    found = ratio(
        f"WMAPE, DICEE, DPEAKS of {N_MAPS} maps",
        "a loop of NumPy and scikit-image",
        "≥ 20",
        lambda: metrics.map_scores(*maps),
        loop,
        times=N_MAPS // LOOPED,
    )
    for name, values in looped.items():
        np.testing.assert_allclose(found[name][:LOOPED], values, rtol=1e-12)
