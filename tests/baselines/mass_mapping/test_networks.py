import numpy as np
import pytest

from baselines.backend import keras
from baselines.mass_mapping.networks import LAST, ReflectionPadding, unet

pytestmark = pytest.mark.slow

TINY = {"filters": 4, "depth": 3, "padding": 0, "dropout": 0.0}
INPUTS = np.random.default_rng(0).normal(0, 0.3, (2, 128, 128, 4)).astype(np.float32)


def weights_by_hand(kernels):
    """Those of the report: filters 64 to 512, eight convolutions down and eight up, from 3 maps to 1."""
    down, up = [64, 128, 256, 512, 512, 512, 512, 512], [512, 512, 512, 512, 256, 128, 64]
    area = sum(kernel**2 for kernel in kernels) / len(
        kernels
    )  # an equal share of the filters has each kernel
    encoder = sum(area * before * after for before, after in zip([3, *down], down, strict=False))
    before = [512, *(after + twin for after, twin in zip(up, reversed(down[:-1]), strict=True))]
    decoder = sum(kernels[0] ** 2 * a * b for a, b in zip(before, [*up, 1], strict=True))
    normalisation = 4 * sum(down[1:] + up)
    return encoder + decoder + normalisation + 1  # the last convolution alone has a bias


@pytest.mark.parametrize(
    ("kernel", "decoder", "weights"),
    [
        (3, "as-run", 34_457_985),
        (3, "as-meant", 30_621_761),
        (2, "as-run", 15_327_745),
        (2, "as-meant", 13_621_761),
    ],
)
def test_weights_are_as_many_as_in_the_published_code(kernel, decoder, weights):
    assert unet(kernels=(kernel,), decoder=decoder).count_params() == weights


@pytest.mark.parametrize(("kernels", "weights"), [((3,), 30_621_761), ((3, 9), 74_570_561)])
def test_full_size_has_the_weights_of_the_report(kernels, weights):
    model = unet(kernels=kernels)
    assert model.count_params() == weights == weights_by_hand(kernels)
    assert model.output_shape == (None, 128, 128)
    smallest = min(layer.output.shape[1] for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    assert smallest == 1


def test_first_weights_and_biases_are_as_published():
    model = unet()
    convolutions = [each for each in model.layers if hasattr(each, "kernel") and each.name != LAST]
    for layer in convolutions:
        assert not layer.use_bias
    drawn = np.concatenate([layer.kernel.numpy().ravel() for layer in convolutions])
    assert drawn.std() == pytest.approx(0.02, rel=0.01)
    assert abs(drawn.mean()) < 1e-4
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in model.layers) == 3
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers) == 14


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 1},
        {"depth": 7},
        {"depth": 6, "padding": 32},
        {"depth": 8, "padding": 64},
        {"kernels": (2,)},
        {"kernels": (3, 9)},
        {"attention": True},
        {"channels": 4, "residual": True},
    ],
)
def test_gives_a_map_a_case_and_is_read_back(options, tmp_path):
    model = unet(**(TINY | options), centre=0.2, half_range=0.5)
    inputs = INPUTS[..., : options.get("channels", 3)]
    maps = model.predict_on_batch(inputs)
    assert maps.shape == (2, 128, 128)
    assert np.isfinite(maps).all()
    assert not np.allclose(maps[0], maps[1])
    model.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(read.predict_on_batch(inputs), maps)


@pytest.mark.parametrize(("depth", "padding"), [(8, 0), (7, 32), (8, 32)])
def test_size_that_cannot_be_halved_so_often_is_refused(depth, padding):
    with pytest.raises(ValueError, match="shape"):
        unet(**(TINY | {"depth": depth, "padding": padding}))


@pytest.mark.parametrize("padding", [0, 1, 64, 127])
def test_reflection_padding_is_that_of_numpy(padding):
    layer = ReflectionPadding(padding)
    margin = (padding, padding)
    expected = np.pad(INPUTS, ((0, 0), margin, margin, (0, 0)), mode="reflect")
    np.testing.assert_array_equal(layer(INPUTS).numpy(), expected)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    np.testing.assert_array_equal(again(INPUTS).numpy(), expected)


def test_output_stays_in_its_range_and_reaches_its_ends():
    model = unet(**TINY, centre=0.2, half_range=0.5)
    assert abs(model.predict_on_batch(INPUTS[..., :3]) - 0.2).max() < 0.05
    kernel, bias = model.get_layer(LAST).get_weights()
    for sign in (-1, 1):
        model.get_layer(LAST).set_weights([kernel, bias + 100 * sign])
        np.testing.assert_allclose(model.predict_on_batch(INPUTS[..., :3]), 0.2 + 0.5 * sign, atol=1e-6)


def test_residual_network_starts_as_its_last_input():
    model = unet(**TINY, channels=4, residual=True)
    np.testing.assert_array_equal(model.predict_on_batch(INPUTS), INPUTS[..., 3])


def test_without_padding_a_border_pixel_sees_less():
    """What padding is for: the same network, and the map continued by its mirror image or by zeros."""
    bare, padded = unet(**TINY), unet(**(TINY | {"padding": 64}))
    padded.set_weights(bare.get_weights())
    ones = np.ones((1, 128, 128, 3), np.float32)
    spread = [np.ptp(model.predict_on_batch(ones)) for model in (bare, padded)]
    even = np.ptp(padded.predict_on_batch(ones)[0, 32:96:8, 32:96:8])
    assert even < 1e-6
    assert spread[1] < spread[0]
