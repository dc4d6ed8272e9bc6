"""The three scores of 512 maps against a loop over the maps with NumPy, SciPy and scikit-image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

import metrics

N_MAPS = 512


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


LOOPED = {"wmape": wmape, "dicee": dicee, "dpeaks": dpeaks}
TASKS = {**{name: (name,) for name in LOOPED}, "all three": tuple(LOOPED)}


def by_loop(names, target, prediction):
    return [[LOOPED[name](*pair) for pair in zip(target, prediction, strict=True)] for name in names]


def by_metrics(names, target, prediction):
    return [getattr(metrics, name)(target, prediction) for name in names]


@pytest.fixture(scope="module", params=["float32", "float16"])
def maps(request):
    """Lognormal maps of 128 × 128, and the same with noise as predictions."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(size=(N_MAPS, 128, 128)), (0, 2, 2))
    kappa = 0.05 * np.expm1(3 * field - 0.5)
    noisy = kappa + rng.normal(0, 0.05, kappa.shape)
    return kappa.astype(request.param), noisy.astype(request.param)


@pytest.mark.parametrize("way", [by_loop, by_metrics])
@pytest.mark.parametrize("task", TASKS)
def test_scores(benchmark, maps, task, way):
    benchmark.group = f"{task}, {N_MAPS} maps of {maps[0].dtype}"
    scores = benchmark.pedantic(way, (TASKS[task], *maps), rounds=3, warmup_rounds=1)
    few = [kappa[:32] for kappa in maps]
    np.testing.assert_allclose([row[:32] for row in scores], by_loop(TASKS[task], *few), rtol=1e-12)
