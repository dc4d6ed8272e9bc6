"""What a score is: pure functions of arrays, of NumPy and SciPy alone. They read no file and print nothing.

`metrics.mass_mapping` scores pairs of maps (..., H, W), one number a map; `metrics.classification` scores
integer labels (N,), confusion matrices (..., K, K) and class probabilities (N, K).
"""

from metrics.classification import (
    accuracy,
    accuracy_from_confusion,
    balanced_accuracy,
    balanced_accuracy_from_confusion,
    brier,
    brier_by_case,
    confusion_matrix,
    fbeta,
    fbeta_from_confusion,
    log_loss,
    log_loss_by_case,
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
    hong15,
    kappa_density,
    l2_dpeaks,
    mae,
    wmae,
    wmape,
    wmse,
)

__all__ = [
    "accuracy", "accuracy_from_confusion", "balanced_accuracy", "balanced_accuracy_from_confusion",
    "brier", "brier_by_case", "confusion_matrix", "correlation", "dicee", "dpeaks", "fbeta",
    "fbeta_from_confusion", "find_peaks", "hong15", "kappa_density", "l2_dpeaks", "log_loss",
    "log_loss_by_case", "mae", "precision", "precision_from_confusion", "recall",
    "recall_from_confusion", "wmae", "wmape", "wmse",
]  # fmt: skip
