"""The scores of the stamps, through the sums that they are functions of, against the metrics and a peer."""

import numpy as np
import pytest
import sklearn.metrics

import metrics
from harness.evaluation.bootstrap import group_sums
from harness.tracks import STAMPS
from harness.tracks.stamps import CHALLENGE, SUPERNOVA, THRESHOLDS


def drawn(cases, supernovae, seed=0):
    """Labels with that many supernovae, and probabilities that are right more often than not, with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(
        np.r_[np.full(supernovae, SUPERNOVA), rng.choice([0, 2, 3, 4], cases - supernovae)]
    )
    raw = rng.dirichlet(np.full(5, 0.4), cases) + 0.7 * np.eye(5)[labels]
    probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    probabilities[: cases // 4] = np.round(probabilities[: cases // 4], 1)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def scores(labels, probabilities, groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    sums = group_sums(STAMPS, STAMPS.by_case(labels, probabilities), groups)
    return sums.total_scores(STAMPS)


def test_every_score_is_that_of_the_metrics():
    labels, probabilities = drawn(800, THRESHOLDS)
    predicted = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(labels, predicted, 5)
    shares = np.array(CHALLENGE)[:, None] / sum(CHALLENGE)
    expected = {
        "accuracy": metrics.accuracy(labels, predicted),
        "sn_f1": metrics.fbeta(labels, predicted, 1, SUPERNOVA),
        "sn_f2": metrics.fbeta(labels, predicted, 2, SUPERNOVA),
        "sn_precision": metrics.precision(labels, predicted, SUPERNOVA),
        "sn_recall": metrics.recall(labels, predicted, SUPERNOVA),
        "sn_precision_natural": metrics.precision_from_confusion(
            metrics.normalise_rows(confusion) * shares, SUPERNOVA
        ),
        "sn_average_precision": metrics.average_precision(labels, probabilities, SUPERNOVA),
        "balanced_accuracy": metrics.balanced_accuracy(labels, predicted),
        "object_accuracy": metrics.accuracy(labels, predicted),
        "calibration_error": metrics.calibration_error(labels, probabilities),
        "log_loss": metrics.log_loss(labels, probabilities),
        "brier": metrics.brier(labels, probabilities),
    }
    assert scores(labels, probabilities) == pytest.approx(expected, rel=1e-6)
    assert expected["sn_precision_natural"] < expected["sn_precision"] - 0.1


@pytest.mark.parametrize("supernovae", [1, 17, 199, 200])
def test_average_precision_is_exact_up_to_200_supernovae(supernovae):
    labels, probabilities = drawn(500, supernovae)
    expected = sklearn.metrics.average_precision_score(labels == SUPERNOVA, probabilities[:, SUPERNOVA])
    assert scores(labels, probabilities)["sn_average_precision"] == pytest.approx(expected, rel=1e-12)


def test_average_precision_is_near_with_many_supernovae_and_0_without():
    labels, probabilities = drawn(20_000, 3000)
    expected = metrics.average_precision(labels, probabilities, SUPERNOVA)
    assert scores(labels, probabilities)["sn_average_precision"] == pytest.approx(expected, abs=2e-3)
    assert scores(*drawn(50, 0))["sn_average_precision"] == 0


def test_average_precision_is_exact_in_resamples():
    labels, probabilities = drawn(300, 60)
    sums = group_sums(STAMPS, STAMPS.by_case(labels, probabilities), np.arange(300))
    weights = np.random.default_rng(1).integers(0, 4, (20, 300))
    for resample, value in zip(
        weights, sums.scores(STAMPS, weights @ sums.matrix)["sn_average_precision"], strict=True
    ):
        expected = sklearn.metrics.average_precision_score(
            labels == SUPERNOVA, probabilities[:, SUPERNOVA], sample_weight=resample
        )
        assert value == pytest.approx(expected, rel=1e-12)


def test_an_object_counts_once_however_many_its_alerts():
    # Object 7 has nine alerts, all right; 3 has one, wrong; 5 has two, one of them right.
    labels = np.zeros(12, int)
    groups = np.array([7] * 9 + [3] + [5] * 2)
    right = np.r_[np.ones(9), 0, 1, 0].astype(bool)
    found = scores(labels, np.where(right[:, None], np.eye(5)[0], np.eye(5)[2]), groups)
    assert found["accuracy"] == pytest.approx(10 / 12)
    assert found["object_accuracy"] == pytest.approx((1 + 0 + 0.5) / 3)


def test_the_natural_precision_does_not_depend_on_the_shares_of_the_classes():
    labels, probabilities = drawn(800, 200)
    again = np.r_[np.arange(800), np.flatnonzero(labels == SUPERNOVA).repeat(3)]
    before, after = scores(labels, probabilities), scores(labels[again], probabilities[again])
    assert after["sn_precision_natural"] == pytest.approx(before["sn_precision_natural"])
    assert after["sn_precision"] > before["sn_precision"] + 0.1
