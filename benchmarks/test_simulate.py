"""Simulating mass maps against lognormal κ alone, the cheapest map there is; both in one process."""

import numpy as np

from harness.data.simulate.dataset import simulate
from harness.data.simulate.mass_mapping import SPECTRA
from harness.tracks import MASS_MAPPING

MAPS = 10_000
PIXEL = SPECTRA["ray-traced"].pixel


def plain_lognormal():
    """κ in plain NumPy: no haloes, no shear, no noise, and no file."""
    rng = np.random.default_rng(0)
    k = 2 * np.pi * np.hypot(np.fft.rfftfreq(128, PIXEL), np.fft.fftfreq(128, PIXEL)[:, None])
    amplitude = np.sqrt(2.0 * (1 + (k / 0.67) ** 2) ** -1.2) / PIXEL
    kappa = np.empty((128, 128), np.float32)
    for _ in range(MAPS):
        white = np.fft.rfft2(rng.standard_normal((128, 128)))
        kappa[:] = 0.041 * np.exp(np.fft.irfft2(white * amplitude))
        kappa -= kappa.mean()


def test_simulate(ratio, tmp_path):
    out = tmp_path / "maps.h5"
    ratio(
        f"`simulate` of {MAPS:,} maps, dense noise, one process", "lognormal κ alone by NumPy", "≤ 3",
        lambda: simulate(MASS_MAPPING, out, MAPS, noise="dense"), plain_lognormal, rounds=2,
    )  # fmt: skip
    assert out.is_file()
