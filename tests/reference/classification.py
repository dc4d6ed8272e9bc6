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


def normalise_rows(confusion):
    return [[count / sum(row) if sum(row) else 0.0 for count in row] for row in confusion]


def _passed(labels, scores, positive, threshold):
    """Numbers of other and of positive cases whose score is the threshold or more."""
    passed = [label == positive for label, score in zip(labels, scores, strict=True) if score >= threshold]
    return len(passed) - sum(passed), sum(passed)


def average_precision(labels, scores, positive):
    positives = sum(label == positive for label in labels)
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        others, hits = _passed(labels, scores, positive, threshold)
        recall_now = hits / positives if positives else 0.0
        total += (recall_now - recall_before) * hits / (others + hits)
        recall_before = recall_now
    return total


def _reliability(labels, probabilities, n_bins):
    bins = [[] for _ in range(n_bins)]
    for label, row in zip(labels, probabilities, strict=True):
        row = [float(p) for p in row]
        confidence = max(row)
        upper = (k for k in range(n_bins) if confidence <= (k + 1) / n_bins)
        bins[next(upper, n_bins - 1)].append((confidence, row.index(confidence) == label))
    return [
        (sum(c for c, _ in held) / len(held), sum(hit for _, hit in held) / len(held), len(held))
        if held
        else (0.0, 0.0, 0)
        for held in bins
    ]


def calibration_error(labels, probabilities, n_bins=15):
    curve = _reliability(labels, probabilities, n_bins)
    return sum(cases * abs(hits - confidence) for confidence, hits, cases in curve) / len(labels)
