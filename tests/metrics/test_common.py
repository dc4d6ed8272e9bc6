"""What every score of maps must do, and the properties that each claims: a score inherits its tests here."""

import re

import numpy as np
import pytest

import metrics
from metrics.checking import BYTES_AT_ONCE

SIDE = 16
KAPPA = np.random.default_rng(1).integers(-40, 160, (4, SIDE, SIDE)) / 128  # exact in float16, no two alike
KAPPA[KAPPA == 0] = 3 / 128
TARGET, PREDICTION = KAPPA[:2], KAPPA[2:]

IDENTITY = "best at identity"
SYMMETRIC = "symmetric in target and prediction"
SCALE = "unchanged when both maps are scaled alike"
AFFINE = "unchanged by a positive affine change of the prediction"
PIXELS = "unchanged when the pixels of both maps are shuffled alike"
FLIPS = "unchanged when both maps are flipped alike"

WEIGHTED = {IDENTITY, PIXELS, FLIPS}
SCORES = {
    "wmape": (metrics.wmape, {*WEIGHTED, SCALE}),
    "dicee": (metrics.dicee, {*WEIGHTED, SCALE, SYMMETRIC, AFFINE}),
    "dpeaks": (metrics.dpeaks, {IDENTITY, FLIPS, SCALE, SYMMETRIC, AFFINE}),
    "l2_dpeaks": (metrics.l2_dpeaks, {IDENTITY, FLIPS, SCALE, SYMMETRIC, AFFINE}),
    "mae": (metrics.mae, {*WEIGHTED, SYMMETRIC}),
    "wmse": (metrics.wmse, WEIGHTED),
    "correlation": (metrics.correlation, {*WEIGHTED, SCALE, SYMMETRIC, AFFINE}),
}
BEST = {"correlation": 1.0}


def having(*properties):
    """The test for each score that claims all of these properties."""
    names = [name for name, (_, claims) in SCORES.items() if claims.issuperset(properties)]
    return pytest.mark.parametrize("name", names)


every_score = having()


def score_of(name):
    return SCORES[name][0]


def test_every_score_of_maps_is_listed():
    exported = {
        name for name in metrics.__all__ if getattr(metrics, name).__module__ == "metrics.mass_mapping"
    }
    assert exported - {"find_peaks", "map_scores"} == set(SCORES)


@having(IDENTITY)
def test_identity_is_best(name):
    np.testing.assert_allclose(score_of(name)(TARGET, TARGET), BEST.get(name, 0.0), rtol=1e-15)


@every_score
def test_another_map_is_worse_than_identity(name):
    assert (np.abs(score_of(name)(TARGET, PREDICTION) - BEST.get(name, 0.0)) > 1e-3).all()


@having(SYMMETRIC)
def test_symmetric(name):
    np.testing.assert_array_equal(score_of(name)(TARGET, PREDICTION), score_of(name)(PREDICTION, TARGET))


@having(SCALE)
def test_scale(name):
    scaled = score_of(name)(TARGET * 2.0**7, PREDICTION * 2.0**7)
    np.testing.assert_array_equal(scaled, score_of(name)(TARGET, PREDICTION))


@having(AFFINE)
@pytest.mark.parametrize(("factor", "offset"), [(0.25, 0.0), (4.0, 2.0), (1.0, -8.0)])
def test_positive_affine_change_of_the_prediction(name, factor, offset):
    changed = score_of(name)(TARGET, factor * PREDICTION + offset)
    np.testing.assert_allclose(changed, score_of(name)(TARGET, PREDICTION), rtol=1e-13)


@having(PIXELS)
def test_shuffled_pixels(name):
    order = np.random.default_rng(2).permutation(SIDE * SIDE)
    shuffled = [maps.reshape(2, -1)[:, order].reshape(2, SIDE, SIDE) for maps in (TARGET, PREDICTION)]
    np.testing.assert_allclose(score_of(name)(*shuffled), score_of(name)(TARGET, PREDICTION), rtol=1e-12)


@having(FLIPS)
@pytest.mark.parametrize("axes", [1, 2, (1, 2)])
def test_flips(name, axes):
    flipped = score_of(name)(np.flip(TARGET, axes), np.flip(PREDICTION, axes))
    np.testing.assert_allclose(flipped, score_of(name)(TARGET, PREDICTION), rtol=1e-12)


@every_score
def test_scores_do_not_depend_on_the_maps_beside_them(name):
    rng = np.random.default_rng(3)
    n = BYTES_AT_ONCE // (4 * SIDE**2) + 50  # more than are computed at once
    target, prediction = rng.uniform(0.01, 1, (2, n, SIDE, SIDE)).astype(np.float32)
    scores = score_of(name)(target, prediction)
    order = rng.permutation(n)
    np.testing.assert_array_equal(score_of(name)(target[order], prediction[order]), scores[order])
    for index in (0, n - 1):
        assert score_of(name)(target[index], prediction[index]) == scores[index]


