"""Scores of classifiers: of labels (N,), of confusion matrices (..., K, K) and of probabilities (N, K).

A score of integer labels and predictions is that of their confusion matrix: rows are true classes, columns
predicted ones, entries counts or other weights of 0 or more. The functions of matrices return float64 (...),
so that a bootstrap scores thousands of them at once. All are in 0..1 and best at 1, and 0 where no case is
true, or none predicted, so that they would divide by 0: scikit-learn's ``zero_division=0``. Log-loss, Brier
score and calibration error are best at 0. ValueError for other shapes, dtypes or values, saying which.

Curves are of the probability of the class ``positive`` against all others, as a threshold falls: cases of
equal probability pass it together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checking import Scores, check_confusion, check_labels, check_probabilities

Curve = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Counts (n_classes, n_classes) of cases by true class (row) and predicted class, all in 0..n_classes-1.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], n_classes=2)
    array([[1, 0],
           [1, 1]])
    """
    true, predicted = check_labels(n_classes, labels=labels, predictions=predictions)
    return np.bincount(true * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Share of the cases whose class is predicted."""
    return float(accuracy_from_confusion(_confusion(labels, predictions)))


def accuracy_from_confusion(confusion: ArrayLike) -> Scores:
    """`accuracy` of matrices (..., K, K): (...)."""
    matrix = check_confusion(confusion)
    return _ratio(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean recall of the classes that occur in ``labels``: in a matrix, those whose row is not all 0."""
    return float(balanced_accuracy_from_confusion(_confusion(labels, predictions)))


def balanced_accuracy_from_confusion(confusion: ArrayLike) -> Scores:
    """`balanced_accuracy` of matrices (..., K, K): (...)."""
    matrix = check_confusion(confusion)
    cases = matrix.sum(axis=-1)
    recalls = _ratio(np.diagonal(matrix, axis1=-2, axis2=-1), cases)
    return _ratio(recalls.sum(axis=-1), np.count_nonzero(cases, axis=-1))


def precision(labels: ArrayLike, predictions: ArrayLike, positive: int) -> float:
    """Share of class ``positive`` among the cases predicted to be of it."""
    return float(precision_from_confusion(_against_rest(labels, predictions, positive), 1))


def precision_from_confusion(confusion: ArrayLike, positive: int) -> Scores:
    """`precision` of matrices (..., K, K): (...)."""
    matrix = check_confusion(confusion, positive)
    return _ratio(matrix[..., positive, positive], matrix[..., :, positive].sum(axis=-1))


def recall(labels: ArrayLike, predictions: ArrayLike, positive: int) -> float:
    """Share of the cases of class ``positive`` that are predicted to be of it."""
    return float(recall_from_confusion(_against_rest(labels, predictions, positive), 1))


def recall_from_confusion(confusion: ArrayLike, positive: int) -> Scores:
    """`recall` of matrices (..., K, K): (...)."""
    matrix = check_confusion(confusion, positive)
    return _ratio(matrix[..., positive, positive], matrix[..., positive, :].sum(axis=-1))


def fbeta(labels: ArrayLike, predictions: ArrayLike, beta: float, positive: int) -> float:
    """Harmonic mean of precision P and recall R of a class, recall counting ``beta`` ≥ 0 times as much.

    (1 + β²) P R / (β² P + R), van Rijsbergen 1979, chapter 7.

    >>> fbeta([1, 1, 1, 0], [1, 1, 0, 0], beta=2, positive=1)
    0.7142857142857143
    """
    return float(fbeta_from_confusion(_against_rest(labels, predictions, positive), beta, 1))


def fbeta_from_confusion(confusion: ArrayLike, beta: float, positive: int) -> Scores:
    """`fbeta` of matrices (..., K, K): (...)."""
    matrix = check_confusion(confusion, positive)
    if not 0 <= beta < np.inf:
        raise ValueError(f"beta must be finite and 0 or more, but is {beta}")
    true, predicted = matrix[..., positive, :].sum(axis=-1), matrix[..., :, positive].sum(axis=-1)
    return _ratio((1 + beta**2) * matrix[..., positive, positive], beta**2 * true + predicted)


def scores_by_class(confusion: ArrayLike) -> dict[str, Scores]:
    """``precision``, ``recall``, ``f1`` and ``f2`` of every class of matrices (..., K, K): (..., K) each."""
    matrix = check_confusion(confusion)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    true, predicted = matrix.sum(axis=-1), matrix.sum(axis=-2)
    return {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, true),
        "f1": _ratio(2 * hits, true + predicted),
        "f2": _ratio(5 * hits, 4 * true + predicted),
    }


