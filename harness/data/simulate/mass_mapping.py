"""Simulated cases of the mass-mapping track: crops of galaxy clusters, their convergence and ellipticities.

A cluster is a periodic field of 256 × 256 pixels: a lognormal background (Hilbert, Hartlap & Schneider 2011,
A&A 536, A85), a few smaller NFW haloes, and one massive halo in the middle. Its cases are crops of 128 × 128
at random places around that halo: all show the cluster, all overlap, and a split must keep them together.

GalSim evaluates the haloes. `SPECTRA` has the constants of two kinds of fields, and what they were fitted to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import galsim
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

from baselines.mass_mapping.kaiser_squires import FFT_CHUNK, shear_from_convergence, wavenumbers
from harness.data.simulate.noise import add_noise

CROP = 128
FIELD = 2 * CROP
MAX_CROPS, MIN_CLUSTERS = 20, 40

# Haloes: masses in M☉/h inside 200 times the critical density.
SOURCE_REDSHIFT = 1.0
HALO_REDSHIFTS = (0.2, 0.5)
CLUSTER_MASSES = (1.5e14, 1e15)  # uniform in the logarithm
SMALL_MASSES = (7e13, 4e14)
AXIS_RATIOS = (0.6, 1.0)


@dataclass(frozen=True)
class Spectrum:
    """The constants of one kind of fields.

    The background is κ = ``shift`` · exp g. The power spectrum of the Gaussian field g is
    P(k) = ``power`` / (1 + (k / ``knee``)²)^(``slope`` / 2) in arcmin², with k in rad/arcmin.
    """

    pixel: float  # its width in arcmin
    shift: float
    power: float
    knee: float
    slope: float
    mean: float  # κ of background and smaller haloes
    small_haloes: int  # mean number in a field
    softening: float  # pixels, added to every radius of a halo in quadrature: κ of NFW diverges at 0
    edge: int  # pixels; beyond this softened radius a halo is 0


SPECTRA = {
    "challenge": Spectrum(
        pixel=0.19, shift=0.072, power=1.5, knee=1.1, slope=4.0, mean=-0.0125,
        small_haloes=3, softening=3.0, edge=96,
    ),
    "ray-traced": Spectrum(
        pixel=0.4, shift=0.041, power=2.0, knee=0.67, slope=2.4, mean=0.002,
        small_haloes=8, softening=0.5, edge=48,
    ),
}  # fmt: skip
"""The kinds of fields.

"challenge" was fitted to two published training cases of the challenge: mean, standard deviation, extremes
and skewness of κ, the correlation of neighbouring pixels, and the power at 8 to 12, 20 to 28 and 40 to 60
cycles a map over that at 2 to 4. The two are smooth, with strong gradients and a negative mean. The constants
describe them; no cosmology follows from two maps. A pixel is as wide as their shear suggests.

