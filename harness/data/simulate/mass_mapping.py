"""Simulated cases of the mass-mapping track: crops of galaxy clusters, their convergence and ellipticities.

A cluster is a periodic field of 256 × 256 pixels: a lognormal background (Hilbert, Hartlap & Schneider 2011,
A&A 536, A85), a few smaller NFW haloes, and one massive halo in the middle. Its cases are crops of 128 × 128
at random places around that halo: all show the cluster, all overlap, and a split must keep them together.

GalSim evaluates the haloes. The constants were fitted to the one-point
distribution and the power spectrum of ray-traced maps, κTNG (Osato, Liu & Haiman 2021, MNRAS 502, 5593).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import galsim
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from baselines.mass_mapping.kaiser_squires import FFT_CHUNK, shear_from_convergence, wavenumbers
from harness.data.simulate.noise import PIXEL_ARCMIN, add_noise

CROP = 128
FIELD = 2 * CROP
MAX_CROPS, MIN_CLUSTERS = 20, 40

# Background: κ = SHIFT · exp g, with P(k) of g = POWER / (1 + (k / KNEE)²)^(SLOPE / 2), k in rad/arcmin.
SHIFT, POWER, KNEE, SLOPE = 0.041, 2.0, 0.67, 2.4
OVERDENSITY = 0.002  # its mean: a field chosen for its cluster lies where matter is dense

# Haloes: masses in M☉/h inside 200 times the critical density.
SOURCE_REDSHIFT = 1.0
HALO_REDSHIFTS = (0.2, 0.5)
CLUSTER_MASSES = (1.5e14, 1e15)  # uniform in the logarithm
SMALL_MASSES = (7e13, 4e14)
SMALL_HALOES = 8  # mean number in a field
AXIS_RATIOS = (0.6, 1.0)

# Pixels from its centre at which a halo is evaluated. NFW's κ diverges there, so half a pixel is added to
# every radius in quadrature; it is brought to 0 beyond the virial radius of the largest, inside the stamp.
SOFTENING, EDGE = 0.5, 48.0
RADII = np.geomspace(SOFTENING, EDGE, 64)
STEPS = 256  # of the table that pixels are looked up in, for each unit of ln r²: κ is exact to 0.2 %
TABLE = SOFTENING * np.exp(np.arange(STEPS * 2 * np.log(EDGE / SOFTENING) + 1) / (2 * STEPS))
STAMP = np.arange(-CROP // 2, CROP // 2)

WEAK_LIMIT = 0.95  # the largest κ + |γ| of a map; at 1 images of galaxies merge into arcs and |g| exceeds 1


@dataclass(frozen=True)
class Field:
    """One cluster, numbered from 1, and how many crops to cut from it."""

    cluster: int
    crops: int
    noise: str
    boundary: str
    seed: int


def simulate(
    cases: int, seed: int = 0, noise: str = "sparse", boundary: str = "periodic"
) -> tuple[Callable[[Field], dict[str, np.ndarray]], list[Field]]:
    """The simulator of the track: `render`, and the clusters whose crops make up exactly ``cases`` cases.

    A cluster has 20 crops, or as many fewer as it takes to have forty clusters; the last has what remains.
    ``noise``: see `harness.data.simulate.noise`. ``boundary``: "periodic", as in the challenge, takes each
    crop for one period of a periodic map; "field" takes the whole field for one, so matter outside a crop
    shears it too, and no inversion of the crop alone is exact.
    """
    crops = min(max(cases // MIN_CLUSTERS, 1), MAX_CROPS)
    return render, [
        Field(cluster, min(crops, cases - first), noise, boundary, seed)
        for cluster, first in enumerate(range(0, cases, crops), 1)
    ]


def render(field: Field) -> dict[str, np.ndarray]:
    """The n cases of one field, the same bytes each time and in every process.

    Returns ``epsilon`` (n, 128, 128, 3) float16, the reduced shear with noise and its flag Δe; ``kappa``
    (n, 128, 128) float16; ``case_id`` (n,) bytes, ``<cluster>_<crop>`` with five digits each; ``group`` (n,)
    int32, the cluster.
    """
    rng = np.random.default_rng(np.random.SeedSequence(field.seed, spawn_key=(field.cluster,)))
    whole = convergence(rng)
    rows, columns = 1 + np.array(np.divmod(rng.choice(CROP * CROP, field.crops, replace=False), CROP))
    if field.boundary == "field":
        whole, whole_shear = reduced_shear(whole)
    epsilon = np.empty((field.crops, CROP, CROP, 3), np.float16)
    kappa = np.empty((field.crops, CROP, CROP), np.float16)
    for start in range(0, field.crops, FFT_CHUNK):  # few at a time stay in the processor's cache
        chunk = slice(start, start + FFT_CHUNK)
        maps = _cut(whole, rows[chunk], columns[chunk])
        if field.boundary == "periodic":
            maps, shear = reduced_shear(maps)
        else:
            shear = _cut(whole_shear, rows[chunk], columns[chunk])
        epsilon[chunk] = add_noise(shear, field.noise, rng)
        kappa[chunk] = maps
    return {
        "epsilon": epsilon,
        "kappa": kappa,
        "case_id": np.array([f"{field.cluster:05d}_{crop:05d}" for crop in range(1, field.crops + 1)], "S11"),
        "group": np.full(field.crops, field.cluster, np.int32),
    }


def convergence(rng: np.random.Generator) -> np.ndarray:
    """κ of one field, (256, 256) float32, periodic, seen against a sky of mean 0."""
    small = rng.poisson(SMALL_HALOES)
    masses = 1 / rng.uniform(1 / SMALL_MASSES[1], 1 / SMALL_MASSES[0], small)  # dN/dM ∝ M⁻²
    smaller = _haloes(masses, rng.uniform(0, FIELD, (small, 2)), rng)
    spectrum = fft.rfft2(rng.standard_normal((FIELD, FIELD), dtype=np.float32))
    spectrum *= _amplitude(POWER, KNEE, SLOPE)
    background = SHIFT * np.exp(fft.irfft2(spectrum, s=(FIELD, FIELD), overwrite_x=True)) + smaller
    low, high = np.log(CLUSTER_MASSES)
    cluster = _haloes(np.exp(rng.uniform(low, high, 1)), FIELD / 2 + rng.random((1, 2)), rng)
    return background + (OVERDENSITY - background.mean()) + cluster


def reduced_shear(kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Periodic convergence maps (..., H, W) and their reduced shear g = γ / (1 − κ), (..., H, W, 2).

    Strong lensing is not simulated: a map whose largest κ + |γ| exceeds 0.95 comes back scaled down to that
    as a whole, which keeps its shape and the relation of κ and γ. So |g| < 1 in every pixel.
    """
    gamma = shear_from_convergence(kappa)
    strength = (kappa + np.sqrt(gamma[0] ** 2 + gamma[1] ** 2)).max(axis=(-2, -1), keepdims=True)
    scale = WEAK_LIMIT / np.maximum(strength, WEAK_LIMIT)
    weak = kappa * scale
    gamma *= scale / (1 - weak)
    return weak, np.moveaxis(gamma, 0, -1)


