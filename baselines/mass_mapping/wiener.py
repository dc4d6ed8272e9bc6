"""The Wiener filter of KS93 maps, learnt from pairs of maps instead of assumed power spectra."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import fft

from baselines.mass_mapping.inversion import (
    MAX_TRAINING_CASES,
    Inversion,
    components,
    mean_convergence,
    sample,
)
from baselines.mass_mapping.kaiser_squires import convergence_from_shear, wavenumbers
from baselines.protocol import Cases, Training, untrained


class Wiener(Inversion):
    """KS93 times W(k) in Fourier space, plus the mean of the training set; Δe is ignored.

    W(k) = <κ κ̂*> / <|κ̂|²>, averaged over training cases and over rings of k, with κ̂ the KS93 map: of all
    isotropic linear filters the one of least squared error.
    """

    summary: ClassVar[str] = "KS93 and a Wiener filter estimated from the training set"
    defaults: ClassVar[dict[str, Any]] = {"mean": 0.0, "wavenumbers": [], "filter": []}

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:  # noqa: ARG002
        """Estimate filter and mean from training cases; return the mean and the number of cases used."""
        k, ratio = wiener_filter(train)
        self.learnt = {"mean": mean_convergence(train), "wavenumbers": k.tolist(), "filter": ratio.tolist()}
        return {"mean": self.learnt["mean"], "training_cases": min(len(train), MAX_TRAINING_CASES)}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Convergence (n, H, W) of ellipticity maps (n, H, W, 3); `BaselineError` before `fit`."""
        if not self.learnt["filter"]:
            raise untrained("wiener")
        e1, e2, _ = components(inputs)
        ratio = np.interp(_radius(e1.shape), self.learnt["wavenumbers"], self.learnt["filter"])
        return np.asarray(convergence_from_shear(e1, e2, ratio) + np.float32(self.learnt["mean"]))


def wiener_filter(train: Cases) -> tuple[np.ndarray, np.ndarray]:
    """Wavenumbers above 0 in cycles per pixel, one mode apart, and W in the ring around each."""
    cross = power = np.float64(0.0)
    for inputs, truth in sample(train, MAX_TRAINING_CASES):
        e1, e2, _ = components(inputs)
        observed = fft.rfft2(convergence_from_shear(e1, e2))
        cross = cross + (fft.rfft2(truth) * observed.conj()).real.sum(axis=0, dtype=np.float64)
        power = power + (np.abs(observed) ** 2).sum(axis=0, dtype=np.float64)
    modes = max(truth.shape[-2:])
    ring = np.rint(_radius(truth.shape) * modes).astype(int).ravel()
    above, below = np.bincount(ring, np.ravel(cross)), np.bincount(ring, np.ravel(power))
    ratio = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return np.arange(1, len(ratio)) / modes, ratio[1:]


def _radius(shape: tuple[int, ...]) -> np.ndarray:
    """|k| of a real transform, (H, W // 2 + 1), in cycles per pixel."""
    return np.asarray(np.hypot(*wavenumbers(*shape[-2:])))
