"""Kaiser–Squires inversion of periodic maps: shear from convergence, convergence from shear.

The conventions are those of lenspack and GalSim. Maps are indexed (row, column) = (y, x), k1 runs along
the columns and k2 along the rows. With κ̂ and γ̂ the Fourier transforms of convergence and shear

    γ̂1 = (k1² − k2²)/k² · κ̂      γ̂2 = 2·k1·k2/k² · κ̂      κ̂ = (k1² − k2²)/k² · γ̂1 + 2·k1·k2/k² · γ̂2

(Kaiser & Squires 1993, ApJ 404, 441). The mode k = 0 carries no shear: every inverted map has mean 0. On
the Nyquist row and column of an even grid k and −k are one mode, so that 2·k1·k2 has no single sign: there
it is 0, the mean of the two, which makes the inversion commute with the symmetries of the square. A map
with power at Nyquist therefore does not come back whole.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from scipy import fft

from baselines.mass_mapping.inversion import SIGMAS, Inversion, choose, components
from baselines.protocol import Cases, Training

MIN_CHUNKS_FOR_THREADS = 16
FFT_CHUNK = 8  # maps transformed together: few enough for their spectra to stay in the processor's cache


def wavenumbers(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """k1 (1, width // 2 + 1) and k2 (height, 1) of a real transform, in cycles per pixel."""
    return np.fft.rfftfreq(width)[None, :], np.fft.fftfreq(height)[:, None]


@lru_cache(maxsize=8)
def _shear_kernels(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(k1² − k2²)/k² and 2·k1·k2/k², (height, width // 2 + 1)."""
    k1, k2 = wavenumbers(height, width)
    square = k1**2 + k2**2
    square[0, 0] = 1.0
    nyquist = (np.abs(k1) == 0.5) | (np.abs(k2) == 0.5)
    return (k1**2 - k2**2) / square, np.where(nyquist, 0.0, 2.0 * k1 * k2 / square)


def gaussian_transfer(shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """A Gaussian of ``sigma`` pixels as a transfer function of periodic maps (..., H, W) of a shape."""
    k1, k2 = wavenumbers(*shape[-2:])
    return np.asarray(np.exp(-2.0 * (np.pi * sigma) ** 2 * (k1**2 + k2**2)))


def filter_maps(maps: Sequence[np.ndarray], transfers: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of periodic maps, each multiplied in Fourier space by its real transfer function.

    ``maps``: (..., H, W) each; ``transfers``: (H, W // 2 + 1) each. Returns (..., H, W), float64 if a map
    is, else float32. Raises ``ValueError`` when the maps' shapes differ.
    """
    arrays = [np.asarray(each) for each in maps]
    shape, dtype = arrays[0].shape, np.result_type(np.float32, *arrays)
    if len(shape) < 2 or any(array.shape != shape for array in arrays):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"maps must be of one shape (..., H, W), got {shapes}")
    stacks = [array.reshape(-1, *shape[-2:]) for array in arrays]
    # Real and imaginary parts lie side by side: a doubled kernel takes both at the price of a real product.
    kernels = [np.repeat(transfer, 2, axis=-1).astype(dtype) for transfer in transfers]
    filtered = np.empty(stacks[0].shape, dtype)

    def fill(start: int) -> None:
        chunk = slice(start, start + FFT_CHUNK)
        spectra = [fft.rfft2(stack[chunk].astype(dtype, copy=False)) for stack in stacks]
        for spectrum, kernel in zip(spectra, kernels, strict=True):
            spectrum.view(dtype)[...] *= kernel
        for spectrum in spectra[1:]:
            spectra[0] += spectrum
        filtered[chunk] = fft.irfft2(spectra[0], s=shape[-2:], overwrite_x=True)

    starts = range(0, len(filtered), FFT_CHUNK)
    with ThreadPoolExecutor(os.cpu_count() if len(starts) >= MIN_CHUNKS_FOR_THREADS else 1) as pool:
        list(pool.map(fill, starts))
    return filtered.reshape(shape)


def shear_from_convergence(kappa: np.ndarray) -> np.ndarray:
    """γ1 and γ2, (2, ..., H, W), of periodic convergence maps (..., H, W); float32 in, float32 out."""
    maps = np.asarray(kappa, np.result_type(np.float32, kappa))
    size = maps.shape[-2:]
    stack, gamma = maps.reshape(-1, *size), np.empty((2, math.prod(maps.shape[:-2]), *size), maps.dtype)
    kernels = [kernel.astype(maps.dtype) for kernel in _shear_kernels(*size)]
    for start in range(0, len(stack), FFT_CHUNK):
        chunk = slice(start, start + FFT_CHUNK)
        spectrum = fft.rfft2(stack[chunk])
        for component, kernel in zip(gamma, kernels, strict=True):
            component[chunk] = fft.irfft2(spectrum * kernel, s=size, overwrite_x=True)
    return gamma.reshape(2, *maps.shape)


def convergence_from_shear(
    gamma1: np.ndarray, gamma2: np.ndarray, transfer: np.ndarray | float = 1.0
) -> np.ndarray:
    """The E-mode convergence of periodic shear maps (..., H, W), of mean 0; float32 in, float32 out.

    ``transfer`` (H, W // 2 + 1) filters it in the same pass. The B-mode, which lensing does not make and
    which therefore shows noise and errors, is ``convergence_from_shear(gamma2, -gamma1)``.
    """
    cosine, sine = _shear_kernels(*np.shape(gamma1)[-2:])
    return filter_maps([gamma1, gamma2], [cosine * transfer, sine * transfer])


class KaiserSquires(Inversion):
    """KS93 of all ellipticities, smoothed by a Gaussian whose width is chosen on validation cases.

    Δe is ignored, reduced shear is taken for shear, and the mean of every map is 0, as KS93 leaves it.
    """

    summary: ClassVar[str] = "Kaiser & Squires (1993), smoothed by a Gaussian of tuned width"
    defaults: ClassVar[dict[str, Any]] = {"sigma": 0.0}

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:  # noqa: ARG002
        """Choose sigma on validation cases; return it with its validation scores."""

        def attempts(inputs: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
            return ((sigma, smoothed_convergence(inputs, sigma)) for sigma in SIGMAS)

        sigma, scores = choose(validation, attempts, training)
        self.learnt = {"sigma": sigma}
        return self.learnt | scores

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Convergence (n, H, W) of ellipticity maps (n, H, W, 3)."""
        return smoothed_convergence(inputs, self.learnt["sigma"])


def smoothed_convergence(inputs: np.ndarray, sigma: float) -> np.ndarray:
    """KS93 of ellipticity maps (n, H, W, 3), smoothed by a Gaussian of ``sigma`` pixels: (n, H, W)."""
    e1, e2, _ = components(inputs)
    return convergence_from_shear(e1, e2, gaussian_transfer(e1.shape, sigma))
