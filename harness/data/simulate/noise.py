"""From shear maps to ellipticity maps: the noise models of the mass-mapping track.

| model | noisy pixels | σ of e1, e2 and Δe there | where it comes from |
|---|---|---|---|
| sparse | 31 % | 0.33 | published cases of the challenge: elsewhere Δe is 0 and the shear free of noise |
| dense | all | 0.26 / √(30 · area) | shapes of σ_e = 0.26 per component, averaged over a pixel's galaxies |

An arcmin² of sky has 30 galaxies, and the area of a pixel is in arcmin². So the σ of dense noise is 0.119 in
pixels 0.4′ wide, and 0.250 in pixels 0.19′ wide.

In both, Δe is a draw of its own, signed and uncorrelated with the noise: it says that a pixel is noisy, not
by how much.
"""

import math
from collections.abc import Callable

import numpy as np

SHAPE_NOISE = 0.26
GALAXIES_PER_ARCMIN2 = 30.0

NOISE_MODELS: dict[str, tuple[float, Callable[[float], float]]] = {
    "sparse": (0.31, lambda _: 0.33),
    "dense": (1.0, lambda pixel: SHAPE_NOISE / math.sqrt(GALAXIES_PER_ARCMIN2 * pixel**2)),
}
"""The fraction of noisy pixels, and σ by the width of a pixel in arcmin."""
_SMALLEST_FLAG = 1e-5  # in σ; a Δe much below it would become 0 in float16, and call its pixel noise-free
_BLOCK = 2**14  # numbers at a time that stay in the processor's cache


def add_noise(shear: np.ndarray, model: str, pixel: float, rng: np.random.Generator) -> np.ndarray:
    """Ellipticity maps (e1, e2, Δe) of (reduced) shear maps.

    ``shear``: (..., H, W, 2), with pixels ``pixel`` arcmin wide. Returns (..., H, W, 3) float32, where Δe is
    exactly 0 in the pixels free of noise and in no other, even after rounding to float16.
    """
    fraction, sigma = NOISE_MODELS[model]
    # Plane by plane, each one long loop: NumPy is slow along an axis of three.
    planes = _normals(rng, (3, *shear.shape[:-1]))
    planes[2][np.abs(planes[2]) < _SMALLEST_FLAG] = _SMALLEST_FLAG
    planes *= np.float32(sigma(pixel))
    if fraction < 1:
        planes *= rng.random(shear.shape[:-1], dtype=np.float32) < fraction
    for component in range(2):
        planes[component] += shear[..., component]
    return np.moveaxis(planes, 0, -1)


def _normals(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Independent N(0, 1) in float32 (Box & Muller 1958), in half the time of ``rng.standard_normal``."""
    count = math.prod(shape)
    pairs = np.empty((2, -(-count // 2)), np.float32)
    for start in range(0, pairs.shape[1], _BLOCK):
        block = pairs[:, start : start + _BLOCK]
        radius, angle = rng.integers(2**32, size=block.shape, dtype=np.uint32).astype(np.float32)
        radius += 1
        radius *= np.float32(2**-32)
        np.log(radius, out=radius)
        radius *= -2
        np.sqrt(radius, out=radius)
        angle *= np.float32(2 * np.pi * 2**-32)
        np.cos(angle, out=block[0])
        np.sin(angle, out=block[1])
        block *= radius
    return pairs.reshape(-1)[:count].reshape(shape)
