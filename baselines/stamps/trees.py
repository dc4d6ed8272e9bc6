"""Boosted trees on metadata, without images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from baselines.protocol import BaselineError, Cases, Training, must_be, untrained
from baselines.stamps.metadata import COLUMNS, column_names, features_of, metadata_features
from baselines.stamps.preparation import N_CLASSES, class_labels
from metrics import log_loss

FILE = "trees.skops"
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]  # beside what skops knows


@dataclass
class MetadataTrees:
    """Histogram-based gradient boosting, every class with the same total weight.

    ``columns`` names the metadata, separated by blanks; ``?`` marks columns that may be missing. Of up to
    ``iterations`` trees a class, as many are kept as give the lowest log-loss on the validation set.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "gradient-boosted trees on the metadata alone"
    packages: ClassVar[tuple[str, ...]] = ("sklearn", "skops")
    needs_metadata: ClassVar[bool] = True

    iterations: int = 200
    learning_rate: float = 0.05
    columns: str = COLUMNS
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.names = column_names(self.columns)
        if not (self.iterations >= 1 and 0 < self.learning_rate < float("inf")):
            raise must_be("iterations and learning_rate", "positive", self)

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Fit the trees; return the number of iterations that is kept, and its validation log-loss."""
        labels, features = class_labels(train), features_of(train, self.names)
        validation_labels, validation_features = class_labels(validation), features_of(validation, self.names)
        if len(np.unique(labels)) < 2:
            raise must_be("training cases", "of two classes or more", f"class {labels[0]} alone")
        # A column without any value cannot be binned; on a constant one no tree splits.
        features[:, np.isnan(features).all(axis=0)] = 0
        training.progress(0, 2, f"{self.iterations} trees a class")
        model = self._trees(self.iterations, training.seed).fit(features, labels)
        stages = model.staged_predict_proba(validation_features)
        losses = [log_loss(validation_labels, _of_all_classes(model, stage)) for stage in stages]
        best = int(np.argmin(losses)) + 1
        training.progress(1, 2, f"{best} of them, log-loss {losses[best - 1]:.4f}")
        self.model = self._trees(best, training.seed).fit(features, labels)
        training.progress(2, 2, "done")
        return {"iterations": best, "val_log_loss": losses[best - 1]}

    def _trees(self, iterations: int, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=iterations, learning_rate=self.learning_rate, class_weight="balanced",
            early_stopping=False, random_state=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        )  # fmt: skip

    def predict(self, inputs: np.ndarray, metadata: np.ndarray | None = None) -> np.ndarray:  # noqa: ARG002
        """Class probabilities (n, 5) from metadata (n,) alone; `BaselineError` before `fit`."""
        if self.model is None:
            raise untrained("metadata-trees")
        features = metadata_features(metadata, self.names)
        return _of_all_classes(self.model, self.model.predict_proba(features))

    def save(self, folder: Path) -> None:
        """Write the trees as ``trees.skops``."""
        from skops import io

        io.dump(self.model, folder / FILE)

    def restore(self, folder: Path) -> None:
        """Read the trees again; `BaselineError` for a file with any type that trees do not need.

        No code in the file is run.
        """
        from skops import io

        path = folder / FILE
        try:
            model = io.load(path, trusted=TRUSTED)
            kind, columns = type(model), model.n_features_in_
        except Exception as error:  # skops raises many kinds of errors on a damaged file
            raise BaselineError(f"{path} holds no trees that can be loaded: {error}") from error
        if (kind, columns) != (type(self._trees(1, 0)), len(self.names)):
            raise must_be(str(path), f"trees on {len(self.names)} columns", f"{kind.__name__} on {columns}")
        self.model = model


def _of_all_classes(model: Any, probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (n, 5) float32, 0 for classes that the training set had no case of."""
    all_classes = np.zeros((len(probabilities), N_CLASSES), np.float32)
    all_classes[:, model.classes_] = probabilities
    return all_classes
