"""KS93 of 1,000 maps of 128 × 128 pixels: against lenspack, and against the Fourier transforms alone."""

from functools import partial

import numpy as np
import pytest
from lenspack.image.inversion import ks93
from scipy import fft

from baselines.mass_mapping.kaiser_squires import FFT_CHUNK, convergence_from_shear

LOOPED = 100


@pytest.fixture(scope="module")
def shear() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 1000, 128, 128), dtype=np.float32)


def bare_transforms(gamma1: np.ndarray, gamma2: np.ndarray) -> np.ndarray:
    """Two transforms of the components and one back, in equal chunks, without arithmetic between."""
    kappa = np.empty_like(gamma1)
    for start in range(0, len(kappa), FFT_CHUNK):
        chunk = slice(start, start + FFT_CHUNK)
        spectrum, _ = fft.rfft2(gamma1[chunk]), fft.rfft2(gamma2[chunk])
        kappa[chunk] = fft.irfft2(spectrum, s=kappa.shape[1:], overwrite_x=True)
    return kappa


def test_against_lenspack(ratio, shear):
    def loop():
        return [ks93(*components)[0] for components in zip(*shear[:, :LOOPED], strict=True)]

    what, times = "KS93 of 1,000 maps", shear.shape[1] // LOOPED
    maps = ratio(what, "lenspack 1.0.0", "≥ 10", lambda: convergence_from_shear(*shear), loop, times=times)
    assert np.abs(maps[0] - loop()[0]).max() < 0.1 * maps[0].std()  # they differ at Nyquist


def test_against_bare_transforms(ratio, shear):
    peer = partial(bare_transforms, *shear)
    ours = partial(convergence_from_shear, *shear)
    ratio("KS93 of 1,000 maps", "two rfft2 and an irfft2", "≤ 1.3", ours, peer)
