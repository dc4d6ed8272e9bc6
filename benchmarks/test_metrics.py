"""The ranked scores of maps, together and one by one, against a loop with NumPy and scikit-image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max

import metrics

N_MAPS, LOOPED = 256, 32


def wmape(target, prediction):
    target, prediction = (
        np.where(kappa == 0, 1e-5, kappa).astype(np.float64) for kappa in (target, prediction)
    )
    weights = 1 + target / target.max()
    return (weights * np.abs(prediction - target) / np.abs(target)).sum() / weights.sum()


def dicee(target, prediction):
    target, prediction = (kappa > kappa.mean(dtype=np.float64) for kappa in (target, prediction))
    hits, sizes = (target & prediction).sum(), target.sum() + prediction.sum()
    return 1 - 2 * hits / sizes


def find_peaks(kappa):
    peaks = np.zeros((3, 2), int)
    found = peak_local_max(gaussian_filter(kappa.astype(np.float32), 3), num_peaks=3)
    peaks[: len(found)] = found
    return peaks


def dpeaks(target, prediction):
    return np.abs(find_peaks(target) - find_peaks(prediction)).sum()


@pytest.fixture
def maps():
    """Targets and predictions in float16, as the challenge has them."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(size=(N_MAPS, 128, 128)), (0, 2, 2))
    kappa = 0.05 * np.expm1(3 * field - 0.5)
    return [values.astype(np.float16) for values in (kappa, kappa + rng.normal(0, 0.05, kappa.shape))]


def loop(score, maps):
    return [score(*pair) for pair in zip(*(each[:LOOPED] for each in maps), strict=True)]


PEER = "a loop of NumPy and scikit-image"


def test_scores(ratio, maps):
    looped = {}

    def peer():
        for score in (wmape, dicee, dpeaks):
            looped[score.__name__] = loop(score, maps)

    what = f"WMAPE, DICEE, DPEAKS of {N_MAPS} maps"
    found = ratio(what, PEER, "≥ 20", lambda: metrics.map_scores(*maps), peer, times=N_MAPS // LOOPED)
    for name, values in looped.items():
        np.testing.assert_allclose(found[name][:LOOPED], values, rtol=1e-12)


@pytest.mark.parametrize(("score", "reach"), [(wmape, "≥ 2"), (dicee, "≥ 1.5"), (dpeaks, "≥ 20")])
def test_score_alone(ratio, maps, score, reach):
    function = getattr(metrics, score.__name__)
    found = ratio(
        f"`metrics.{score.__name__}` of {N_MAPS} maps", PEER, reach,
        lambda: function(*maps), lambda: loop(score, maps), times=N_MAPS // LOOPED,
    )  # fmt: skip
    np.testing.assert_allclose(found[:LOOPED], loop(score, maps), rtol=1e-12)
