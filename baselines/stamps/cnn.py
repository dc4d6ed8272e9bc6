"""Convolutional networks for stamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, prod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import softmax

from baselines.protocol import BaselineError, Cases, Training
from baselines.stamps.metadata import COLUMNS, column_names, features_of, metadata_features, moments
from baselines.stamps.preparation import N_CLASSES, STAMP_SHAPE, class_labels, prepare, prepared
from baselines.stamps.sampling import SAMPLERS

PREDICTED = 64  # stamps that pass through the network together


@dataclass
class PlainCNN:
    """The plain network of Castillo & Foix (2020): cross-entropy, Adam, the smaller classes repeated.

    The defaults are theirs, but for the batch size, which they do not state: 32 is ALeRCE's. ``size`` is the
    width in pixels of the central part of the stamp that is looked at, ``kernel`` that of all convolutions
    but the first, ``beta`` the weight of the entropy in the two losses that are named after it. Training
    ends early when ``patience`` epochs, if not 0, have not lessened the loss on the validation set.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "plain convolutional network, 210,117 weights (Castillo & Foix 2020)"
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow")
    network: ClassVar[str] = "plain_cnn"  # the function of `baselines.stamps.networks` that builds it

    epochs: int = 19
    batch_size: int = 32
    learning_rate: float = 1e-3
    sampling: Literal["balanced", "middle", "unchanged"] = "balanced"
    size: Literal[21, 41, 63] = 21
    kernel: Literal[3, 5, 7] = 3
    dropout: float = 0.0
    loss: Literal["cross-entropy", "entropy", "entropy-as-printed"] = "cross-entropy"
    beta: float = 0.5
    patience: int = 0
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (min(self.epochs, self.batch_size) >= 1 and 0 < self.learning_rate < inf):
            raise BaselineError(f"epochs, batch_size and learning_rate must be positive, got {self}")
        if not (0 <= self.dropout < 1 and 0 <= self.beta < inf and self.patience >= 0):
            raise BaselineError(
                f"dropout must be 0 or more and below 1, beta and patience 0 or more, got {self}"
            )

    def new_network(self) -> Any:
        from baselines.stamps import networks

        return getattr(networks, self.network)(self.size, self.kernel, self.dropout)

    def reader(self, cases: Cases) -> Callable[[np.ndarray], np.ndarray]:
        """A function of row numbers that gives what the network sees of these cases."""
        return prepared(cases, self.size).__getitem__

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        from baselines import keras_loop as loop
        from baselines.stamps.losses import LOSSES
        from baselines.stamps.scores import TrackScores

        def build() -> loop.keras.Model:
            model = self.new_network()
            optimizer = loop.keras.optimizers.Adam(self.learning_rate)
            model.compile(optimizer=optimizer, loss=LOSSES[self.loss](self.beta), metrics=[TrackScores()])
            return model

        def batches(cases: Cases, sampling: str) -> loop.Batches:
            labels, seen = class_labels(cases), self.reader(cases)
            return loop.Batches(
                read=lambda rows: (seen(rows), labels[rows]),
                order=lambda rng: SAMPLERS[sampling](labels, rng),
                batch_size=self.batch_size,
                seed=training.seed,
            )

        shown, unseen = batches(train, self.sampling), batches(validation, "unchanged")
        self.model, reached = loop.fit(build, shown, unseen, self.epochs, training, self.patience)
        return {"weights": self.model.count_params(), "cases_an_epoch": len(shown.rows), **reached}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return self.probabilities(prepare(inputs, self.size))

    def probabilities(self, seen: np.ndarray) -> np.ndarray:
        """Class probabilities (n, 5) float32 of what ``reader`` would give."""
        if self.model is None:
            raise BaselineError("the network has learnt nothing yet: train it, or restore a trained one")
        logits = np.empty((len(seen), N_CLASSES), np.float32)
        for start in range(0, len(seen), PREDICTED):
            logits[start : start + PREDICTED] = self.model.predict_on_batch(seen[start : start + PREDICTED])
        probabilities: np.ndarray = softmax(logits, axis=1)
        return probabilities

    def save(self, folder: Path) -> None:
        from baselines import keras_loop as loop

        loop.save(self.model, folder)

    def restore(self, folder: Path) -> None:
        from baselines import keras_loop as loop
        from baselines.stamps import networks  # noqa: F401 (its layers, by whose names a file is read)

        self.model = loop.load(folder, self.seen_shape, (N_CLASSES,))

    @property
    def seen_shape(self) -> tuple[int, ...]:
        """The shape of one case as the network sees it."""
        return (self.size, self.size, STAMP_SHAPE[2])


@dataclass
class RotationInvariantCNN(PlainCNN):
    """The network of the same report that averages over four rotations, trained on the cross-entropy."""

    summary: ClassVar[str] = (
        "cnn averaged over four rotations, and so invariant to them (Castillo & Foix 2020)"
    )
    network: ClassVar[str] = "rotation_invariant_cnn"

    epochs: int = 22


@dataclass
class RotationInvariantEntropyCNN(RotationInvariantCNN):
    """The same with the regularised entropy for a loss, by its formula."""

    summary: ClassVar[str] = "cnn-rotinv with the regularised entropy for a loss (Castillo & Foix 2020)"

    epochs: int = 26
    loss: Literal["cross-entropy", "entropy", "entropy-as-printed"] = "entropy"


@dataclass
class MetadataCNN(RotationInvariantCNN):
    """The rotation-invariant network, shown metadata too.

    ``columns`` names them, with blanks between, and ``?`` behind what data may lack.
    """

    summary: ClassVar[str] = "cnn-rotinv that is shown metadata of the alert beside the stamp"
    needs_metadata: ClassVar[bool] = True

    columns: str = COLUMNS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.names = column_names(self.columns)
        self.mean, self.variance = np.zeros(len(self.names)), np.ones(len(self.names))

    def new_network(self) -> Any:
        from baselines.stamps.networks import cnn_with_metadata

        return cnn_with_metadata(self.size, self.kernel, self.dropout, self.mean, self.variance)

    def reader(self, cases: Cases) -> Callable[[np.ndarray], np.ndarray]:
        stamps, features = super().reader(cases), features_of(cases, self.names)
        return lambda rows: _joined(stamps(rows), features[rows])

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        self.mean, self.variance = moments(features_of(train, self.names))
        return super().fit(train, validation, training)

    def predict(self, inputs: np.ndarray, metadata: np.ndarray | None = None) -> np.ndarray:
        features = metadata_features(metadata, self.names)
        return self.probabilities(_joined(prepare(inputs, self.size), features))

    @property
    def seen_shape(self) -> tuple[int, ...]:
        return (prod(super().seen_shape) + len(self.names),)


@dataclass
class Alerce(PlainCNN):
    """ALeRCE's classifier of stamps alone, with its settings (Carrasco-Davis et al. 2021).

    Its 30,000 iterations at most are 13.3 epochs of the challenge's data. How long it waits for a better
    loss on the validation set is chosen here.
    """

    summary: ClassVar[str] = "ALeRCE's own network for stamps alone (Carrasco-Davis et al. 2021)"
    network: ClassVar[str] = "alerce"

    epochs: int = 14
    learning_rate: float = 1e-4
    dropout: float = 0.5
    loss: Literal["cross-entropy", "entropy", "entropy-as-printed"] = "entropy"
    patience: int = 4


def _joined(stamps: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Pixels and metadata (n, m) of each case in one row, as a network with both takes them."""
    return np.concatenate([stamps.reshape(len(stamps), -1), features], axis=1)
