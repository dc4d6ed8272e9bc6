"""The scores of maps against cases worked out by hand, against slow formulas, and against scikit-image."""

import doctest
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

import metrics
from metrics import (
    correlation,
    dicee,
    dpeaks,
    find_peaks,
    l2_dpeaks,
    mae,
    wmape,
    wmse,
)
from tests.reference import mass_mapping as reference


def draw_maps(kind, rng, shape):
    """Three maps on which a careless score goes wrong in one way or another."""
    stack = np.zeros((3, *shape))
    if kind == "noise":
        return rng.normal(size=stack.shape)
    if kind == "float16":
        return rng.normal(0.05, 0.1, stack.shape).astype(np.float16)
    if kind == "integers":
        return rng.integers(-2, 3, stack.shape)
    if kind == "constant":
        return stack + rng.choice([0.0, 0.1, -7.3, 1e-3])
    if kind == "plateau":
        rows, columns = (np.sort(rng.integers(0, side + 1, 2)) for side in shape)
        stack[:, slice(*rows), slice(*columns)] = rng.choice([-1, 0.3, 5])
        return stack
    if kind == "border":
        edge = rng.integers(0, 4)
        np.rot90(stack, edge, axes=(1, 2))[:, 0] = rng.integers(1, 4, (3, shape[1 - edge % 2]))
        return stack
    if kind == "twins":  # peaks of exactly the same height, and their mirror images
        half = rng.integers(0, 9, stack.shape)
        return half + half[:, ::-1] + half[:, :, ::-1] + half[:, ::-1, ::-1]
    if kind == "pedestal":  # rounding of the offset is as large as the structure
        return (1e5 + rng.normal(0, 0.05, stack.shape)).astype(np.float32)
    if kind == "subnormal":
        return (rng.integers(0, 9, stack.shape) * 2.0**-149).astype(np.float32)
    if kind == "huge":  # a rounded mean of them overflows
        return np.finfo(np.float32).max - rng.integers(0, 3, stack.shape).astype(np.float32) * 2**104
    if kind == "opposites":  # the mean is 0, as half of the pixels are, but the sum comes out beside it
        half = rng.normal(size=stack[0].size // 2) * 10.0 ** rng.uniform(-8, 0, stack[0].size // 2)
        half[::2] = 0
        pixels = np.concatenate([half, -half, np.zeros(stack[0].size % 2)]).astype(np.float32)
        return np.stack([rng.permutation(pixels).reshape(shape) for _ in stack])
    raise KeyError(kind)


KINDS = ["noise", "float16", "integers", "constant", "plateau", "border", "twins", "pedestal", "opposites"]
EXTREME = ["subnormal", "huge"]
shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
seeds = st.integers(0, 2**32)


# --- WMAPE


def test_wmape_by_hand():
    # W = 1 + T / 4 = 1.25, 1.5, 2, 0.75 and errors 1, 1/2, 1/4, 3 add up to 4.75 over 5.5.
    assert wmape([[1, 2], [4, -1]], [[2, 1], [5, 2]]) == pytest.approx(4.75 / 5.5, rel=1e-15)


def test_wmape_replaces_every_exact_zero_of_target_and_prediction_first():
    assert wmape([[0.0, 0.0]], [[0.0, 0.0]]) == 0
    # T = 1e-5, 1 and P = 1e-5, 1e-5: no error in the first, 1 − 1e-5 in the second with W = 2.
    assert wmape([[0.0, 1.0]], [[0.0, 0.0]]) == pytest.approx(2 * (1 - 1e-5) / (3 + 1e-5), rel=1e-14)


def test_wmape_takes_the_maximum_after_zeros_are_replaced():
    # max(T) = 1e-5, so that W = 2 and 1 − 1e5.
    expected = (2 * 0 + (1 - 1e5) * 1) / (2 + 1 - 1e5)
    assert wmape([[0.0, -1.0]], [[0.0, -2.0]]) == pytest.approx(expected, rel=1e-12)


def test_wmape_of_a_negative_target_follows_the_formula():
    # max(T) = −1, W = 2 and 3, errors 1 and 1/2.
    assert wmape([[-1.0, -2.0]], [[-2.0, -1.0]]) == pytest.approx(3.5 / 5, rel=1e-15)


def test_wmape_of_nothing_predicted_is_one():
    kappa = np.random.default_rng(0).uniform(0.5, 1, (3, 8, 8))
    assert_allclose(wmape(kappa, np.zeros_like(kappa)), 1, rtol=1e-4)


def test_wmape_of_weights_that_add_up_to_zero_is_refused():
    with pytest.raises(ValueError, match=r"score of map \[1\] must be finite"):
        wmape([[[1.0, 2.0]], [[1.0, -3.0]]], [[[1.0, 2.0]], [[1.0, 3.0]]])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(KINDS), seeds, shapes)
