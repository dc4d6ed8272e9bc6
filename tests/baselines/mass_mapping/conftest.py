"""Simulated and ray-traced maps that the mass-mapping baselines learn from and are tested on."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from baselines.mass_mapping.kaiser_squires import shear_from_convergence
from baselines.protocol import Cases, Training
from harness.data.simulate.mass_mapping import simulate
from harness.data.simulate.noise import add_noise


@pytest.fixture(scope="session")
def simulated() -> Callable[..., Cases]:
    """``simulated(cases, noise, boundary, spectrum, seed)``: the cases of a small data set."""

    @cache
    def make(
        cases: int, noise: str, boundary: str = "periodic", spectrum: str = "ray-traced", seed: int = 0
    ) -> Cases:
        render, fields = simulate(cases, seed, noise, boundary, spectrum)
        rendered = [render(field) for field in fields]
        columns = (
            np.concatenate([each[name] for each in rendered]) for name in ("epsilon", "kappa", "group")
        )
        return Cases(*columns)

    return make


@pytest.fixture(scope="session")
def ray_traced(shared_data: Path) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """``ray_traced(noise)``: ellipticities (13, 128, 128, 3) float16 and κ of thirteen κTNG maps.

    Dense noise is that of the simulated pixels, 0.4′ wide.
    """
    from astropy.io import fits

    tiles = np.load(shared_data / "mass_mapping" / "ktng_tiles_128.npz")["kappa"]
    field = fits.getdata(shared_data / "mass_mapping" / "ktng_cosmos_kappa360.fits")
    cuts = [field[y : y + 128, x : x + 128] for y in (0, 116, 232) for x in (0, 116, 232)]
    kappa = np.concatenate([tiles, cuts]).astype(np.float32)
    reduced = np.stack(shear_from_convergence(kappa), axis=-1) / (1 - kappa)[..., None]

    def make(noise: str) -> tuple[np.ndarray, np.ndarray]:
        return add_noise(reduced, noise, 0.4, np.random.default_rng(1)).astype(np.float16), kappa

    return make


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(seed=0, folder=tmp_path)
