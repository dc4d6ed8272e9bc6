"""The scores: pure functions of arrays, with NumPy and SciPy alone. They read no file and print nothing.

`metrics.mass_mapping` scores pairs of maps (..., H, W), with one number a map. `metrics.classification`
scores integer labels (N,), confusion matrices (..., K, K) and class probabilities (N, K).
"""

from metrics.classification import (
    accuracy,
    accuracy_from_confusion,
    average_precision,
    average_precision_from_counts,
    balanced_accuracy,
    balanced_accuracy_from_confusion,
    brier,
    brier_by_case,
    calibration_bins,
    calibration_error,
    confusion_matrix,
    fbeta,
    fbeta_from_confusion,
    log_loss,
    log_loss_by_case,
    normalise_rows,
    precision,
    precision_from_confusion,
    recall,
    recall_from_confusion,
)
from metrics.mass_mapping import (
    correlation,
    dicee,
    dpeaks,
    find_peaks,
    l2_dpeaks,
    mae,
    map_scores,
    wmape,
    wmse,
)

__all__ = [
    "accuracy", "accuracy_from_confusion", "average_precision", "average_precision_from_counts",
    "balanced_accuracy", "balanced_accuracy_from_confusion", "brier", "brier_by_case", "calibration_bins",
    "calibration_error", "confusion_matrix", "correlation", "dicee", "dpeaks", "fbeta",
    "fbeta_from_confusion", "find_peaks", "l2_dpeaks", "log_loss", "log_loss_by_case", "mae", "map_scores",
    "normalise_rows", "precision", "precision_from_confusion", "recall", "recall_from_confusion", "wmape",
    "wmse",
]  # fmt: skip