def normalise_rows(confusion: ArrayLike) -> Scores:
    """Shares (..., K, K) of the cases of each true class; a row stays 0 where no case is of its class.

    Times a column of class shares they are the matrix of a sample that has these shares, whose precision is
    another one.

    >>> normalise_rows([[3, 1], [0, 0]])
    array([[0.75, 0.25],
           [0.  , 0.  ]])
    """
    matrix = check_confusion(confusion)
    return _ratio(matrix, matrix.sum(axis=-1, keepdims=True))


def precision_recall_curve(labels: ArrayLike, probabilities: ArrayLike, positive: int) -> Curve:
    """Precision, recall and threshold (T,) at each probability that occurs, the highest first."""
    counts, thresholds = _counts_by_probability(labels, probabilities, positive)
    passed = counts.cumsum(axis=0)
    precisions = _ratio(passed[:, 1], passed.sum(axis=1))
    return precisions, _ratio(passed[:, 1], passed[-1, 1]), thresholds


def average_precision(labels: ArrayLike, probabilities: ArrayLike, positive: int) -> float:
    """Σ (R_t − R_t₋₁) P_t over the thresholds: the area under the precision-recall curve, as steps."""
    return float(average_precision_from_counts(_counts_by_probability(labels, probabilities, positive)[0]))


def average_precision_from_counts(counts: ArrayLike) -> Scores:
    """`average_precision` (...) of the numbers (..., T, 2) of other and of positive cases at T thresholds."""
    array = np.asarray(counts)
    if array.ndim < 2 or array.shape[-1] != 2 or array.size == 0:
        raise ValueError(f"counts must have shape (..., T, 2) and not be empty, but has shape {array.shape}")
    passed = array.cumsum(axis=-2)
    steps = _ratio(passed[..., 1], passed.sum(axis=-1)) * array[..., 1]
    return _ratio(steps.sum(axis=-1), passed[..., -1, 1])


def roc_curve(labels: ArrayLike, probabilities: ArrayLike, positive: int) -> Curve:
    """False-positive rate, true-positive rate and threshold (T + 1,), from (0, 0, ∞) on.

    A rate is 0 throughout where there is no case that it could be the share of.
    """
    counts, thresholds = _counts_by_probability(labels, probabilities, positive)
    passed = np.vstack([[0, 0], counts.cumsum(axis=0)])
    rates = _ratio(passed, passed[-1])
    return rates[:, 0], rates[:, 1], np.r_[np.inf, thresholds]


def roc_auc(labels: ArrayLike, probabilities: ArrayLike, positive: int, most: float = 1.0) -> float:
    """Area under the ROC curve: the chance that a positive case has a higher probability than another one.

    With ``most`` < 1 the area up to that false-positive rate, scaled so that guessing scores 0.5 and
    perfection 1 (McClish 1989). 0 where all or no cases are positive, and no area is defined.
    """
    if not 0 < most <= 1:
        raise ValueError(f"most must be above 0 and 1 at most, but is {most}")
    false, true, _ = roc_curve(labels, probabilities, positive)
    if not (false[-1] and true[-1]):
        return 0.0
    inside = false <= most
    area = np.trapezoid(np.r_[true[inside], np.interp(most, false, true)], np.r_[false[inside], most])
    guessed = most**2 / 2
    return float((1 + (area - guessed) / (most - guessed)) / 2)


