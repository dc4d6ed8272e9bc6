"""Convolutional networks for stamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf, prod
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import softmax

from baselines.network import Network
from baselines.protocol import Cases, Training, must_be
from baselines.stamps.metadata import COLUMNS, column_names, features_of, metadata_features, moments
from baselines.stamps.preparation import N_CLASSES, STAMP_SHAPE, class_labels, prepare, prepared
from baselines.stamps.sampling import SAMPLERS


@dataclass
class PlainCNN(Network):
    """The plain network of Castillo & Foix (2020): cross-entropy, Adam, the smaller classes repeated.

    The defaults are theirs, but for the batch size, which they do not state: 32 is ALeRCE's. ``size`` is the
    width in pixels of the central crop of the stamps, ``kernel`` that of all convolutions but the first,
    ``beta`` the weight of the entropy in the two losses that are named after it. ``patience`` epochs in a row
    without a lower validation loss end the training, if it is not 0. ``keep`` says which epoch's weights are
    kept: those of the last one, or of the one with the lowest validation loss.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "plain convolutional network, 210,117 weights (Castillo & Foix 2020)"
    layers: ClassVar[str] = "baselines.stamps.networks"
    prediction_batch: ClassVar[int] = 64
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
    keep: Literal["last", "best"] = "best"
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (min(self.epochs, self.batch_size) >= 1 and 0 < self.learning_rate < inf):
            raise must_be("epochs, batch_size and learning_rate", "positive", self)
        if not (0 <= self.dropout < 1 and 0 <= self.beta < inf and self.patience >= 0):
            raise must_be("dropout", "0 or more and below 1, beta and patience 0 or more", self)

    def new_network(self) -> Any:
        """The untrained network."""
        from baselines.stamps import networks

        return getattr(networks, self.network)(self.size, self.kernel, self.dropout)

    def reader(self, cases: Cases) -> Callable[[np.ndarray], np.ndarray]:
        """A function from row numbers of these cases to inputs of the network."""
        return prepared(cases, self.size).__getitem__

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Train the network; return its number of weights, of cases an epoch, and its best epoch."""
        from baselines.keras_loop import Batches, fit, keras
        from baselines.stamps.losses import LOSSES
        from baselines.stamps.scores import TrackScores

        def build() -> keras.Model:
            model = self.new_network()
            optimizer = keras.optimizers.Adam(self.learning_rate)
            model.compile(optimizer, LOSSES[self.loss](self.beta), metrics=[TrackScores()])
            return model

        def batches(cases: Cases, sampling: str) -> Batches:
            labels, read = class_labels(cases), self.reader(cases)
            order = partial(SAMPLERS[sampling], labels)
            return Batches(lambda rows: (read(rows), labels[rows]), order, self.batch_size, training.seed)

        sampled, unseen = batches(train, self.sampling), batches(validation, "unchanged")
        self.model, best = fit(
            build, sampled, unseen, self.epochs, training, self.patience, keep=self.keep
        )  # fmt: skip
        return {"weights": self.model.count_params(), "cases_an_epoch": len(sampled.rows), **best}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Class probabilities (n, 5) of stamps (n, 63, 63, 3); `BaselineError` before `fit`."""
        return self.probabilities(prepare(inputs, self.size))

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Class probabilities (n, 5) float32 of inputs of the network."""
        return np.asarray(softmax(self.outputs(len(inputs), inputs.__getitem__), axis=1))

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one case at the input and at the output of the network."""
        return (self.size, self.size, STAMP_SHAPE[2]), (N_CLASSES,)


@dataclass
class RotationInvariantCNN(PlainCNN):
    """The network of the same report that averages over four rotations, with the cross-entropy."""

    summary: ClassVar[str] = (
        "cnn averaged over four rotations, and so invariant to them (Castillo & Foix 2020)"
    )
    network: ClassVar[str] = "rotation_invariant_cnn"

    epochs: int = 22


@dataclass
class RotationInvariantEntropyCNN(RotationInvariantCNN):
    """The same with the regularised entropy for a loss, by the formula in the report."""

    summary: ClassVar[str] = "cnn-rotinv with the regularised entropy for a loss (Castillo & Foix 2020)"

    epochs: int = 26
    loss: Literal["cross-entropy", "entropy", "entropy-as-printed"] = "entropy"


@dataclass
class MetadataCNN(RotationInvariantCNN):
    """The rotation-invariant network with metadata as further inputs.

    ``columns`` names them, separated by blanks; ``?`` marks columns that may be missing.
    """

    summary: ClassVar[str] = "cnn-rotinv that is shown metadata of the alert beside the stamp"
    needs_metadata: ClassVar[bool] = True

    columns: str = COLUMNS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.names = column_names(self.columns)
        self.mean, self.variance = np.zeros(len(self.names)), np.ones(len(self.names))

    def new_network(self) -> Any:
        """The untrained network, which normalises by the moments of the training set."""
        from baselines.stamps.networks import cnn_with_metadata

        return cnn_with_metadata(self.size, self.kernel, self.dropout, self.mean, self.variance)

    def reader(self, cases: Cases) -> Callable[[np.ndarray], np.ndarray]:
        """A function from row numbers to pixels and metadata in one row."""
        stamps, features = super().reader(cases), features_of(cases, self.names)
        return lambda rows: _joined(stamps(rows), features[rows])

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Estimate the moments of the metadata, then train as `PlainCNN.fit` does."""
        self.mean, self.variance = moments(features_of(train, self.names))
        return super().fit(train, validation, training)

    def predict(self, inputs: np.ndarray, metadata: np.ndarray | None = None) -> np.ndarray:
        """Class probabilities (n, 5) of stamps (n, 63, 63, 3) with metadata (n,)."""
        features = metadata_features(metadata, self.names)
        return self.probabilities(_joined(prepare(inputs, self.size), features))

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Pixels and metadata in one row at the input, logits at the output."""
        pixels, logits = super().shapes
        return (prod(pixels) + len(self.names),), logits


@dataclass
class Alerce(PlainCNN):
    """ALeRCE's classifier of stamps alone, with its settings (Carrasco-Davis et al. 2021).

    Its 30,000 iterations at most are 13.3 epochs of the challenge's data. The patience is not published, and
    chosen here.
    """

    summary: ClassVar[str] = "ALeRCE's own network for stamps alone (Carrasco-Davis et al. 2021)"
    network: ClassVar[str] = "alerce"

    epochs: int = 14
    learning_rate: float = 1e-4
    dropout: float = 0.5
    loss: Literal["cross-entropy", "entropy", "entropy-as-printed"] = "entropy"
    patience: int = 4


def _joined(stamps: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Pixels and metadata (n, m) of each case in one row."""
    return np.concatenate([stamps.reshape(len(stamps), -1), features], axis=1)
