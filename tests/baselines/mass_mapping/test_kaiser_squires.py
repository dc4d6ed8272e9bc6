from pathlib import Path

import numpy as np
import pytest
from lenspack.image.inversion import ks93
from scipy import fft
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.stats import skew

from baselines.mass_mapping.inversion import SIGMAS
from baselines.mass_mapping.kaiser_squires import (
    FFT_CHUNK,
    MIN_CHUNKS_FOR_THREADS,
    KaiserSquires,
    convergence_from_shear,
    filter_maps,
    gaussian_transfer,
    shear_from_convergence,
)
from metrics import dicee

pytestmark = pytest.mark.slow

SHAPES = [(32, 32), (32, 48), (31, 32), (32, 33), (15, 17)]


def white(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape)


def band_limited(*shape: int) -> np.ndarray:
    """White noise of mean 0 without power at the Nyquist frequencies."""
    spectrum = fft.fft2(white(*shape))
    spectrum[..., 0, 0] = 0
    spectrum[..., np.abs(fft.fftfreq(shape[-2])) == 0.5, :] = 0
    spectrum[..., np.abs(fft.fftfreq(shape[-1])) == 0.5] = 0
    return fft.ifft2(spectrum).real


def wave(size: int, rows: int, columns: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return np.cos(2 * np.pi * (rows * y + columns * x) / size)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_modes_are_those_of_lenspack(shape):
    gamma1, gamma2 = band_limited(2, *shape)
    e_mode, b_mode = ks93(gamma1, gamma2)
    np.testing.assert_allclose(convergence_from_shear(gamma1, gamma2), e_mode, atol=1e-12)
    np.testing.assert_allclose(convergence_from_shear(gamma2, -gamma1), b_mode, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_shear_and_back_is_the_same_map(shape):
    kappa = band_limited(9, *shape).astype(np.float32)
    gamma1, gamma2 = shear_from_convergence(kappa)
    np.testing.assert_allclose(convergence_from_shear(gamma1, gamma2), kappa, atol=2e-6)
    np.testing.assert_allclose(convergence_from_shear(gamma2, -gamma1), 0, atol=2e-6)


@pytest.mark.parametrize(
    ("rows", "columns", "factor1", "factor2"),
    [(0, 3, 1, 0), (3, 0, -1, 0), (3, 3, 0, 1), (3, -3, 0, -1), (1, 2, 0.6, 0.8), (2, 1, -0.6, 0.8)],
)
def test_plane_waves_are_sheared_by_their_direction(rows, columns, factor1, factor2):
    kappa = wave(16, rows, columns)
    gamma1, gamma2 = shear_from_convergence(kappa)
    np.testing.assert_allclose(gamma1, factor1 * kappa, atol=1e-12)
    np.testing.assert_allclose(gamma2, factor2 * kappa, atol=1e-12)


def test_at_nyquist_gamma2_is_neither_made_nor_used():
    for rows, columns in [(8, 3), (3, 8), (8, 8)]:
        kappa = wave(16, rows, columns)
        gamma1, gamma2 = shear_from_convergence(kappa)
        np.testing.assert_allclose(
            gamma1, (columns**2 - rows**2) / (columns**2 + rows**2) * kappa, atol=1e-12
        )
        np.testing.assert_allclose(gamma2, 0, atol=1e-12)
        np.testing.assert_allclose(convergence_from_shear(0 * kappa, kappa), 0, atol=1e-12)


def test_inverted_maps_have_mean_zero():
    assert convergence_from_shear(white(16, 16) + 3, white(16, 16) + 5).mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("given", "computed"), [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8")])
def test_precision_follows_the_input(given, computed):
    maps = np.zeros((3, 8, 8), given)
    assert convergence_from_shear(maps, maps).dtype == computed
    assert all(gamma.dtype == computed for gamma in shear_from_convergence(maps))


def test_leading_axes_are_kept_and_maps_do_not_mix():
    gamma1, gamma2 = white(2, 3, 7, 8, 8)
    kappa = convergence_from_shear(gamma1, gamma2)
    np.testing.assert_allclose(kappa[2, 6], convergence_from_shear(gamma1[2, 6], gamma2[2, 6]), atol=1e-12)
    assert convergence_from_shear(gamma1[:0], gamma2[:0]).shape == (0, 7, 8, 8)


def test_many_maps_are_inverted_by_threads_as_a_few_are():
    shear = np.random.default_rng(6).normal(size=(2, FFT_CHUNK * MIN_CHUNKS_FOR_THREADS + 3, 16, 16))
    few = [convergence_from_shear(*shear[:, start : start + 10]) for start in range(0, shear.shape[1], 10)]
    np.testing.assert_array_equal(convergence_from_shear(*shear), np.concatenate(few))


def test_the_input_is_left_as_it_was():
    gamma1, gamma2 = white(2, 8, 8)
    before = gamma1.copy(), gamma2.copy()
    convergence_from_shear(gamma1, gamma2)
    np.testing.assert_array_equal((gamma1, gamma2), before)


@pytest.mark.parametrize("shapes", [((8, 8), (8, 9)), ((2, 8, 8), (8, 8))])
def test_maps_of_two_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match=r"one shape .* got \("):
        convergence_from_shear(*map(np.zeros, shapes))


def test_smoothing_is_a_periodic_gaussian_filter():
    kappa = white(2, 32, 40)
    expected = gaussian_filter(kappa, (0, 2, 2), mode="wrap", truncate=9)
    np.testing.assert_allclose(filter_maps([kappa], [gaussian_transfer(kappa.shape, 2)]), expected, atol=1e-9)


def test_dark_matter_of_the_cosmos_field(shared_data: Path):
    """The sign of γ2 on the sky: with the other one, real shear has no more peaks than troughs."""
    from astropy.io import fits

    folder = shared_data / "mass_mapping"
    e1, e2, mask = (
        fits.getdata(folder / f"cosmos_full_{n}_0.29arcmin360.fits") for n in ("e1", "e2", "mask")
    )
    inner = binary_erosion(mask > 0, iterations=10)

    def figures(gamma1: np.ndarray, gamma2: np.ndarray) -> tuple[float, float]:
        values = gaussian_filter(convergence_from_shear(gamma1, gamma2), 5)[inner]
        return values.std(), skew(values)

    assert figures(e1, e2) == pytest.approx((0.01212, 0.714), abs=5e-4)
    assert figures(e2, -e1) == pytest.approx((0.00985, 0.076), abs=5e-4)
    assert figures(e1, -e2) == pytest.approx((0.01128, 0.006), abs=5e-4)


def test_the_smoothing_is_chosen_on_validation_cases(simulated, training):
    train, validation, test = (simulated(40, "dense", seed=seed) for seed in (1, 2, 3))
    baseline = KaiserSquires()
    raw = dicee(test.truth, baseline.predict(test.inputs)).mean()
    outcome = baseline.fit(train, validation, training)
    smoothed = dicee(test.truth, baseline.predict(test.inputs)).mean()
    assert outcome["sigma"] in SIGMAS[3:10]
    assert outcome["validation_cases"] == 40
    assert smoothed < raw - 0.05
