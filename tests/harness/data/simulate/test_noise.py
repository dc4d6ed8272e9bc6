"""The noise of the simulated maps: where it falls, and how it is distributed."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness.data.simulate.mass_mapping import reduced_shear
from harness.data.simulate.noise import NOISE_MODELS, _normals, add_noise


def residuals(model: str, pixel: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    shear = np.random.default_rng(0).normal(0, 0.03, (8, 128, 128, 2)).astype(np.float32)
    epsilon = add_noise(shear, model, pixel, np.random.default_rng(1))
    assert epsilon.shape == (8, 128, 128, 3)
    assert epsilon.dtype == np.float32
    return epsilon[..., :2] - shear, epsilon[..., 2]


@pytest.mark.parametrize("pixel", [0.19, 0.4])
def test_sparse_noise_falls_on_a_third_of_the_pixels(pixel):
    noise, flag = residuals("sparse", pixel)
    noisy = flag != 0
    assert noisy.mean() == pytest.approx(0.31, abs=0.005)
    assert not noise[~noisy].any()
    draws = np.column_stack([noise[noisy], flag[noisy]])
    np.testing.assert_allclose(draws.std(axis=0), 0.33, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(draws.T), np.eye(3), atol=0.02)


@pytest.mark.parametrize(("pixel", "sigma"), [(0.4, 0.1187), (0.19, 0.2498)])
def test_dense_noise_is_the_shape_noise_of_thirty_galaxies_an_arcmin2(pixel, sigma):
    """A pixel of 0.4′ holds 4.8 galaxies of 0.26 each, one of 0.19′ 1.083."""
    noise, flag = residuals("dense", pixel)
    assert (flag.astype(np.float16) != 0).all()
    draws = np.column_stack([noise.reshape(-1, 2), flag.ravel()])
    np.testing.assert_allclose(draws.std(axis=0), sigma, rtol=0.01)
    np.testing.assert_allclose(np.corrcoef(draws.T), np.eye(3), atol=0.02)


@pytest.mark.slow
def test_draws_are_normal_to_the_tails_and_independent():
    draws = _normals(np.random.default_rng(3), (3, 700_001))
    assert draws.dtype == np.float32
    assert stats.kstest(draws.ravel(), "norm").pvalue > 0.01
    tails = (draws > 3.5).sum(), (draws < -3.5).sum()
    assert stats.poisson.interval(0.999, draws.size * stats.norm.sf(3.5))[0] < min(tails)
    assert stats.poisson.interval(0.999, draws.size * stats.norm.sf(3.5))[1] > max(tails)
    for power in (1, 2):
        pairs = [draws.ravel(), *(np.roll(draws.ravel(), shift) for shift in (1, draws.size // 2))]
        np.testing.assert_allclose(np.corrcoef(np.power(pairs, power)), np.eye(3), atol=0.004)


@pytest.mark.parametrize("model", NOISE_MODELS)
def test_no_noisy_pixel_passes_for_noise_free(model):
    zeros = SimpleNamespace(
        random=np.zeros, integers=lambda _, size, dtype: np.zeros(size, dtype)
    )  # the unluckiest of all draws
    assert add_noise(np.zeros((4, 4, 2)), model, 0.4, zeros)[..., 2].astype(np.float16).all()


def test_noise_goes_onto_any_stack_of_maps(shared_data):
    tiles = np.load(shared_data / "mass_mapping" / "ktng_tiles_128.npz")["kappa"]
    _, shear = reduced_shear(tiles)
    single = add_noise(shear[0], "sparse", 0.29, np.random.default_rng(0))
    assert single.shape == (128, 128, 3)
    np.testing.assert_array_equal(single[single[..., 2] == 0, :2], shear[0][single[..., 2] == 0])