def _cut(maps: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Crops (n, 128, 128, ...) of maps (256, 256, ...), from their upper left corners."""
    windows = sliding_window_view(maps, (CROP, CROP), axis=(0, 1))
    return np.moveaxis(windows[rows, columns], (-2, -1), (1, 2))


@cache
def _amplitude(power: float, knee: float, slope: float) -> np.ndarray:
    """What the spectrum of white noise is multiplied by to have the power spectrum of the background."""
    k = 2 * np.pi / PIXEL_ARCMIN * np.hypot(*wavenumbers(FIELD, FIELD))
    return np.asarray(np.sqrt(power) / PIXEL_ARCMIN * (1 + (k / knee) ** 2) ** (-slope / 4), np.float32)


def _haloes(masses: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """κ of elliptical NFW haloes of random redshifts and shapes at (row, column) of a periodic field."""
    kappa = np.zeros((FIELD + CROP, FIELD + CROP), np.float32)
    for mass, position in zip(masses, positions, strict=True):
        redshift = rng.uniform(*HALO_REDSHIFTS)
        concentration = 5.71 * (mass / 2e12) ** -0.084 * (1 + redshift) ** -0.47  # Duffy et al. 2008
        halo = galsim.NFWHalo(mass, concentration, redshift)
        profile = halo.getConvergence((RADII * PIXEL_ARCMIN, 0 * RADII), SOURCE_REDSHIFT, galsim.arcmin)
        ellipse = galsim.Shear(q=rng.uniform(*AXIS_RATIOS), beta=rng.uniform(0, np.pi) * galsim.radians)
        (xx, xy), (_, yy) = np.linalg.inv(ellipse.getMatrix() @ ellipse.getMatrix()).astype(np.float32)
        y, x = ((STAMP - coordinate % 1).astype(np.float32) for coordinate in position)
        y = y[:, None]
        square = (xx * x**2 + (2 * xy * x) * y + (yy * y**2 + SOFTENING**2)) / np.float32(SOFTENING**2)
        index = (np.log(square) * np.float32(STEPS) + np.float32(0.5)).astype(np.int32)
        table = np.interp(TABLE, RADII, profile - profile[-1]).astype(np.float32)
        row, column = (position.astype(int) - CROP // 2) % FIELD
        kappa[row : row + CROP, column : column + CROP] += table.take(index, mode="clip")
    kappa[:CROP] += kappa[FIELD:]  # what lies beyond an edge comes in at the other
    kappa[:, :CROP] += kappa[:, FIELD:]
    return kappa[:FIELD, :FIELD]
