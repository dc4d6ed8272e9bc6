"""Scores of classifiers: of labels (N,), of confusion matrices (..., K, K) and of probabilities (N, K).

A score of integer labels and predictions equals that of their confusion matrix. Its rows are true classes,
its columns predicted ones, its entries counts or other weights of 0 or more. ``X_from_confusion`` gives the
score ``X`` of matrices as float64 (...), so that a bootstrap scores thousands of them at once. ``positive``
is the class that a score is of: any integer beside labels, in 0..K-1 beside matrices and probabilities.

All of these scores lie in 0..1 and are best at 1. A ratio that would divide by 0 is 0, as by scikit-learn's
``zero_division=0``. Log-loss, Brier score and calibration error are best at 0. All functions raise ValueError
for other shapes, dtypes or values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checking import (
    Scores,
    check_confusion,
    check_histogram,
    check_labels,
    check_probabilities,
    refusal,
)


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Counts of cases by true class (row) and predicted class (column).

    Parameters
    ----------
    labels, predictions : array_like of int of shape (N,), in 0..n_classes-1
    n_classes : int

    Returns
    -------
    int64 of shape (n_classes, n_classes)

    Examples
    --------
    >>> confusion_matrix([0, 1, 1], [0, 1, 0], n_classes=2)
    array([[1, 0],
           [1, 1]])
    """
    labels, predictions = check_labels(n_classes, labels=labels, predictions=predictions)
    counts = np.bincount(labels * n_classes + predictions, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Share of the cases whose class is predicted correctly.

    Parameters
    ----------
    labels, predictions : array_like of int of shape (N,)
    """
    labels, predictions = check_labels(labels=labels, predictions=predictions)
    return float(np.mean(labels == predictions))


def accuracy_from_confusion(confusion: ArrayLike) -> Scores:
    """`accuracy` of confusion matrices (..., K, K)."""
    matrix = check_confusion(confusion)
    return _ratio(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean recall of the classes that occur in ``labels``: in a matrix, those whose row is not all 0.

    Parameters
    ----------
    labels, predictions : array_like of int of shape (N,)
    """
    labels, predictions = check_labels(labels=labels, predictions=predictions)
    _, indices, cases = np.unique(labels, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(indices, weights=labels == predictions) / cases))


def balanced_accuracy_from_confusion(confusion: ArrayLike) -> Scores:
    """`balanced_accuracy` of confusion matrices (..., K, K)."""
    matrix = check_confusion(confusion)
    cases = matrix.sum(axis=-1)
    recalls = _ratio(np.diagonal(matrix, axis1=-2, axis2=-1), cases)
    return _ratio(recalls.sum(axis=-1), np.count_nonzero(cases, axis=-1))


def precision(labels: ArrayLike, predictions: ArrayLike, positive: int) -> float:
    """Share of true cases of class ``positive`` among the cases predicted as ``positive``.

    Parameters
    ----------
    labels, predictions : array_like of int of shape (N,)
    positive : int
    """
    return float(precision_from_confusion(_against_rest(labels, predictions, positive), 1))


def precision_from_confusion(confusion: ArrayLike, positive: int) -> Scores:
    """`precision` of confusion matrices (..., K, K)."""
    matrix = check_confusion(confusion, positive)
    return _ratio(matrix[..., positive, positive], matrix[..., :, positive].sum(axis=-1))


def recall(labels: ArrayLike, predictions: ArrayLike, positive: int) -> float:
    """Share of the cases of class ``positive`` that are predicted as ``positive``.

    Parameters
    ----------
    labels, predictions : array_like of int of shape (N,)
    positive : int
    """
    return float(recall_from_confusion(_against_rest(labels, predictions, positive), 1))


def recall_from_confusion(confusion: ArrayLike, positive: int) -> Scores:
    """`recall` of confusion matrices (..., K, K)."""
    matrix = check_confusion(confusion, positive)
    return _ratio(matrix[..., positive, positive], matrix[..., positive, :].sum(axis=-1))


def fbeta(labels: ArrayLike, predictions: ArrayLike, beta: float, positive: int) -> float:
    """Harmonic mean of precision P and recall R of a class, (1 + β²) P R / (β² P + R).

    Recall counts β times as much as precision (van Rijsbergen 1979).

    Parameters
    ----------
    labels, predictions : array_like of int of shape (N,)
    beta : float, 0 or more
    positive : int

    References
    ----------
    van Rijsbergen (1979), Information Retrieval, 2nd edition, chapter 7.

    Examples
    --------
    >>> fbeta([1, 1, 1, 0], [1, 1, 0, 0], beta=2, positive=1)
    0.7142857142857143
    """
    return float(fbeta_from_confusion(_against_rest(labels, predictions, positive), beta, 1))


def fbeta_from_confusion(confusion: ArrayLike, beta: float, positive: int) -> Scores:
    """`fbeta` of confusion matrices (..., K, K)."""
    matrix = check_confusion(confusion, positive)
    if not 0 <= beta < np.inf:
        raise refusal("beta", "be finite and 0 or more", beta)
    cases, predicted = matrix[..., positive, :].sum(axis=-1), matrix[..., :, positive].sum(axis=-1)
    return _ratio((1 + beta**2) * matrix[..., positive, positive], beta**2 * cases + predicted)


