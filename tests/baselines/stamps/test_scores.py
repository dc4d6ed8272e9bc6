import numpy as np
import pytest

import metrics
from baselines.stamps.scores import TrackScores

pytestmark = pytest.mark.slow


def of_batches(labels, logits, size=32):
    scores = TrackScores()
    for start in range(0, len(labels), size):
        scores.update_state(labels[start : start + size], logits[start : start + size])
    return {name: float(value) for name, value in scores.result().items()}


@pytest.mark.parametrize("classes", [range(5), [0, 2, 4], [1]])
def test_equal_the_scores_of_the_whole_set(classes):
    rng = np.random.default_rng(0)
    labels = rng.choice(list(classes), 333)
    logits = rng.normal(0, 1, (333, 5)) + np.eye(5)[labels]
    predicted = logits.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy(labels, predicted),
        "sn_f1": metrics.fbeta(labels, predicted, 1, 1),
        "sn_f2": metrics.fbeta(labels, predicted, 2, 1),
        "balanced_accuracy": metrics.balanced_accuracy(labels, predicted),
    }
    assert of_batches(labels, logits) == pytest.approx(expected, abs=1e-6)


def test_no_supernova_true_or_predicted_scores_0():
    logits = np.eye(5)[[0, 0, 3]]
    assert of_batches(np.array([0, 0, 3]), logits)["sn_f1"] == 0


def test_every_epoch_begins_anew():
    scores = TrackScores()
    scores.update_state(np.array([0]), np.eye(5)[[1]])
    scores.reset_state()
    scores.update_state(np.array([1]), np.eye(5)[[1]])
    assert float(scores.result()["accuracy"]) == 1
