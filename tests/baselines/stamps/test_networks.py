import numpy as np
import pytest

from baselines.backend import keras
from baselines.stamps.networks import (
    RotationAverage,
    Rotations,
    alerce,
    cnn_with_metadata,
    plain_cnn,
    rotation_invariant_cnn,
)

pytestmark = pytest.mark.slow

WEIGHTS = [1568, 9248, 18496, 36928, 36928, 102464, 4160, 325]
TRUNK = [*[(21, 21, 32)] * 2, (10, 10, 32), *[(10, 10, 64)] * 3, (5, 5, 64)]
DENSE = [(1600,), *[(64,)] * 2, (5,)]


def stamps(cases, size=21, seed=0):
    return np.random.default_rng(seed).random((cases, size, size, 3), np.float32)


def weights(model):
    return [layer.count_params() for layer in model.layers if layer.count_params()]


def shapes(model):
    return [tuple(layer.output.shape[1:]) for layer in model.layers[1:]]  # after the input


def test_plain_cnn_has_the_published_layers():
    model = plain_cnn()
    assert weights(model) == WEIGHTS
    assert model.count_params() == 210_117
    assert shapes(model) == [*TRUNK, *DENSE]


def test_rotation_invariant_cnn_has_the_published_layers():
    model = rotation_invariant_cnn()
    assert weights(model) == WEIGHTS
    assert model.count_params() == 210_117
    assert shapes(model) == [(21, 21, 3), *TRUNK, TRUNK[-1], *DENSE]
    assert [type(layer) for layer in model.layers[1:] if not layer.weights][:4] == [
        Rotations, keras.layers.MaxPooling2D, keras.layers.MaxPooling2D, RotationAverage,
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "halved"), [(21, (24, 12, 6)), (41, (44, 22, 11)), (63, (66, 33, 16))])
def test_alerce_has_its_own_geometry(size, halved):
    model = alerce(size)
    assert [each[0] for each in shapes(model)[2:10]] == [
        *[halved[0]] * 2,
        *[halved[1]] * 4,
        halved[2],
        64 * halved[2] ** 2,
    ]
    assert shapes(model)[1] == (size + 6, size + 6, 3)
    assert [type(layer) for layer in model.layers[-2:]] == [RotationAverage, keras.layers.Dense]


@pytest.mark.parametrize("size", [41, 63])
def test_plain_cnn_takes_larger_stamps(size):
    assert plain_cnn(size)(stamps(2, size)).shape == (2, 5)


def test_the_average_is_that_of_four_calls():
    """With the same weights, the network is the plain one but for an average before its dense layers."""
    model, plain = rotation_invariant_cnn(), plain_cnn()
    plain.set_weights(model.get_weights())
    trunk, rest = plain.layers[1:8], plain.layers[8:]
    mean = 0
    for turns in range(4):
        maps = np.rot90(stamps(3), turns, axes=(1, 2)).copy()
        for layer in trunk:
            maps = layer(maps)
        mean = mean + np.asarray(maps) / 4
    for layer in rest:
        mean = layer(mean)
    np.testing.assert_allclose(model(stamps(3)), mean, atol=1e-6)


@pytest.mark.parametrize("build", [rotation_invariant_cnn, alerce])
@pytest.mark.parametrize("size", [21, 41, 63])
def test_turning_a_stamp_changes_nothing_but_rounding(build, size):
    model, upright = build(size, 5), stamps(4, size)
    expected = model.predict_on_batch(upright)
    assert np.ptp(expected, axis=0).max() > 1e-4  # it does look
    for turns in (1, 2, 3):
        turned = model.predict_on_batch(np.rot90(upright, turns, axes=(1, 2)))
        np.testing.assert_allclose(turned, expected, atol=2e-6)


def test_the_plain_one_is_not_invariant():
    model, upright = plain_cnn(), stamps(4)
    turned = model.predict_on_batch(np.rot90(upright, axes=(1, 2)))
    assert np.abs(turned - model.predict_on_batch(upright)).max() > 1e-4


def test_rows_of_metadata_are_normalised_and_nan_is_their_mean():
    model = cnn_with_metadata(21, 3, 0.0, 2, 32, np.array([20.0, 3.0]), np.array([4.0, 9.0]))
    assert weights(model)[-3:] == [(1600 + 2 + 1) * 64, 4160, 325]
    pixels = stamps(1).reshape(1, -1)

    def logits(*metadata):
        return model.predict_on_batch(np.concatenate([pixels, np.float32([metadata])], axis=1))

    np.testing.assert_array_equal(logits(np.nan, 3), logits(20, 3))
    assert np.abs(logits(24, 3) - logits(20, 3)).max() > 1e-3
    joined = keras.Model(model.inputs, model.layers[-4].output)
    seen = joined.predict_on_batch(np.concatenate([pixels, np.float32([[24, 0]])], axis=1))
    np.testing.assert_allclose(seen[0, -2:], [2, -1], rtol=1e-3)


@pytest.mark.parametrize(("kernel", "count"), [(3, 9248), (5, 25632), (7, 50208)])
def test_kernel_is_that_of_all_but_the_first(kernel, count):
    assert weights(rotation_invariant_cnn(kernel=kernel))[:2] == [1568, count]


@pytest.mark.parametrize(
    ("depth", "filters", "expected"),
    [
        # 4·4·3·16 + 16, 3·3·16·16 + 16, and 10·10·16 inputs of the first dense layer
        (1, 16, [784, 2320, 1600 * 64 + 64, 4160, 325]),
        # 8, 16 and 32 filters; 2·2·32 inputs of the first dense layer
        (3, 8, [392, 584, 1168, 2320, 2320, 4640, 9248, 9248, 128 * 64 + 64, 4160, 325]),
    ],
)
@pytest.mark.parametrize("build", [plain_cnn, rotation_invariant_cnn])
def test_depth_counts_blocks_and_filters_double(build, depth, filters, expected):
    assert weights(build(depth=depth, filters=filters)) == expected


@pytest.mark.parametrize(("size", "depth"), [(21, 4), (63, 3)])
def test_alerce_takes_depth_and_filters(size, depth):
    model, upright = alerce(size, depth=depth, filters=4), stamps(2, size)
    assert model.layers[3].filters == 4
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == 2 + 3 * (depth - 1)
    assert model.predict_on_batch(upright).shape == (2, 5)


def test_dropout_follows_both_dense_layers():
    rates = [layer.rate for layer in plain_cnn(dropout=0.3).layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.3, 0.3]
