"""KS93 from the noise-free pixels: exact inversion of a reduced shear that is known in most of the map.

Where Δe = 0 the reduced shear g = γ / (1 − κ) is free of noise. With γ = D κ, the transform of Kaiser &
Squires, these pixels satisfy

    D κ + g κ = g

which is linear in κ. A noise-free pixel gives two equations and a pixel has one unknown, so more than half
of the pixels determine the map up to κ → 1 − λ (1 − κ), which leaves g as it is (the mass-sheet degeneracy;
Schneider & Seitz 1995, A&A 294, 411). The mean is therefore taken from the training set.

The noisy pixels are filled in from their neighbours and the map inverted. From there every round steps
towards the least-squares solution by conjugate gradients (Hestenes & Stiefel 1952, J. Res. NBS 49, 409).
The plain iteration κ ← KS93(g (1 − κ)), with g in the noisy pixels as the last κ predicts it, has the same
limit, but steps down the gradient without looking back and needs about five times as many rounds.

A crop of a wider field is not one period of a periodic map. A border of unobserved pixels around it makes
room for the matter outside, and the same equations hold. The width of the border, the number of rounds (which
amplify the noise of the shear) and the smoothing are chosen on validation cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from baselines.mass_mapping.inversion import SIGMAS, Inversion, choose, components, mean_convergence
from baselines.mass_mapping.kaiser_squires import (
    convergence_from_shear,
    filter_maps,
    gaussian_transfer,
    shear_from_convergence,
)
from baselines.protocol import Cases, Training

BORDERS = (0, 32)  # pixels on each side
ROUNDS = (0, 1, 2, 4, 8, 16, 24)
FEW_SIGMAS = (0.0, 0.5, 1.0)  # for inversions of the noise-free pixels; plain KS93 has all SIGMAS
FILL_SIGMA = 0.7  # pixels: the nearest neighbours count most
SOLVE_CHUNK = 8
TINY = np.finfo(np.float32).tiny


class MaskedKaiserSquires(Inversion):
    """KS93 that identifies noise-free pixels by Δe, and inverts reduced shear instead of shear.

    A case without noise-free pixels counts as one without noise. Every map has the training set's mean.
    """

    summary: ClassVar[str] = "KS93 from the noise-free pixels; the noisy ones are solved for iteratively"
    defaults: ClassVar[dict[str, Any]] = {"border": 0, "rounds": max(ROUNDS), "sigma": 0.0, "mean": 0.0}

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Choose border, rounds and sigma on validation cases; return them with their scores there."""
        mean = mean_convergence(train)
        (border, rounds, sigma), scores = choose(validation, lambda inputs: _attempts(inputs, mean), training)
        self.learnt = {"border": border, "rounds": rounds, "sigma": sigma, "mean": mean}
        return self.learnt | scores

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Convergence (n, H, W) of ellipticity maps (n, H, W, 3)."""
        e1, e2, error = components(inputs)
        kappa, rounds = np.empty_like(e1), self.learnt["rounds"]
        for start in range(0, len(kappa), SOLVE_CHUNK):
            chunk = slice(start, start + SOLVE_CHUNK)
            iterates = inversions(e1[chunk], e2[chunk], error[chunk], self.learnt["border"])
            kappa[chunk] = next(islice(iterates, rounds, None))
        return _finished(kappa, self.learnt["sigma"], self.learnt["mean"])


def _attempts(inputs: np.ndarray, mean: float) -> Iterator[tuple[tuple[int, int, float], np.ndarray]]:
    for border in BORDERS:
        iterates = inversions(*components(inputs), border)
        for rounds, kappa in enumerate(islice(iterates, max(ROUNDS) + 1)):
            if rounds in ROUNDS:
                for sigma in FEW_SIGMAS if rounds or border else SIGMAS:
                    yield (border, rounds, sigma), _finished(kappa, sigma, mean)


def _finished(kappa: np.ndarray, sigma: float, mean: float) -> np.ndarray:
    """The map smoothed, then shifted along the mass-sheet degeneracy to a mean."""
    smooth = filter_maps([kappa], [gaussian_transfer(kappa.shape, sigma)])
    # The mean of a crop is far below 1; the bound keeps one of nothing but noise finite.
    scale = np.float32(1.0 - mean) / np.maximum(1.0 - smooth.mean(axis=(1, 2), keepdims=True), 0.1)
    return np.asarray(1.0 - scale * (1.0 - smooth))


def inversions(e1: np.ndarray, e2: np.ndarray, error: np.ndarray, border: int = 0) -> Iterator[np.ndarray]:
    """Infinite generator of the convergence (n, H, W) after 0, 1, 2, … rounds.

    ``e1``, ``e2`` and ``error``, which is Δe: (n, H, W) float32. Round 0 is KS93 of the ellipticities as
    they are, round 1 that of the filled-in ones, every further round a step of conjugate gradients.
    """
    margin = ((0, 0), (0, 0), (border, border), (border, border))
    inside = np.s_[:, border : border + e1.shape[1], border : border + e1.shape[2]]
    epsilon = np.stack([e1, e2])
    yield convergence_from_shear(*np.pad(epsilon, margin))[inside]

    exact = error == 0
    observed = (exact | ~exact.any(axis=(1, 2), keepdims=True))[None].astype(np.float32)
    kappa = convergence_from_shear(*np.pad(_filled(epsilon, observed), margin))
    yield kappa[inside]

    g, observed = np.pad(epsilon * observed, margin), np.pad(observed, margin)

    def equations(kappa: np.ndarray) -> np.ndarray:
        """D κ + g κ in the noise-free pixels, 0 in the others."""
        return np.asarray(observed * shear_from_convergence(kappa) + g * kappa)

    def transposed(residual: np.ndarray) -> np.ndarray:
        """The adjoint of ``equations``, into maps of mean 0."""
        kappa = convergence_from_shear(*residual) + (g * residual).sum(axis=0)
        return np.asarray(kappa - kappa.mean(axis=(1, 2), keepdims=True))

    residual = g - equations(kappa)
    direction = gradient = transposed(residual)
    size = _squared(gradient[None])
    while True:
        change = equations(direction)
        step = size / np.maximum(_squared(change), TINY)  # 0 once there is nothing left to solve
        kappa = kappa + step * direction
        yield kappa[inside]
        residual -= step * change
        gradient, before = transposed(residual), size
        size = _squared(gradient[None])
        direction = gradient + size / np.maximum(before, TINY) * direction


def _filled(maps: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Unobserved pixels replaced by a weighted mean of the observed near them, or by 0 without any."""
    sigmas = (0, 0, FILL_SIGMA, FILL_SIGMA)
    total, weight = (gaussian_filter(each, sigmas, mode="wrap") for each in (maps * observed, observed))
    near = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return np.where(observed > 0, maps, near)


def _squared(maps: np.ndarray) -> np.ndarray:
    """Σ over components and pixels of maps (c, n, H, W), as (n, 1, 1)."""
    return np.asarray(np.einsum("cnij,cnij->n", maps, maps)[:, None, None])