def normalise_rows(confusion: ArrayLike) -> Scores:
    """Confusion matrices (..., K, K) as shares of the cases of each true class.

    A row without cases stays 0. Times a column of class shares they are the matrix of a sample that has
    these shares, whose precision is another one.

    Examples
    --------
    >>> normalise_rows([[3, 1], [0, 0]])
    array([[0.75, 0.25],
           [0.  , 0.  ]])
    """
    matrix = check_confusion(confusion)
    return _ratio(matrix, matrix.sum(axis=-1, keepdims=True))


def average_precision(labels: ArrayLike, probabilities: ArrayLike, positive: int) -> float:
    """Area under the precision-recall curve, as steps: Σ (R_t − R_t₋₁) P_t over the thresholds t.

    A threshold on the probability of class ``positive`` falls through all values that occur. Cases of equal
    probability pass it together.

    Parameters
    ----------
    labels : array_like of int of shape (N,), in 0..K-1
    probabilities : array_like of shape (N, K), 0 or more; each row adds up to 1, within 0.003
    positive : int
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    check_labels(probabilities.shape[1], positive=[positive])
    thresholds, indices = np.unique(-probabilities[:, positive], return_inverse=True)
    counts = np.bincount(2 * indices + (labels == positive), minlength=2 * len(thresholds))
    return float(average_precision_from_counts(counts.reshape(-1, 2)))


def average_precision_from_counts(counts: ArrayLike) -> Scores:
    """`average_precision` of histograms of the probability, as float64 (...).

    Parameters
    ----------
    counts : array_like of shape (..., T, 2)
        Numbers of other and of positive cases between each of T thresholds and the one before; these fall.
    """
    array = check_histogram(counts)
    passed = array.cumsum(axis=-2)
    steps = _ratio(passed[..., 1], passed.sum(axis=-1)) * array[..., 1]
    return _ratio(steps.sum(axis=-1), passed[..., -1, 1])


def calibration_bins(confidence: NDArray[np.floating[Any]], n_bins: int = 15) -> NDArray[np.intp]:
    """The bin of equal width in 0..1 that each confidence falls in; a bin holds its upper edge.

    Parameters
    ----------
    confidence : array of shape (N,), probabilities of the most probable classes
    n_bins : int, 1 or more

    Returns
    -------
    intp of shape (N,), in 0..n_bins-1
    """
    if n_bins < 1:
        raise refusal("n_bins", "be 1 or more", n_bins)
    return np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence)


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 15) -> float:
    """Expected calibration error: mean |accuracy − confidence| over `calibration_bins`, by cases.

    Confidence is the probability of the most probable class; accuracy is how often that class is correct
    (Guo et al. 2017).

    Parameters
    ----------
    labels : array_like of int of shape (N,), in 0..K-1
    probabilities : array_like of shape (N, K), as for `average_precision`
    n_bins : int, 1 or more

    Returns
    -------
    float, in 0..1

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML, eq. 3, with their 15 bins.
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    confidence = probabilities.max(axis=1).astype(np.float64)
    hits = probabilities.argmax(axis=1) == labels
    bins = calibration_bins(confidence, n_bins)
    cases = np.bincount(bins, minlength=n_bins)
    confidences = _ratio(np.bincount(bins, weights=confidence, minlength=n_bins), cases)
    accuracies = _ratio(np.bincount(bins, weights=hits, minlength=n_bins), cases)
    return float(np.abs(accuracies - confidences) @ cases / cases.sum())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of `log_loss_by_case`, which has the same parameters."""
    return float(log_loss_by_case(labels, probabilities).mean())


def log_loss_by_case(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Minus the natural logarithm of the probability that the true class is given.

    As in scikit-learn, probabilities are clipped to ε..1−ε first, with the ε of float32 for float32 and that
    of float64 for all else: a case scores 15.9 or 36.0 at worst.

    Parameters
    ----------
    labels : array_like of int of shape (N,), in 0..K-1
    probabilities : array_like of shape (N, K), as for `average_precision`

    Returns
    -------
    float64 of shape (N,)
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    epsilon = np.finfo(probabilities.dtype).eps
    likelihood = np.clip(probabilities[np.arange(len(labels)), labels], epsilon, 1 - epsilon)
    return np.asarray(-np.log(likelihood, dtype=np.float64))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of `brier_by_case`, which has the same parameters."""
    return float(brier_by_case(labels, probabilities).mean())


def brier_by_case(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Σ (p − y)² over the classes, where y is 1 for the true class and 0 for the others (Brier 1950).

    Parameters
    ----------
    labels : array_like of int of shape (N,), in 0..K-1
    probabilities : array_like of shape (N, K), as for `average_precision`

    Returns
    -------
    float64 of shape (N,), in 0..2

    References
    ----------
    Brier (1950), Verification of forecasts expressed in terms of probability, eq. 2.

    Examples
    --------
    >>> brier_by_case([0, 1], [[1.0, 0.0], [0.5, 0.5]])
    array([0. , 0.5])
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    error = probabilities.astype(np.float64)
    error[np.arange(len(labels)), labels] -= 1
    return np.asarray((error**2).sum(axis=1))


def _against_rest(labels: ArrayLike, predictions: ArrayLike, positive: int) -> NDArray[np.int64]:
    """The confusion matrix (2, 2) of the class ``positive``, at index 1, against all others."""
    labels, predictions = check_labels(labels=labels, predictions=predictions)
    return confusion_matrix((labels == positive).astype(int), (predictions == positive).astype(int), 2)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Scores:
    """part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole != 0)[()]