@every_score
@pytest.mark.parametrize("leading", [(), (1,), (4,), (2, 2), (2, 1, 2)])
def test_one_score_for_each_map(name, leading):
    n = int(np.prod(leading, dtype=int))
    shape = (*leading, SIDE, SIDE)
    scores = score_of(name)(KAPPA[:n].reshape(shape), KAPPA[::-1][:n].reshape(shape))
    assert scores.shape == leading
    assert scores.dtype == np.float64
    assert isinstance(scores, np.float64 if leading == () else np.ndarray)
    np.testing.assert_array_equal(np.ravel(scores), score_of(name)(KAPPA[:n], KAPPA[::-1][:n]))


@every_score
@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", ">f8", "g"])
def test_dtypes_hold_the_same_values(name, dtype):
    scores = score_of(name)(TARGET.astype(dtype), PREDICTION.astype(dtype))
    np.testing.assert_array_equal(scores, score_of(name)(TARGET, PREDICTION))


@having(SCALE)
@pytest.mark.parametrize("dtype", ["u1", "i2", ">i4", "i8"])
def test_integers(name, dtype):
    target, prediction = (np.round(128 * maps + 50) for maps in (TARGET, PREDICTION))
    scores = score_of(name)(target.astype(dtype), prediction.astype(dtype))
    np.testing.assert_array_equal(scores, score_of(name)(target, prediction))


@every_score
def test_layout_in_memory_is_free_and_inputs_stay_as_they_are(name):
    target, prediction = np.asfortranarray(TARGET), np.repeat(PREDICTION, 2, axis=2)[:, :, ::2]
    target.flags.writeable = prediction.flags.writeable = False
    np.testing.assert_array_equal(score_of(name)(target, prediction), score_of(name)(TARGET, PREDICTION))
    assert score_of(name)(TARGET[0].tolist(), PREDICTION[0].tolist()) == score_of(name)(target, prediction)[0]
    np.testing.assert_array_equal(target, KAPPA[:2])


@every_score
@pytest.mark.parametrize("which", ["target", "prediction"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(name, which, dtype, value):
    maps = {"target": TARGET.astype(dtype), "prediction": PREDICTION.astype(dtype)}
    maps[which][1, 5, [3, 9]] = value
    message = f"{which} must be finite in float32, got {value} at {which}[1, 5, 3] (2 such of 512)"
    with pytest.raises(ValueError, match=re.escape(message)):
        score_of(name)(maps["target"], maps["prediction"])


@every_score
@pytest.mark.parametrize("value", [1e39, -1e300])
def test_values_beyond_float32(name, value):
    target = TARGET.copy()
    target[0, 0, 1] = value
    with pytest.raises(ValueError, match=r"target must be finite in float32.*target\[0, 0, 1\]"):
        score_of(name)(target, PREDICTION)


@every_score
def test_a_bad_value_far_into_the_maps_is_named_by_its_own_index(name):
    n = BYTES_AT_ONCE // (4 * SIDE**2) + 10
    maps = np.ones((2, n, SIDE, SIDE), np.float16) + KAPPA[0].astype(np.float16)
    bad = maps.copy()
    bad[1, n - 2, 4, 7] = np.nan
    with pytest.raises(ValueError, match=re.escape(f"nan at prediction[1, {n - 2}, 4, 7] (1 such")):
        score_of(name)(maps, bad)


@every_score
@pytest.mark.parametrize(
    ("target", "prediction"),
    [
        ((2, 16, 16), (1, 16, 16)),
        ((2, 16, 16), (16, 16)),
        ((2, 16, 16), (2, 16, 1)),
        ((2, 16, 16), ()),
        ((1, 16, 16), (16, 16)),
        ((16, 12), (12, 16)),
    ],
)
def test_nothing_is_broadcast(name, target, prediction):
    message = (
        rf"prediction must have shape of target, {re.escape(str(target))}.*{re.escape(str(prediction))}$"
    )
    with pytest.raises(ValueError, match=message):
        score_of(name)(np.ones(target), np.ones(prediction))


@every_score
@pytest.mark.parametrize("shape", [(), (16,), (0, 16, 16), (2, 0, 16), (0, 0)])
def test_maps_must_be_there(name, shape):
    with pytest.raises(ValueError, match=rf"target must have shape .*{re.escape(str(shape))}$"):
        score_of(name)(np.ones(shape), np.ones(shape))


@every_score
@pytest.mark.parametrize("dtype", [bool, complex, object, "U3", "M8[s]"])
def test_maps_must_hold_real_numbers(name, dtype):
    with pytest.raises(ValueError, match=r"prediction must hold real numbers, got dtype"):
        score_of(name)(TARGET, np.zeros(TARGET.shape, dtype))


@every_score
def test_a_masked_array_is_refused_for_its_mask_would_be_lost(name):
    with pytest.raises(ValueError, match="target must be a plain array, got a masked array; fill it"):
        score_of(name)(np.ma.masked_greater(TARGET, 1), PREDICTION)
