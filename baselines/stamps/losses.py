"""Losses of networks that classify stamps, on logits (n, K) and labels (n,): one value a case, (n,).

With p the softmax of the logits and y the true class, all are of −log p_y and the entropy H = −Σ p log p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baselines.keras_loop import keras

ops = keras.ops


@keras.saving.register_keras_serializable("astroboard")
class RegularisedEntropy(keras.losses.Loss):
    """−log p_y − β H: the cross-entropy, lower where the network is unsure.

    The formula of Castillo & Foix (2020) and of Carrasco-Davis et al. (2021, arXiv:2008.03309).
    """

    def __init__(self, beta: float = 0.5, **rest: Any) -> None:
        super().__init__(**rest)
        self.beta = beta

    def call(self, labels: Any, logits: Any) -> Any:
        """The loss of each case, (n,), of labels (n,) and logits (n, K)."""
        log_p = ops.log_softmax(logits)
        return _cross_entropy(labels, logits) + self.beta * ops.sum(ops.exp(log_p) * log_p, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Keras's configuration, with β."""
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable("astroboard")
class EntropyAsPrinted(RegularisedEntropy):
    """(1 + β) times the cross-entropy: what the code in the report of Castillo & Foix computes instead."""

    def call(self, labels: Any, logits: Any) -> Any:
        """The loss of each case, (n,), of labels (n,) and logits (n, K)."""
        return (1 + self.beta) * _cross_entropy(labels, logits)


def _cross_entropy(labels: Any, logits: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)


LOSSES: dict[str, Callable[[float], keras.losses.Loss]] = {
    "cross-entropy": lambda beta: keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # noqa: ARG005
    "entropy": RegularisedEntropy,
    "entropy-as-printed": EntropyAsPrinted,
}
