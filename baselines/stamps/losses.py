"""Losses of networks that classify stamps, on labels (n,) and logits (n, K): one value a case, (n,).

p is the softmax of the logits, y the true class, and −log p_y the cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from baselines.backend import keras

ops = keras.ops


def cross_entropy(labels: Any, logits: Any) -> Any:
    """−log p_y."""
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def regularised_entropy(labels: Any, logits: Any, beta: float) -> Any:
    """−log p_y − β H with the entropy H = −Σ p log p: lower where the network is unsure.

    The formula of Castillo & Foix (2020) and of Carrasco-Davis et al. (2021, arXiv:2008.03309).
    """
    log_p = ops.log_softmax(logits)
    return cross_entropy(labels, logits) + beta * ops.sum(ops.exp(log_p) * log_p, axis=-1)


def entropy_as_printed(labels: Any, logits: Any, beta: float) -> Any:
    """(1 + β) times the cross-entropy: what the code in the report of Castillo & Foix computes instead."""
    return (1 + beta) * cross_entropy(labels, logits)


def double_softmax(labels: Any, logits: Any) -> Any:
    """−log of the softmax of p, at y, where p is itself a softmax.

    What ``SparseCategoricalCrossentropy(from_logits=True)`` computes of the output of a softmax layer in
    TensorFlow 2.3, as in the notebooks of Castillo & Foix (2020). A softmax of numbers in 0..1 lies below
    e / (e + K − 1), 0.40 for five classes: the loss stays above 0.905, however certain the network is.
    """
    # Of the softmax itself Keras would find the logits behind it; the logarithm of the second one it takes.
    return cross_entropy(labels, ops.log_softmax(ops.softmax(logits)))


def focal(labels: Any, logits: Any, gamma: float) -> Any:
    """−(1 − p_y)^γ log p_y: cases that the network is sure of count less (Lin et al. 2017, α = 1)."""
    loss = cross_entropy(labels, logits)
    # 1 − p_y without rounding. At 0 its power would have no finite gradient if γ is below 1.
    doubt = ops.maximum(-ops.expm1(-loss), keras.config.epsilon())
    return doubt**gamma * loss


def label_smoothing(labels: Any, logits: Any, smoothing: float) -> Any:
    """The cross-entropy with 1 − ε + ε/K for the true class and ε/K for the others (Szegedy et al. 2016)."""
    targets = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1])
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)


def weighted(labels: Any, logits: Any, class_weights: Sequence[float]) -> Any:
    """−w_y log p_y, with a weight for each class."""
    weights = ops.convert_to_tensor(class_weights, logits.dtype)
    return ops.take(weights, ops.cast(labels, "int32")) * cross_entropy(labels, logits)


LOSSES: dict[str, Callable[..., Any]] = {
    "cross-entropy": cross_entropy,
    "entropy": regularised_entropy,
    "entropy-as-printed": entropy_as_printed,
    "double-softmax": double_softmax,
    "focal": focal,
    "label-smoothing": label_smoothing,
    "class-weights": weighted,
}


@keras.saving.register_keras_serializable("astroboard")
class StampLoss(keras.losses.Loss):
    """A loss of ``LOSSES`` by name, with its settings."""

    def __init__(self, kind: str, settings: dict[str, Any], **rest: Any) -> None:
        super().__init__(**rest)
        self.kind, self.settings = kind, settings

    def call(self, labels: Any, logits: Any) -> Any:
        """The loss of each case, (n,), of labels (n,) and logits (n, K)."""
        return LOSSES[self.kind](labels, logits, **self.settings)

    def get_config(self) -> dict[str, Any]:
        """Keras's configuration, with the name of the loss and its settings."""
        return {**super().get_config(), "kind": self.kind, "settings": self.settings}


def inverse_frequencies(labels: np.ndarray, n_classes: int) -> list[float]:
    """N / (K n_k) for each class k of K, which has n_k of N labels: 1 on average over the labels.

    0 for a class without a label.
    """
    counts = np.bincount(labels, minlength=n_classes)
    present = np.count_nonzero(counts)
    return [len(labels) / (present * count) if count else 0.0 for count in counts.tolist()]
