"""The baseline that does not look."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from baselines.mass_mapping.inversion import TunedInversion, components
from baselines.protocol import Cases, Training


class Zeros(TunedInversion):
    """κ = 0 everywhere, which WMAPE alone would rank above most networks."""

    summary: ClassVar[str] = "no convergence anywhere"

    def __init__(self) -> None:
        self.learnt: dict[str, Any] = {}

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return np.zeros_like(components(inputs)[0])
