"""The compiled scores against those of NumPy, and their peaks against SciPy and scikit-image."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metrics
from tests.metrics.test_mass_mapping import EXTREME, KINDS, draw_maps
from tests.reference import mass_mapping as reference

pytest.importorskip("numba", reason="installed by the extra `fast`")
compiled = pytest.importorskip("metrics.compiled")
EXACT = {"dicee", "dpeaks", "l2_dpeaks"}


def by_numpy(target, prediction):
    """The scores of the same maps in float64, for which nothing is compiled."""
    return metrics.map_scores(target.astype(np.float64), prediction.astype(np.float64))


def pair(kind, seed=0):
    maps = draw_maps(kind, np.random.default_rng(seed), (128, 128))
    half = np.abs(maps).max() < 60000 and kind != "pedestal"
    return [
        each.astype(np.float16 if half and seed % 2 else np.float32) for each in (maps, maps[::-1] * 0.75)
    ]


def certain(maps):
    """How many maps need no filter of SciPy to tell their peaks."""
    return compiled.find_peaks(maps, 3)[1].sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS + EXTREME)
def test_scores_equal_those_of_numpy(kind, seed):
    target, prediction = pair(kind, seed)
    scores, expected = metrics.map_scores(target, prediction), by_numpy(target, prediction)
    assert scores.keys() == expected.keys()
    for name, values in scores.items():
        tolerance = {"rtol": 0} if name in EXACT else {"rtol": 1e-10, "atol": 1e-14}
        assert_allclose(values, expected[name], **tolerance, err_msg=name)
    for index in range(len(target)):
        alone = metrics.map_scores(target[index], prediction[index])
        assert all(isinstance(value, np.float64) for value in alone.values())
        assert alone == {name: values[index] for name, values in scores.items()}


def test_masks_that_rounding_decides_are_exact_beside_others():
    doubtful, clear = (pair(kind) for kind in ("opposites", "noise"))
    target, prediction = (np.concatenate(each) for each in zip(doubtful, clear, strict=True))
    assert_array_equal(metrics.dicee(target, prediction), by_numpy(target, prediction)["dicee"])


def test_a_lower_peak_below_a_tie_does_not_hide_it():
    """The third of three peaks is not certain while a fourth is as high, whatever lies further down."""
    spots = {(20, 20): 5, (20, 80): 4, (60, 20): 3, (60, 80): 3, (110, 60): 1}
    tied = np.zeros((1, 128, 128), np.float32)
    for place, height in spots.items():
        tied[0][place] = height
    apart = tied.copy()
    apart[0, 60, 80] = 2.5
    assert (certain(tied), certain(apart)) == (0, 1)


@pytest.mark.parametrize("level", [0.0, 0.1, -3.0])
def test_one_map_may_be_constant(level):
    """No pixel of a constant map lies above its mean, so nothing overlaps with it."""
    varies = draw_maps("noise", np.random.default_rng(0), (128, 128))[0].astype(np.float32)
    constant = np.full_like(varies, level)
    for target, prediction in ((constant, varies), (varies, constant)):
        scores, expected = metrics.map_scores(target, prediction), by_numpy(target, prediction)
        assert scores["dicee"] == expected["dicee"] == 1
        for name in EXACT:
            assert scores[name] == expected[name], name


def test_scores_have_the_leading_shape_of_the_maps():
    maps = np.random.default_rng(1).normal(size=(6, 128, 256)).astype(np.float32)
    target, prediction = maps[:, :, ::2].reshape(2, 3, 128, 128), maps[:, ::-1, 1::2].reshape(2, 3, 128, 128)
    scores = metrics.map_scores(target, prediction)
    assert {values.shape for values in scores.values()} == {(2, 3)}
    for name, values in scores.items():
        assert_array_equal(values, getattr(metrics, name)(target, prediction))
    peaks = [metrics.find_peaks(maps.astype(np.float64)) for maps in (target, prediction)]
    assert_array_equal(metrics.find_peaks(target), peaks[0])
    assert_array_equal(metrics.find_peaks(prediction, n_peaks=2), peaks[1][..., :2, :])


def spots(rng, heights):
    """A map of spots that are alike in shape, at places where none meets another, in single precision."""
    kappa = np.zeros((128, 128))
    places = rng.permutation([(row, column) for row in range(16, 128, 32) for column in range(16, 128, 32)])
    spot = rng.random((7, 7))
    for height, (row, column) in zip(heights, places + rng.integers(-1, 2, 2), strict=False):
        kappa[row - 3 : row + 4, column - 3 : column + 4] = height * spot
    return kappa.astype(np.float32)


def test_near_ties_are_decided_as_by_scipy():
    rng = np.random.default_rng(2)
    steps = 1 + np.arange(-8, 9) * 2.0**-25  # up to four units of single precision
    maps = np.stack([spots(rng, rng.choice(steps, 6)) for _ in range(150)])
    expected = np.array([reference.find_peaks(kappa) for kappa in maps])
    turned = np.stack([kappa[::-1, ::-1] for kappa in maps])
    expected_turned = np.array([reference.find_peaks(kappa) for kappa in turned])
    scores = metrics.map_scores(maps, turned)
    assert_array_equal(scores["dpeaks"], np.abs(expected - expected_turned).sum(axis=(1, 2)))
    assert certain(maps) == certain(turned) == 0


def test_steps_between_neighbours_too_small_for_single_precision():
    rng = np.random.default_rng(3)
    ridges = np.zeros((100, 128, 128), np.float32)
    ridges[:, 20:100, 30:90] = 1  # a plateau, once it is smoothed, but for rounding
    ridges *= 1 + rng.integers(-1, 2, ridges.shape).astype(np.float32) * np.float32(2.0**-24)
    noise = rng.normal(size=ridges.shape).astype(np.float32)
    peaks = [[reference.find_peaks(kappa) for kappa in maps] for maps in (ridges, noise)]
    expected = np.abs(np.subtract(*peaks)).sum(axis=(1, 2))
    assert_array_equal(metrics.map_scores(ridges, noise)["dpeaks"], expected)
    assert certain(ridges) == 0


def test_few_maps_are_in_doubt():
    maps = np.random.default_rng(4).normal(size=(200, 128, 128)).astype(np.float32)
    assert certain(maps) >= 195


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("which", [0, 1])
def test_values_that_are_not_finite_are_named(value, dtype, which):
    maps = np.ones((2, 3, 128, 128), dtype)
    maps[which, 1, 5, 3] = value
    name = ("target", "prediction")[which]
    with pytest.raises(ValueError, match=rf"{name} must be finite .*got {value} at {name}\[1, 5, 3\]"):
        metrics.map_scores(*maps)


def test_weights_that_add_up_to_zero_are_refused():
    kappa = np.ones((2, 128, 128), np.float32)
    kappa[1, :64] = -3
    with pytest.raises(ValueError, match=r"score of map \[1\] must be finite"):
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