def test_wmape_is_the_formula(kind, seed, shape):
    target, prediction, _ = draw_maps(kind, np.random.default_rng(seed), shape)
    filled = np.where(target == 0, 1e-5, target.astype(np.float64))
    assume(abs(np.mean(1 + filled / filled.max())) > 1e-3)
    assert_allclose(wmape(target, prediction), reference.wmape(target, prediction), rtol=1e-10, atol=1e-300)


# --- DICEE


def test_dicee_by_hand():
    target = [[0, 0, 0, 8]]  # mean 2, mask: the last
    prediction = [[0, 5, 5, 6]]  # mean 4, mask: the last three
    assert dicee(target, prediction) == pytest.approx(1 - 1 / (1 + 0.5 * 2))
    assert dicee(target, prediction, alpha=0.25, beta=3) == pytest.approx(1 - 1 / (1 + 0.25 * 2))
    assert dicee(prediction, target, alpha=0.25, beta=3) == pytest.approx(1 - 1 / (1 + 3 * 2))


def test_dicee_masks_are_strictly_above_the_mean():
    # The middle pixel is at the mean of the target, outside its mask, and inside that of the prediction.
    assert dicee([[0, 1, 2]], [[0, 2, 2]]) == pytest.approx(1 - 1 / 1.5)