def reliability_curve(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 15) -> Curve:
    """Mean confidence, accuracy and number of the cases in bins of equal width of the confidence: (n_bins,).

    Confidence is the probability of the most probable class, accuracy how often that is the true one. A bin
    holds its upper edge; where one has no case, all three are 0.
    """
    true, given = check_probabilities(labels, probabilities)
    confidence = given.max(axis=1).astype(np.float64)
    bins = calibration_bins(confidence, n_bins)
    cases = np.bincount(bins, minlength=n_bins)
    confidences, hits = (
        np.bincount(bins, weights=values, minlength=n_bins)
        for values in (confidence, given.argmax(axis=1) == true)
    )
    return _ratio(confidences, cases), _ratio(hits, cases), cases


def calibration_bins(confidence: NDArray[np.floating[Any]], n_bins: int = 15) -> NDArray[np.intp]:
    """The bin, 0..n_bins-1, that each confidence falls in."""
    if n_bins < 1:
        raise ValueError(f"n_bins must be 1 or more, but is {n_bins}")
    return np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence)


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 15) -> float:
    """Expected calibration error: mean |accuracy − confidence| over `reliability_curve`, by cases.

    Guo et al. 2017, eq. 3, with their 15 bins.
    """
    confidences, accuracies, cases = reliability_curve(labels, probabilities, n_bins)
    return float(np.abs(accuracies - confidences) @ cases / cases.sum())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of `log_loss_by_case`."""
    return float(log_loss_by_case(labels, probabilities).mean())


def log_loss_by_case(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Minus the natural logarithm of the probability that the true class is given: (N,).

    As in scikit-learn, probabilities are clipped to ε..1−ε first, with the ε of float32 for float32 and that
    of float64 for all else: a case scores 15.9 or 36.0 at worst.
    """
    true, given = check_probabilities(labels, probabilities)
    epsilon = np.finfo(given.dtype).eps
    likelihood = np.clip(given[np.arange(len(true)), true], epsilon, 1 - epsilon)
    return np.asarray(-np.log(likelihood, dtype=np.float64))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of `brier_by_case`."""
    return float(brier_by_case(labels, probabilities).mean())


def brier_by_case(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Σ (p − y)² over the classes, y being 1 for the true one and 0 else: (N,), in 0..2 (Brier 1950, eq. 2).

    >>> brier_by_case([0, 1], [[1.0, 0.0], [0.5, 0.5]])
    array([0. , 0.5])
    """
    true, given = check_probabilities(labels, probabilities)
    error = given.astype(np.float64)
    error[np.arange(len(true)), true] -= 1
    return np.asarray((error**2).sum(axis=1))


def _confusion(labels: ArrayLike, predictions: ArrayLike) -> NDArray[np.int64]:
    """The confusion matrix of the classes that occur, in their order."""
    true, predicted = check_labels(labels=labels, predictions=predictions)
    classes, indices = np.unique(np.stack([true, predicted]), return_inverse=True)
    return confusion_matrix(indices[0], indices[1], len(classes))


def _against_rest(labels: ArrayLike, predictions: ArrayLike, positive: int) -> NDArray[np.int64]:
    """The confusion matrix (2, 2) of the class ``positive``, at index 1, against all others."""
    true, predicted = check_labels(labels=labels, predictions=predictions)
    return confusion_matrix((true == positive).astype(int), (predicted == positive).astype(int), 2)


def _counts_by_probability(
    labels: ArrayLike, probabilities: ArrayLike, positive: int
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Numbers (T, 2) of other and of positive cases at each probability that occurs, and these, falling."""
    true, given = check_probabilities(labels, probabilities)
    check_labels(given.shape[1], positive=[positive])
    thresholds, place = np.unique(-given[:, positive], return_inverse=True)
    counts = np.bincount(2 * place + (true == positive), minlength=2 * len(thresholds))
    return counts.reshape(-1, 2), -thresholds


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Scores:
    """part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole != 0)[()]
