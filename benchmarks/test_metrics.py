"""The ranked scores of maps, together and one by one, against a loop with NumPy and scikit-image."""

import numpy as np
import pytest

import metrics
from tests.reference.mass_mapping import dpeaks

N_MAPS, LOOPED = 256, 32
PEER = "a loop of NumPy and scikit-image"


def wmape(target, prediction):
    target, prediction = (np.where(maps == 0, 1e-5, maps).astype(float) for maps in (target, prediction))
    weights = 1 + target / target.max()
    return (weights * np.abs(prediction - target) / np.abs(target)).sum() / weights.sum()


def dicee(target, prediction):
    target, prediction = (kappa > kappa.mean(dtype=np.float64) for kappa in (target, prediction))
    hits, sizes = (target & prediction).sum(), target.sum() + prediction.sum()
    return 1 - 2 * hits / sizes


@pytest.fixture
def maps(lognormal_maps):
    """Targets and predictions in float16, as the challenge has them."""
    kappa, noise = lognormal_maps(0, N_MAPS), np.random.default_rng(1).normal(0, 0.05, (N_MAPS, 128, 128))
    return [maps.astype(np.float16) for maps in (kappa, kappa + noise)]


def loop(score, maps):
    return [score(*pair) for pair in zip(*(each[:LOOPED] for each in maps), strict=True)]


def test_scores(ratio, maps):
    ratio(
        f"WMAPE, DICEE, DPEAKS of {N_MAPS} maps", PEER, "≥ 20", lambda: metrics.map_scores(*maps),
        lambda: [loop(score, maps) for score in (wmape, dicee, dpeaks)], times=N_MAPS // LOOPED,
    )  # fmt: skip


@pytest.mark.parametrize(("score", "reach"), [(wmape, "≥ 4"), (dicee, "≥ 2.5"), (dpeaks, "≥ 20")])
def test_score_alone(ratio, maps, score, reach):
    name = score.__name__
    scores = ratio(
        f"`metrics.{name}` of {N_MAPS} maps", PEER, reach, lambda: getattr(metrics, name)(*maps),
        lambda: loop(score, maps), times=N_MAPS // LOOPED,
    )  # fmt: skip
    np.testing.assert_allclose(scores[:LOOPED], loop(score, maps), rtol=1e-12)
    np.testing.assert_array_equal(metrics.map_scores(*maps)[name], scores)
