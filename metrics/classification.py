"""Scores of classifiers: of labels (N,), of confusion matrices (..., K, K) and of probabilities (N, K).

A score of integer labels and predictions is that of their confusion matrix: rows are true classes, columns
predicted ones, entries counts or other weights of 0 or more. The functions of matrices return float64 (...),
so that a bootstrap scores thousands of them at once. All are in 0..1 and best at 1, and 0 where no case is
true, or none predicted, so that they would divide by 0: scikit-learn's ``zero_division=0``. Log-loss and
Brier score are best at 0. ValueError for other shapes, dtypes or values, saying which.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.checking import Scores, check_confusion, check_labels, check_probabilities


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


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Scores:
    """part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole != 0)[()]
