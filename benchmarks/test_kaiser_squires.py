"""KS93 of 1,000 maps of 128 × 128 pixels: against lenspack, and against the Fourier transforms alone."""

import numpy as np
import pytest
from lenspack.image.inversion import ks93
from scipy import fft

from baselines.mass_mapping.kaiser_squires import FFT_CHUNK, convergence_from_shear

pytestmark = pytest.mark.benchmark(group="KS93 of 1,000 maps")


@pytest.fixture(scope="module")
def shear() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 1000, 128, 128), dtype=np.float32)


def bare_transforms(gamma1: np.ndarray, gamma2: np.ndarray) -> np.ndarray:
    """Both components there and one map back, without any arithmetic between."""
    kappa = np.empty_like(gamma1)
    for start in range(0, len(kappa), FFT_CHUNK):
        part = slice(start, start + FFT_CHUNK)
        spectrum, _ = fft.rfft2(gamma1[part]), fft.rfft2(gamma2[part])
        kappa[part] = fft.irfft2(spectrum, s=kappa.shape[1:], overwrite_x=True)
    return kappa


def one_by_one(gamma1: np.ndarray, gamma2: np.ndarray) -> np.ndarray:
    return np.stack([ks93(*each)[0] for each in zip(gamma1, gamma2, strict=True)])


@pytest.mark.parametrize(
    "invert",
    [convergence_from_shear, bare_transforms, one_by_one],
    ids=["astroboard", "bare transforms", "lenspack"],
)
def test_kaiser_squires(benchmark, shear, invert):
    kappa = benchmark.pedantic(invert, args=tuple(shear), rounds=5, warmup_rounds=1)
    assert kappa.shape == (1000, 128, 128)
