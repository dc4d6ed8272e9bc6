"""All-zero baseline."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from baselines.mass_mapping.inversion import Inversion, components
from baselines.protocol import Cases, Training


class Zeros(Inversion):
    """κ = 0 everywhere, which WMAPE alone would rank above most networks."""

    summary: ClassVar[str] = "predicts κ = 0 everywhere"
    defaults: ClassVar[dict[str, Any]] = {}

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:  # noqa: ARG002
        """Learn nothing; return an empty record."""
        return {}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Zeros (n, H, W) for ellipticity maps (n, H, W, 3)."""
        return np.zeros_like(components(inputs)[0])
