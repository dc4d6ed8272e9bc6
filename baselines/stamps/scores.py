"""The track's scores as a Keras metric."""

from __future__ import annotations

from typing import Any

from baselines.backend import keras
from baselines.stamps.preparation import N_CLASSES, SUPERNOVA

ops = keras.ops


@keras.saving.register_keras_serializable("astroboard")
class TrackScores(keras.metrics.Metric):
    """The track's scores of all cases since the epoch began, as in `metrics.classification`.

    An F-score is no mean over batches. So batches add to a confusion matrix, which the scores follow from.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.confusion = self.add_variable((N_CLASSES, N_CLASSES), "zeros", name="confusion")

    def update_state(self, labels: Any, logits: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Count a batch of labels (n,) and logits (n, 5)."""
        cells = ops.cast(labels, "int32") * N_CLASSES + ops.cast(ops.argmax(logits, axis=-1), "int32")
        counts = ops.sum(ops.one_hot(ops.reshape(cells, (-1,)), N_CLASSES**2), axis=0)
        self.confusion.assign_add(ops.reshape(counts, (N_CLASSES, N_CLASSES)))

    def result(self) -> dict[str, Any]:
        """The scores of all counted cases."""
        hits = ops.diagonal(self.confusion)
        true, predicted = ops.sum(self.confusion, axis=1), ops.sum(self.confusion, axis=0)
        recalls = ops.divide_no_nan(hits, true)

        def fbeta(beta: float) -> Any:
            denominator = beta**2 * true[SUPERNOVA] + predicted[SUPERNOVA]
            return ops.divide_no_nan((1 + beta**2) * hits[SUPERNOVA], denominator)

        occurring = ops.sum(ops.cast(true > 0, "float32"))
        return {
            "accuracy": ops.divide_no_nan(ops.sum(hits), ops.sum(true)),
            "sn_f1": fbeta(1),
            "sn_f2": fbeta(2),
            "balanced_accuracy": ops.divide_no_nan(ops.sum(recalls), occurring),
        }
