"""The track of the alert stamps."""

from __future__ import annotations

import numpy as np

import metrics
from harness.tracks.base import Column, Columns, Score, Track
from submissions.formats.registry import FORMATS
from submissions.formats.stamps import CLASSES

SUPERNOVA = CLASSES.index("SN")
CHALLENGE = (14966, 1620, 14996, 9899, 10763)  # alerts of each class in its data, as the survey finds them
PRIOR = np.array(CHALLENGE)[:, None] / sum(CHALLENGE)
THRESHOLDS = 200
CALIBRATION_BINS = 15
PARTS = (len(CLASSES) ** 2, 2 * (THRESHOLDS + 1), CALIBRATION_BINS, 4)  # columns of the statistics


def _stamp_columns(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    predicted = probabilities.argmax(axis=1)
    return {
        "label": labels.astype(np.int64),
        "predicted": predicted,
        "correct": (predicted == labels).astype(np.float64),
        "confidence": probabilities.max(axis=1),
        "sn_probability": probabilities[:, SUPERNOVA],
        "log_loss": metrics.log_loss_by_case(labels, probabilities),
        "brier": metrics.brier_by_case(labels, probabilities),
    }


def _stamp_statistics(columns: Columns) -> np.ndarray:
    """What is summed of each case: where it is in the confusion matrix and in two histograms, and means.

    Average precision needs the cases between one supernova's probability and the next, so these are the
    edges of the first histogram: at 200 supernovae or less it is exact, and at more every nth is an edge.
    """
    label, confidence, probability = columns["label"], columns["confidence"], columns["sn_probability"]
    supernova = label == SUPERNOVA
    known = probability[supernova] if supernova.any() else np.zeros(1)
    edges = np.quantile(known, np.linspace(0, 1, THRESHOLDS), method="nearest")
    passed = THRESHOLDS - np.searchsorted(edges, probability, side="right")
    _, place, alike = np.unique(columns["group"], return_inverse=True, return_counts=True)

    statistics = np.zeros((len(label), sum(PARTS)))
    confusion, histogram, surplus, means = _parts(statistics)
    cases = np.arange(len(label))
    confusion[cases, label * len(CLASSES) + columns["predicted"]] = 1
    histogram[cases, 2 * passed + supernova] = 1
    surplus[cases, metrics.calibration_bins(confidence, CALIBRATION_BINS)] = confidence - columns["correct"]
    weight = 1 / alike[place]
    means[:] = np.transpose([weight, weight * columns["correct"], columns["log_loss"], columns["brier"]])
    return statistics


def _parts(sums: np.ndarray) -> list[np.ndarray]:
    return np.split(sums, np.cumsum(PARTS)[:-1], axis=-1)


def _stamp_summary(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    cells, histogram, surplus, means = _parts(sums)
    objects, correct, log_loss, brier = np.moveaxis(means, -1, 0)
    confusion = cells.reshape(*sums.shape[:-1], len(CLASSES), len(CLASSES))
    natural = metrics.normalise_rows(confusion) * PRIOR
    return np.stack(
        [
            metrics.accuracy_from_confusion(confusion),
            metrics.fbeta_from_confusion(confusion, 1, SUPERNOVA),
            metrics.fbeta_from_confusion(confusion, 2, SUPERNOVA),
            metrics.precision_from_confusion(confusion, SUPERNOVA),
            metrics.recall_from_confusion(confusion, SUPERNOVA),
            metrics.precision_from_confusion(natural, SUPERNOVA),
            metrics.average_precision_from_counts(histogram.reshape(*sums.shape[:-1], -1, 2)),
            metrics.balanced_accuracy_from_confusion(confusion),
            correct / objects,
            np.abs(surplus).sum(axis=-1) / count,
            log_loss / count,
            brier / count,
        ],
        axis=-1,
    )


STAMPS = Track(
    name="stamps",
    title="Early classification of alert stamps",
    inputs=Column("images", "float32", (63, 63, 3)),
    truth=Column("labels", "int8", ()),
    scores=(
        Score("accuracy", "accuracy", "Share of the alerts whose most probable class is the true one.",
              lower_is_better=False, ranked=True, column="correct"),
        Score("sn_f1", "SN F1", "Harmonic mean of precision and recall of the supernovae.",
              lower_is_better=False, ranked=True),
        Score("sn_f2", "SN F2", "The same with recall counting more than precision: F-beta with beta = 2.",
              lower_is_better=False, ranked=True),
        Score("sn_precision", "SN precision", "Share of supernovae among the alerts called one.",
              lower_is_better=False),
        Score("sn_recall", "SN recall", "Share of the supernovae that are called one.",
              lower_is_better=False),
        Score("sn_precision_natural", "SN prec. at 3.1 %", "SN precision if the classes were as frequent as "
              "in the survey, 3.1 % of them supernovae.", lower_is_better=False),
        Score("sn_average_precision", "SN AP", "Area under the curve of the supernovae's precision over "
              "their recall.", lower_is_better=False),
        Score("balanced_accuracy", "balanced acc.", "Mean over the classes of the recall of each.",
              lower_is_better=False),
        Score("object_accuracy", "by object", "Accuracy if each object counts once, however many its alerts.",
              lower_is_better=False),
        Score("calibration_error", "calibration", "Mean distance, over 15 bins, of the highest probability "
              "from how often it is right."),
        Score("log_loss", "log-loss", "Mean of minus the logarithm of the true class's probability.",
              column="log_loss"),
        Score("brier", "Brier", "Mean squared distance of the probabilities from certainty of the truth.",
              column="brier"),
    ),
    by_case=_stamp_columns,
    statistics=_stamp_statistics,
    summarise=_stamp_summary,
    format=FORMATS["stamps"],
    classes=CLASSES,
    sources=("harness.data.sources.alert_pickle", "harness.data.sources.avro_alerts"),
    simulator="harness.data.simulate.stamps:simulate",
    splitter="harness.data.split:split_balanced",
    drawing="harness.report.drawing.stamps",
    diagnostics="harness.claims.diagnostics:STAMPS",
    claim_cases={"smoke": 600, "laptop": 6000, "paper": 52244},
    demo_cases={"smoke": 2000, "laptop": 12000, "paper": 52244},
)  # fmt: skip
