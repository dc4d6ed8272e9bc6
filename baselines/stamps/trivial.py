"""Class-prior baseline."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from baselines.protocol import Cases, Training, must_be, untrained
from baselines.stamps.preparation import N_CLASSES, class_labels

FILE = "shares.json"


@dataclass
class Majority:
    """The class frequencies of the training set, predicted for every case.

    So all cases are predicted to be of the largest class; among equals, of the one numbered lowest.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "predicts the class frequencies of the training set for every alert"

    shares: np.ndarray | None = field(default=None, init=False, repr=False)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:  # noqa: ARG002
        """Count the classes; return their shares."""
        labels = class_labels(train)
        self.shares = np.bincount(labels, minlength=N_CLASSES) / len(labels)
        return {"class_shares": self.shares.tolist()}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """The shares, (n, 5), the same for all; `BaselineError` before `fit`."""
        if self.shares is None:
            raise untrained("majority")
        return np.tile(self.shares.astype(np.float32), (len(inputs), 1))

    def save(self, folder: Path) -> None:
        """Write the shares as JSON."""
        assert self.shares is not None, "fit or restore comes first"
        (folder / FILE).write_text(json.dumps(self.shares.tolist()) + "\n", encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Read them again; `BaselineError` if the file holds no shares."""
        path = folder / FILE
        try:
            shares = np.array(json.loads(path.read_text(encoding="utf-8")), dtype=np.float64)
        except (OSError, ValueError, TypeError) as error:
            raise must_be(str(path), "the JSON file of a trained majority", error) from error
        if shares.shape != (N_CLASSES,) or not (shares.min() >= 0 and np.isclose(shares.sum(), 1)):
            raise must_be(str(path), f"{N_CLASSES} shares that add up to 1", shares)
        self.shares = shares
