"""The scores of classifiers, case by case."""

import math


def confusion_matrix(labels, predictions, n_classes):
    return [
        [
            sum(1 for y, p in zip(labels, predictions, strict=True) if (y, p) == (true, predicted))
            for predicted in range(n_classes)
        ]
        for true in range(n_classes)
    ]


def accuracy(labels, predictions):
    return sum(y == p for y, p in zip(labels, predictions, strict=True)) / len(labels)


def precision(labels, predictions, positive):
    of_predicted = [y == positive for y, p in zip(labels, predictions, strict=True) if p == positive]
    return sum(of_predicted) / len(of_predicted) if of_predicted else 0.0


def recall(labels, predictions, positive):
    of_true = [p == positive for y, p in zip(labels, predictions, strict=True) if y == positive]
    return sum(of_true) / len(of_true) if of_true else 0.0


def balanced_accuracy(labels, predictions):
    classes = set(labels)
    return sum(recall(labels, predictions, c) for c in classes) / len(classes)


def fbeta(labels, predictions, beta, positive):
    p, r = precision(labels, predictions, positive), recall(labels, predictions, positive)
    return (1 + beta**2) * p * r / (beta**2 * p + r) if p and r else 0.0


def log_loss_by_case(labels, probabilities, epsilon=2.0**-52):
    likelihoods = [float(row[label]) for label, row in zip(labels, probabilities, strict=True)]
    return [-math.log(min(max(p, epsilon), 1 - epsilon)) for p in likelihoods]


def brier_by_case(labels, probabilities):
    return [
        sum((float(p) - (k == label)) ** 2 for k, p in enumerate(row))
        for label, row in zip(labels, probabilities, strict=True)
    ]
