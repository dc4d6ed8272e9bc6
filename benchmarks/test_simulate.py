"""Time to simulate mass maps, beside that of the cheapest maps and of haloes evaluated at every pixel."""

import galsim
import numpy as np
import pytest

from harness.data.simulate.mass_mapping import BOUNDARIES, FIELD, SOURCE_REDSHIFT, fields, render
from harness.data.simulate.noise import NOISE_MODELS, PIXEL_ARCMIN

MAPS = 200


def plain_lognormal() -> np.ndarray:
    """Lognormal κ and nothing else, in plain NumPy: no shear, no haloes, no noise."""
    rng = np.random.default_rng(0)
    k = 2 * np.pi * np.hypot(np.fft.rfftfreq(128, PIXEL_ARCMIN), np.fft.fftfreq(128, PIXEL_ARCMIN)[:, None])
    amplitude = np.sqrt(2.0 * (1 + (k / 0.67) ** 2) ** -1.2) / PIXEL_ARCMIN
    kappa = np.empty((MAPS, 128, 128), np.float32)
    for each in kappa:
        white = np.fft.rfft2(rng.standard_normal((128, 128)))
        each[:] = 0.041 * np.exp(np.fft.irfft2(white * amplitude))
    return kappa - kappa.mean(axis=(1, 2), keepdims=True)


def galsim_haloes() -> np.ndarray:
    """Ten haloes for each field, evaluated by GalSim at every pixel, and nothing else."""
    y, x = PIXEL_ARCMIN * (np.indices((FIELD, FIELD)).reshape(2, -1) - FIELD / 2 + 0.5)
    halo = galsim.NFWHalo(2e14, 4.0, 0.3)
    kappa = np.zeros(FIELD * FIELD)
    for _ in range(10 * len(fields(MAPS))):
        kappa += halo.getConvergence((x, y), SOURCE_REDSHIFT, galsim.arcmin)
    return kappa


@pytest.mark.benchmark(group=f"simulate {MAPS} mass maps")
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("noise", NOISE_MODELS)
def test_simulator(benchmark, noise, boundary):
    chunks = benchmark(lambda: [render(field) for field in fields(MAPS, noise=noise, boundary=boundary)])
    assert sum(len(chunk["kappa"]) for chunk in chunks) == MAPS


@pytest.mark.benchmark(group=f"simulate {MAPS} mass maps")
def test_plain_lognormal_convergence_alone(benchmark):
    assert benchmark(plain_lognormal).shape == (MAPS, 128, 128)


@pytest.mark.benchmark(group=f"simulate {MAPS} mass maps")
def test_galsim_haloes_alone_evaluated_anew(benchmark):
    assert benchmark(galsim_haloes).max() > 0
