"""Convolutional networks for stamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, prod
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import softmax

from baselines.network import Keep, Network, Schedule
from baselines.protocol import Cases, Training, must_be
from baselines.stamps.metadata import COLUMNS, column_names, features_of, metadata_features, moments
from baselines.stamps.preparation import N_CHANNELS, N_CLASSES, MissingPixels, class_labels, prepare, prepared
from baselines.stamps.sampling import epoch_sampler

Sampling = Literal["balanced", "balanced-once", "middle", "unchanged"]
Loss = Literal[
    "cross-entropy", "entropy", "entropy-as-printed", "double-softmax", "focal", "label-smoothing",
    "class-weights",
]  # fmt: skip


@dataclass
class PlainCNN(Network):
    """The plain network of Castillo & Foix (2020): cross-entropy, Adam, the smaller classes repeated.

    The defaults are theirs: the batch size is that of their notebooks, and as 50 steps an epoch in their
    text. Two follow the text rather than the notebooks, which blank the channel of a missing pixel
    (``nan = "channel"``), and may apply the softmax twice (``loss = "double-softmax"``).

    ``size`` is the width in pixels of the central crop of the stamps. `networks.features` explains
    ``kernel``, ``depth`` and ``filters``, and `keras_loop.fit` the settings of training. ``beta`` is the
    weight of the entropy in the two losses that are named after it, ``gamma`` the exponent of the focal loss,
    ``smoothing`` the probability that label smoothing shares among all classes. Class weights are the inverse
    frequencies in the training set.
    """

    track: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "plain convolutional network, 210,117 weights (Castillo & Foix 2020)"
    layers: ClassVar[str] = "baselines.stamps.networks"
    prediction_batch: ClassVar[int] = 64
    network: ClassVar[str] = "plain_cnn"  # the function of `baselines.stamps.networks` that builds it

    epochs: int = 19
    batch_size: int = 1460
    learning_rate: float = 1e-3
    sampling: Sampling = "balanced-once"
    size: Literal[21, 41, 63] = 21
    nan: MissingPixels = "pixel"
    kernel: Literal[3, 5, 7] = 3
    depth: int = 2
    filters: int = 32
    dropout: float = 0.0
    loss: Loss = "cross-entropy"
    beta: float = 0.5
    gamma: float = 2.0
    smoothing: float = 0.1
    patience: int = 0
    schedule: Schedule = "constant"
    keep: Keep = "last"
    model: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (min(self.epochs, self.batch_size, self.filters) >= 1 and 0 < self.learning_rate < inf):
            raise must_be("epochs, batch_size, filters and learning_rate", "positive", self)
        if not (0 <= self.dropout < 1 and 0 <= self.smoothing < 1):
            raise must_be("dropout and smoothing", "0 or more and below 1", self)
        if not (0 <= self.beta < inf and 0 <= self.gamma < inf and self.patience >= 0):
            raise must_be("beta, gamma and patience", "0 or more", self)
        if not (self.depth >= 1 and 2**self.depth <= self.size):
            expected = f"1 or more, and so that {self.size} pixels can be halved as often"
            raise must_be("depth", expected, self.depth)
        if self.loss == "class-weights" and self.sampling != "unchanged":
            advice = "sampling brings the classes to one size already"
            raise must_be("sampling", "unchanged with the loss class-weights", self.sampling, advice)

    def new_network(self) -> Any:
        """The untrained network."""
        from baselines.stamps import networks

        return getattr(networks, self.network)(self.size, self.kernel, self.dropout, self.depth, self.filters)

    def reader(self, cases: Cases) -> Callable[[np.ndarray], np.ndarray]:
        """A function from row numbers of these cases to inputs of the network."""
        return prepared(cases, self.size, self.nan).__getitem__

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Train the network; return its number of weights, of cases an epoch, and its best epoch.

        ``class_shares`` are the frequencies of the classes that its probabilities are for.
        """
        from baselines.backend import keras
        from baselines.batches import Batches
        from baselines.keras_loop import fit
        from baselines.learning_rate import adam
        from baselines.stamps.losses import StampLoss, inverse_frequencies
        from baselines.stamps.scores import TrackScores

        settings: dict[str, dict[str, Any]] = {
            **{name: {"beta": self.beta} for name in ("entropy", "entropy-as-printed")},
            "focal": {"gamma": self.gamma},
            "label-smoothing": {"smoothing": self.smoothing},
            "class-weights": {"class_weights": inverse_frequencies(class_labels(train), N_CLASSES)},
        }

        def build() -> keras.Model:
            model = self.new_network()
            loss = StampLoss(self.loss, settings.get(self.loss, {}))
            optimizer = adam(self.learning_rate, self.schedule, self.epochs * len(sampled))
            model.compile(optimizer, loss, metrics=[TrackScores()])
            return model

        def batches(cases: Cases, sampling: Sampling) -> Batches:
            labels, read = class_labels(cases), self.reader(cases)
            order = epoch_sampler(sampling, labels, training.seed)
            return Batches(lambda rows: (read(rows), labels[rows]), order, self.batch_size, training.seed)

        sampled, unseen = batches(train, self.sampling), batches(validation, "unchanged")
        self.model, best = fit(
            build, sampled, unseen, self.epochs, training, self.patience, self.schedule, keep=self.keep
        )  # fmt: skip
        counts = np.bincount(class_labels(train)[sampled.rows], minlength=N_CLASSES)
        weights = np.minimum(counts, 1) if self.loss == "class-weights" else counts
        return {
            "weights": self.model.count_params(),
            "cases_an_epoch": len(sampled.rows),
            "class_shares": (weights / weights.sum()).tolist(),
            **best,
        }

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Class probabilities (n, 5) of stamps (n, 63, 63, 3); `BaselineError` before `fit`."""
        return self.probabilities(prepare(inputs, self.size, self.nan))

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Class probabilities (n, 5) float32 of inputs of the network."""
        return np.asarray(softmax(self.outputs(len(inputs), inputs.__getitem__), axis=1))

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one case at the input and at the output of the network."""
        return (self.size, self.size, N_CHANNELS), (N_CLASSES,)


@dataclass
class RotationInvariantCNN(PlainCNN):
    """The network of the same report that averages over four rotations, with the cross-entropy."""

    summary: ClassVar[str] = "cnn averaged over four rotations: rotation-invariant (Castillo & Foix 2020)"
    network: ClassVar[str] = "rotation_invariant_cnn"

    epochs: int = 22


@dataclass
class RotationInvariantEntropyCNN(RotationInvariantCNN):
    """The same with the regularised entropy for a loss, by the formula in the report."""

    summary: ClassVar[str] = "cnn-rotinv with the entropy-regularised loss (Castillo & Foix 2020)"

    epochs: int = 26
    loss: Loss = "entropy"


@dataclass
class MetadataCNN(RotationInvariantCNN):
    """The rotation-invariant network with metadata as further inputs.

    ``columns`` names them, separated by blanks; ``?`` marks columns that may be missing.
    """

    summary: ClassVar[str] = "cnn-rotinv with the metadata of the alert as an additional input"
    needs_metadata: ClassVar[bool] = True

    columns: str = COLUMNS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.names = column_names(self.columns)
        self.mean, self.variance = np.zeros(len(self.names)), np.ones(len(self.names))

    def new_network(self) -> Any:
        """The untrained network, which normalises by the moments of the training set."""
        from baselines.stamps.networks import cnn_with_metadata

        return cnn_with_metadata(
            self.size, self.kernel, self.dropout, self.depth, self.filters, self.mean, self.variance
        )

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
        return self.probabilities(_joined(prepare(inputs, self.size, self.nan), features))

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Pixels and metadata in one row at the input, logits at the output."""
        pixels, logits = super().shapes
        return (prod(pixels) + len(self.names),), logits


@dataclass
class Alerce(PlainCNN):
    """ALeRCE's classifier of stamps alone, with its settings (Carrasco-Davis et al. 2021).

    Its 30,000 iterations at most, of 32 cases, are 13.3 epochs of the challenge's data. The validation loss
    ends its training; the patience is not published, and chosen here.
    """

    summary: ClassVar[str] = "ALeRCE's own network for stamps alone (Carrasco-Davis et al. 2021)"
    network: ClassVar[str] = "alerce"

    epochs: int = 14
    batch_size: int = 32
    learning_rate: float = 1e-4
    sampling: Sampling = "balanced"
    dropout: float = 0.5
    loss: Loss = "entropy"
    patience: int = 4
    keep: Keep = "best"


def _joined(stamps: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Pixels and metadata (n, m) of each case in one row."""
    return np.concatenate([stamps.reshape(len(stamps), -1), features], axis=1)