@pytest.mark.parametrize("scale", [1, -1, 0.3, -1e-3, 3e4, -7e4])
def test_dicee_masks_follow_the_exact_mean(scale):
    """Half of the pixels are near the mean, and the others lie on either side, so that the sum may round."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        above = 1 + rng.random(50) * 10.0 ** rng.uniform(-12, 0, 50)
        target = scale * rng.permutation(np.concatenate([above, 2 - above, np.ones(100)]))
        mask = target > float(sum(map(Fraction, target.tolist())) / 200)
        assert dicee(target.reshape(10, 20), mask.reshape(10, 20).astype(float)) == 0


def test_dicee_without_common_pixels_is_one():
    assert dicee([[0, 1]], [[1, 0]]) == 1


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_dicee_of_constant_maps(value):
    constant, varied = np.full((7, 9), value), np.arange(63.0).reshape(7, 9)
    assert dicee(constant, constant + 1) == 0
    assert dicee(varied, constant) == 1
    assert dicee(constant, varied) == 1


def test_dicee_forgives_what_its_weights_forgive():
    assert dicee([[0, 0, 1]], [[0, 1, 1]], alpha=0) == 0
    assert dicee([[1, 0]], [[0, 1]], alpha=0, beta=0) == 0


@pytest.mark.parametrize("setting", [{"alpha": -0.1}, {"beta": np.nan}, {"alpha": np.inf}, {"beta": np.inf}])
def test_dicee_refuses_weights(setting):
    with pytest.raises(ValueError, match="alpha and beta must be finite and 0 or more"):
        dicee([[0, 1]], [[0, 1]], **setting)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(KINDS), seeds, shapes, st.sampled_from([(0.5, 0.5), (0.3, 0.7), (0.0, 1.0)]))
def test_dicee_is_the_formula(kind, seed, shape, weights):
    target, prediction, _ = draw_maps(kind, np.random.default_rng(seed), shape)
    expected = reference.dicee(target, prediction, *weights)
    assert_allclose(dicee(target, prediction, *weights), expected, rtol=1e-12, atol=1e-15)


# --- peaks


def assert_peaks_equal(maps, n_peaks, sigma):
    expected = [reference.find_peaks(kappa, n_peaks, sigma) for kappa in maps]
    assert_array_equal(find_peaks(maps, n_peaks, sigma), expected)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(KINDS + EXTREME),
    seeds,
    shapes,
    st.integers(1, 5),
    st.sampled_from([0.2, 0.7, 1.5, 3.0, 20.0]),
)
def test_peaks_are_those_of_scikit_image(kind, seed, shape, n_peaks, sigma):
    assert_peaks_equal(draw_maps(kind, np.random.default_rng(seed), shape), n_peaks, sigma)


@settings(deadline=None, max_examples=150)
@given(
    arrays(
        np.float32,
        array_shapes(min_dims=3, max_dims=3, max_side=9),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from([0.2, 1.0, 3.0]),
)
def test_peaks_of_hostile_maps_are_those_of_scikit_image(maps, sigma):
    assert_peaks_equal(maps, 3, sigma)


@pytest.mark.parametrize("kind", KINDS + EXTREME)
@pytest.mark.parametrize("shape", [(128, 128), (63, 70), (3, 200), (520, 5)])
def test_peaks_of_maps_of_many_sizes_are_those_of_scikit_image(kind, shape):
    maps = draw_maps(kind, np.random.default_rng(7), shape)
    for sigma in (3.0, 1.5):
        assert_peaks_equal(maps, 3, sigma)


def test_a_step_too_small_for_single_precision_is_no_peak():
    kappa = np.zeros((9, 9), np.float32)
    kappa[4, 2:5] = 1, 1 + 2.0**-23, 2  # the first is hardly below the second, which the third towers over
    assert_array_equal(find_peaks(kappa, n_peaks=2, sigma=0.15), [[4, 4], [0, 0]])
    assert_peaks_equal(kappa[None], 2, 0.15)


def test_peaks_on_the_border_do_not_count_and_empty_places_are_zero():
    kappa = np.zeros((9, 9))
    kappa[0, 4] = kappa[8, 8] = 9
    kappa[1, 1] = 1
    assert_array_equal(find_peaks(kappa, n_peaks=2, sigma=0.1), [[1, 1], [0, 0]])


def test_equal_peaks_come_in_the_order_of_rows_then_columns():
    kappa = np.zeros((9, 9), np.int8)
    kappa[6, 2] = kappa[2, 6] = kappa[2, 2] = 1
    assert_array_equal(find_peaks(kappa, n_peaks=3, sigma=0.1), [[2, 2], [2, 6], [6, 2]])


def test_every_pixel_of_a_plateau_is_a_peak():
    kappa = np.zeros((8, 8))
    kappa[3:5, 3:6] = 1
    assert_array_equal(find_peaks(kappa, n_peaks=4, sigma=0.1), [[3, 3], [3, 4], [3, 5], [4, 3]])


def test_peaks_have_the_leading_shape_of_the_maps():
    maps = np.random.default_rng(5).normal(size=(2, 3, 32, 32))
    peaks = find_peaks(maps, n_peaks=4)
    assert peaks.shape == (2, 3, 4, 2)
    assert peaks.dtype == np.int64
    assert_array_equal(peaks[1, 2], find_peaks(maps[1, 2], n_peaks=4))


def spots(*places):
    kappa = np.zeros((64, 64))
    for height, place in zip((4, 3, 2), places, strict=False):
        kappa[place] = height
    return kappa


def test_dpeaks_by_hand():
    target, prediction = spots((10, 10), (40, 20), (20, 50)), spots((12, 9), (40, 20), (24, 53))
    assert dpeaks(target, prediction) == (2 + 1) + 0 + (4 + 3)
    assert l2_dpeaks(target, prediction) == pytest.approx((np.sqrt(5) + 0 + 5) / 3)


def test_dpeaks_pairs_by_rank_and_not_by_place():
    assert dpeaks(spots((10, 10), (40, 20)), spots((40, 20), (10, 10)), n_peaks=2) == 2 * (30 + 10)


def test_dpeaks_of_a_constant_prediction_is_the_distance_from_the_corner():
    assert dpeaks(spots((10, 10), (40, 20), (20, 50)), np.zeros((64, 64))) == 150


@pytest.mark.parametrize("score", [dpeaks, l2_dpeaks])
def test_offsets_of_peaks_are_the_formula(score):
    target, prediction = np.random.default_rng(6).normal(size=(2, 5, 40, 33))
    formula = getattr(reference, score.__name__)
    expected = [formula(*pair, 4, 2.0) for pair in zip(target, prediction, strict=True)]
    assert_allclose(score(target, prediction, n_peaks=4, sigma=2.0), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("n_peaks", "sigma"), [(0, 3.0), (2.5, 3.0), (3, 0.0), (3, np.nan), (3, np.inf), (3, -1.0)]
)
def test_settings_of_peaks_are_refused(n_peaks, sigma):
    with pytest.raises(ValueError, match="n_peaks must be a whole number from 1, and sigma positive"):
        find_peaks(np.eye(8), n_peaks, sigma)
    with pytest.raises(ValueError, match="n_peaks must be"):
        dpeaks(np.eye(8), np.eye(8), n_peaks, sigma)


# --- the others


def test_errors_by_hand():
    target, prediction = [[0.0, 2.0]], [[1.0, 5.0]]
    assert mae(target, prediction) == 2
    assert wmse(target, prediction) == pytest.approx((1 * 1 + 2 * 9) / 3)


def test_weights_of_a_map_of_both_signs_run_from_one_to_two():
    # W' = 1 + (T + 1) / 4 = 1, 1.25, 2
    assert wmse([[-1, 0, 3]], [[0, 0, 3]]) == pytest.approx(1 / 4.25)
    assert wmse([[-1, 0, 3]], [[-1, 0, 4]]) == pytest.approx(2 / 4.25)


def test_an_all_zero_target_weighs_all_pixels_alike():
    assert wmse(np.zeros((2, 2)), [[0, 0], [0, 2]]) == 1


def test_correlation_by_hand():
    assert correlation([[1, 2, 3]], [[1, 3, 2]]) == pytest.approx(0.5)
    assert correlation([[1, 2, 3]], [[9, 8, 7]]) == pytest.approx(-1)


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_correlation_of_a_constant_map_is_zero(value):
    constant, varied = np.full((7, 9), value), np.arange(63.0).reshape(7, 9)
    assert (
        correlation(varied, constant) == correlation(constant, varied) == correlation(constant, constant) == 0
    )


@pytest.mark.parametrize("shape", [(60, 20, 20), (20, 128, 128)])
def test_no_rounding_leads_beyond_one(shape):
    maps = np.random.default_rng(10).normal(size=shape).astype(np.float32)
    assert_allclose(correlation(maps, maps), 1, rtol=1e-15)
    assert correlation(maps, maps).max() == 1
    assert correlation(maps, -maps).min() == -1


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["mae", "wmse", "correlation"]), st.sampled_from(KINDS[:-1]), seeds, shapes)
def test_other_scores_are_the_formulas(name, kind, seed, shape):
    target, prediction, _ = draw_maps(kind, np.random.default_rng(seed), shape)
    expected = getattr(reference, name)(target, prediction)
    assert_allclose(getattr(metrics, name)(target, prediction), expected, rtol=1e-9, atol=1e-13)


# --- several scores at once


def test_only_the_scores_asked_for_are_computed():
    target, prediction = np.random.default_rng(8).normal(size=(2, 3, 20, 20))
    scores = metrics.map_scores(target, prediction, ["mae", "l2_dpeaks", "dicee"])
    assert list(scores) == ["mae", "l2_dpeaks", "dicee"]
    for name, values in scores.items():
        assert_array_equal(values, getattr(metrics, name)(target, prediction))
    assert metrics.map_scores(target, prediction, []) == {}


def test_defaults_are_those_of_the_challenge():
    """Weights of one half, three peaks, and a smoothing of three pixels."""
    target, prediction = np.random.default_rng(8).normal(size=(2, 64, 64))
    assert find_peaks(target).shape == (3, 2)
    assert_array_equal(find_peaks(target), find_peaks(target, 3, 3.0))
    for score, chosen in ((dicee, (0.5, 0.5)), (dpeaks, (3, 3.0)), (l2_dpeaks, (3, 3.0))):
        expected = score(target, prediction, *chosen)
        assert score(target, prediction) == expected
        assert metrics.map_scores(target, prediction)[score.__name__] == expected


def test_maps_of_the_challenges_size_may_be_smoothed_in_another_way():
    target, prediction = np.random.default_rng(8).normal(size=(2, 128, 128)).astype(np.float32)
    found = dpeaks(target, prediction, sigma=1.0)
    assert found == reference.dpeaks(target, prediction, 3, 1.0)
    assert found != reference.dpeaks(target, prediction, 3, 3.0)


def test_maps_of_the_challenges_size_must_be_as_many():
    maps = np.ones((3, 128, 128), np.float32)
    for keys in (["wmape"], ["dpeaks"], ["dicee", "dpeaks"]):
        with pytest.raises(ValueError, match=r"prediction must have shape of target, \(3, 128, 128\)"):
            metrics.map_scores(maps, maps[:2], keys)


def test_an_unknown_score_is_refused():
    with pytest.raises(ValueError, match=r"keys must be among wmape, dicee, .* correlation, got wmap, rms"):
        metrics.map_scores(np.eye(8), np.eye(8), ["wmap", "mae", "rms"])


# --- real maps, and examples


def test_ray_traced_maps(shared_data):
    with np.load(shared_data / "mass_mapping" / "ktng_tiles_128.npz") as tiles:
        kappa = tiles["kappa"]
    noisy = (kappa + np.random.default_rng(9).normal(0, 0.05, kappa.shape)).astype(np.float16)
    for name in ("wmape", "dpeaks", "l2_dpeaks"):
        expected = [getattr(reference, name)(*pair) for pair in zip(kappa, noisy, strict=True)]
        assert_allclose(getattr(metrics, name)(kappa, noisy), expected, rtol=1e-12)
    zeros = np.zeros_like(kappa)
    assert_allclose(wmape(kappa, zeros), 1, atol=0.05)
    assert_array_equal(dicee(kappa, zeros), 1)
    assert (dpeaks(kappa, noisy) < dpeaks(kappa, zeros)).all()


def test_examples_in_the_docstrings():
    outcome = doctest.testmod(metrics.mass_mapping)
    assert outcome.attempted > 0
    assert outcome.failed == 0