"ray-traced" was fitted to the one-point distribution and the power spectrum of κTNG (Osato, Liu & Haiman
2021, MNRAS 502, 5593). A pixel holds five galaxies: fewer would leave pixels empty, more would blur peaks.
"""

RADII = 64  # at which GalSim evaluates a halo
STEPS = 256  # of the table that pixels are looked up in, for each unit of ln r²: κ is exact to 0.2 %

WEAK_LIMIT = 0.95  # the largest κ + |γ| of a map; at 1 images of galaxies merge into arcs and |g| exceeds 1


@dataclass(frozen=True)
class Field:
    """One cluster, numbered from 1, and how many crops to cut from it."""

    cluster: int
    crops: int
    noise: str
    boundary: str
    spectrum: str
    seed: int


def simulate(
    cases: int, seed: int = 0, noise: str = "sparse", boundary: str = "periodic", spectrum: str = "challenge"
) -> tuple[Callable[[Field], dict[str, np.ndarray]], list[Field]]:
    """The simulator of the track: `render`, and the clusters whose crops make up exactly ``cases`` cases.

    A cluster has 20 crops, or as many fewer as it takes to have forty clusters; the last has what remains.
    ``noise``: see `harness.data.simulate.noise`. ``boundary``: "periodic", as in the published cases of the
    challenge, takes each crop for one period of a periodic map. An inversion of the crop then solves with the
    operator that made the shear (an inverse crime). "field" takes the whole field for one period: matter
    outside a crop shears it too, and no inversion of the crop alone is exact. ``spectrum``: see `SPECTRA`.
    """
    crops = min(max(cases // MIN_CLUSTERS, 1), MAX_CROPS)
    return render, [
        Field(cluster, min(crops, cases - first), noise, boundary, spectrum, seed)
        for cluster, first in enumerate(range(0, cases, crops), 1)
    ]


def render(field: Field) -> dict[str, np.ndarray]:
    """The n cases of one field, the same bytes each time and in every process.

    Returns ``epsilon`` (n, 128, 128, 3) float16, the reduced shear with noise and its flag Δe; ``kappa``
    (n, 128, 128) float16; ``case_id`` (n,) bytes, ``<cluster>_<crop>`` with five digits each; ``group`` (n,)
    int32, the cluster.
    """
    rng = np.random.default_rng(np.random.SeedSequence(field.seed, spawn_key=(field.cluster,)))
    spectrum = SPECTRA[field.spectrum]
    whole = convergence(spectrum, rng)
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
        epsilon[chunk] = add_noise(shear, field.noise, spectrum.pixel, rng)
        kappa[chunk] = maps
    return {
        "epsilon": epsilon,
        "kappa": kappa,
        "case_id": np.array([f"{field.cluster:05d}_{crop:05d}" for crop in range(1, field.crops + 1)], "S11"),
        "group": np.full(field.crops, field.cluster, np.int32),
    }


def convergence(spectrum: Spectrum, rng: np.random.Generator) -> np.ndarray:
    """κ of one field, (256, 256) float32, periodic."""
    small = rng.poisson(spectrum.small_haloes)
    masses = 1 / rng.uniform(1 / SMALL_MASSES[1], 1 / SMALL_MASSES[0], small)  # dN/dM ∝ M⁻²
    smaller = _haloes(spectrum, masses, rng.uniform(0, FIELD, (small, 2)), rng)
    modes = fft.rfft2(rng.standard_normal((FIELD, FIELD), dtype=np.float32))
    modes *= _amplitude(spectrum)
    gaussian = fft.irfft2(modes, s=(FIELD, FIELD), overwrite_x=True)
    background = spectrum.shift * np.exp(gaussian) + smaller
    low, high = np.log(CLUSTER_MASSES)
    mass, position = np.exp(rng.uniform(low, high, 1)), FIELD / 2 + rng.random((1, 2))
    return background + (spectrum.mean - background.mean()) + _haloes(spectrum, mass, position, rng)


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
def _amplitude(spectrum: Spectrum) -> np.ndarray:
    """What the spectrum of white noise is multiplied by to have the power spectrum of the background."""
    k = 2 * np.pi / spectrum.pixel * np.hypot(*wavenumbers(FIELD, FIELD))
    shape = (1 + (k / spectrum.knee) ** 2) ** (-spectrum.slope / 4)
    return np.asarray(np.sqrt(spectrum.power) / spectrum.pixel * shape, np.float32)


@cache
def _distances(softening: float, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Softened radii in pixels: those at which a halo is evaluated, those of the table for its pixels."""
    steps = np.arange(STEPS * 2 * np.log(edge / softening) + 1)
    return np.geomspace(softening, edge, RADII), softening * np.exp(steps / (2 * STEPS))


def _haloes(
    spectrum: Spectrum, masses: np.ndarray, positions: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """κ of elliptical NFW haloes of random redshifts and shapes at (row, column) of a periodic field."""
    softening, half = spectrum.softening, spectrum.edge * 4 // 3  # room for the major axis of an ellipse
    radii, distances = _distances(softening, spectrum.edge)
    stamp = np.arange(-half, half)
    kappa = np.zeros((FIELD + 2 * half, FIELD + 2 * half), np.float32)
    for mass, position in zip(masses, positions, strict=True):
        redshift = rng.uniform(*HALO_REDSHIFTS)
        concentration = 5.71 * (mass / 2e12) ** -0.084 * (1 + redshift) ** -0.47  # Duffy et al. 2008
        halo = galsim.NFWHalo(mass, concentration, redshift)
        profile = halo.getConvergence((radii * spectrum.pixel, 0 * radii), SOURCE_REDSHIFT, galsim.arcmin)
        ellipse = galsim.Shear(q=rng.uniform(*AXIS_RATIOS), beta=rng.uniform(0, np.pi) * galsim.radians)
        (xx, xy), (_, yy) = np.linalg.inv(ellipse.getMatrix() @ ellipse.getMatrix()).astype(np.float32)
        y, x = ((stamp - coordinate % 1).astype(np.float32) for coordinate in position)
        y = y[:, None]
        square = (xx * x**2 + (2 * xy * x) * y + (yy * y**2 + softening**2)) / np.float32(softening**2)
        index = (np.log(square) * np.float32(STEPS) + np.float32(0.5)).astype(np.int32)
        table = np.interp(distances, radii, profile - profile[-1]).astype(np.float32)
        row, column = (position.astype(int) - half) % FIELD
        kappa[row : row + 2 * half, column : column + 2 * half] += table.take(index, mode="clip")
    kappa[: 2 * half] += kappa[FIELD:]  # what lies beyond an edge comes in at the other
    kappa[:, : 2 * half] += kappa[:, FIELD:]
    return kappa[:FIELD, :FIELD]
