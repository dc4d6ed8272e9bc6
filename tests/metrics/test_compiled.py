"""The compiled scores against those of NumPy, and their peaks against SciPy and scikit-image."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metrics
from metrics import mass_mapping
from tests.metrics.test_mass_mapping import EXTREME, KINDS, draw_maps
from tests.reference import mass_mapping as reference

pytest.importorskip("numba", reason="installed by the extra `fast`")
EXACT = {"dicee", "dpeaks", "l2_dpeaks"}


def by_numpy(target, prediction):
    return {name: score(target, prediction) for name, score in mass_mapping.ALL.items()}


def pair(kind, seed=0):
    maps = draw_maps(kind, np.random.default_rng(seed), (128, 128))
    half = np.abs(maps).max() < 60000 and kind != "pedestal"
    return [
        each.astype(np.float16 if half and seed % 2 else np.float32) for each in (maps, maps[::-1] * 0.75)
    ]


@pytest.fixture
def filtered(monkeypatch):
    """How many maps SciPy's filter had to decide on, call by call."""
    counts, gaussian_filter = [], mass_mapping.gaussian_filter

    def counting(maps, sigma):
        counts.append(len(maps))
        return gaussian_filter(maps, sigma)

    monkeypatch.setattr(mass_mapping, "gaussian_filter", counting)
    return counts


def test_what_is_compiled_is_used():
    target, prediction = pair("noise")
    assert mass_mapping._compiled_scores(target, prediction).keys() == mass_mapping.ALL.keys()
    assert mass_mapping._compiled_scores(target.astype(np.float64), prediction) is None
    assert mass_mapping._compiled_scores(target[:, 1:], prediction[:, 1:]) is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS + EXTREME)
def test_scores_equal_those_of_numpy(kind, seed):
    target, prediction = pair(kind, seed)
    scores, expected = metrics.map_scores(target, prediction), by_numpy(target, prediction)
    assert scores.keys() == expected.keys()
    for name, values in scores.items():
        tolerance = {"rtol": 0} if name in EXACT else {"rtol": 1e-10, "atol": 1e-14}
        assert_allclose(values, expected[name], **tolerance, err_msg=name)
    for one in range(len(target)):
        alone = metrics.map_scores(target[one], prediction[one])
        assert all(isinstance(value, np.float64) for value in alone.values())
        assert alone == {name: values[one] for name, values in scores.items()}


def test_scores_have_the_leading_shape_of_the_maps():
    maps = np.random.default_rng(1).normal(size=(6, 128, 256)).astype(np.float32)
    target, prediction = maps[:, :, ::2].reshape(2, 3, 128, 128), maps[:, ::-1, 1::2].reshape(2, 3, 128, 128)
    scores = metrics.map_scores(target, prediction)
    assert {values.shape for values in scores.values()} == {(2, 3)}
    assert_array_equal(scores["dpeaks"], metrics.dpeaks(target, prediction))


def spots(rng, heights):
    """A map of spots that are alike in shape, at places where none meets another, in single precision."""
    kappa = np.zeros((128, 128))
    places = rng.permutation([(row, column) for row in range(16, 128, 32) for column in range(16, 128, 32)])
    spot = rng.random((7, 7))
    for height, (row, column) in zip(heights, places + rng.integers(-1, 2, 2), strict=False):
        kappa[row - 3 : row + 4, column - 3 : column + 4] = height * spot
    return kappa.astype(np.float32)


def test_near_ties_are_decided_as_by_scipy(filtered):
    rng = np.random.default_rng(2)
    steps = 1 + np.arange(-8, 9) * 2.0**-25  # up to four units of single precision
    maps = np.stack([spots(rng, rng.choice(steps, 6)) for _ in range(150)])
    expected = np.array([reference.find_peaks(kappa) for kappa in maps])
    turned = np.stack([kappa[::-1, ::-1] for kappa in maps])
    expected_turned = np.array([reference.find_peaks(kappa) for kappa in turned])
    scores = metrics.map_scores(maps, turned)
    assert_array_equal(scores["dpeaks"], np.abs(expected - expected_turned).sum(axis=(1, 2)))
    assert sum(filtered) == 300


def test_steps_between_neighbours_too_small_for_single_precision(filtered):
    rng = np.random.default_rng(3)
    ridges = np.zeros((100, 128, 128), np.float32)
    ridges[:, 20:100, 30:90] = 1  # a plateau, once it is smoothed, but for rounding
    ridges *= 1 + rng.integers(-1, 2, ridges.shape).astype(np.float32) * np.float32(2.0**-24)
    noise = rng.normal(size=ridges.shape).astype(np.float32)
    peaks = [[reference.find_peaks(kappa) for kappa in maps] for maps in (ridges, noise)]
    expected = np.abs(np.subtract(*peaks)).sum(axis=(1, 2))
    assert_array_equal(metrics.map_scores(ridges, noise)["dpeaks"], expected)
    assert sum(filtered) >= 100


def test_few_maps_are_in_doubt(filtered):
    maps = np.random.default_rng(4).normal(size=(200, 128, 128)).astype(np.float32)
    metrics.map_scores(maps, maps[::-1])
    assert sum(filtered) <= 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("which", [0, 1])
def test_values_that_are_not_finite_are_named(value, dtype, which):
    maps = np.ones((2, 3, 128, 128), dtype)
    maps[which, 1, 5, 3] = value
    name = ("target", "prediction")[which]
    with pytest.raises(ValueError, match=rf"{name} must be finite .*{name}\[1, 5, 3\] is {value}"):
        metrics.map_scores(*maps)


def test_weights_that_add_up_to_zero_are_refused():
    kappa = np.ones((2, 128, 128), np.float32)
    kappa[1, :64] = -3
    with pytest.raises(ValueError, match=r"score of map \[1\] is not finite"):
        metrics.map_scores(kappa, kappa + 1)


@pytest.mark.parametrize(
    "obstacle",
    [
        "sys.modules['numba'] = None",
        "import numba.core.caching; numba.core.caching.CacheImpl._locator_classes = []",
    ],
    ids=["numba is absent", "no folder may be written"],
)
def test_numpy_stands_in(obstacle):
    code = f"""
import sys
{obstacle}
import numpy as np
import metrics
maps = np.random.default_rng(0).normal(size=(2, 4, 128, 128)).astype(np.float32)
scores = metrics.map_scores(*maps)
assert "metrics.compiled" not in sys.modules
for name, values in scores.items():
    assert (values == getattr(metrics, name)(*maps)).all()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_numba_is_not_loaded_before_it_is_needed():
    code = "import sys, numpy, metrics; metrics.map_scores(*numpy.ones((2, 16, 16))); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "numba" not in loaded.split()
