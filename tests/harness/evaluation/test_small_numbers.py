"""Intervals where resampling gives none: nine supernovae, all of them found."""

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.data.store import open_dataset
from harness.evaluation.bootstrap import (
    bootstrap,
    exact_intervals,
    group_sums,
    interval,
    settled,
    trial_groups,
    unseen_difference,
)
from harness.evaluation.comparison import compare
from harness.tracks import STAMPS

SN = STAMPS.classes.index("SN")
LABELS = np.repeat(range(5), 9)


def sums_of(predicted, groups):
    probabilities = np.eye(5)[predicted] * 0.9 + 0.02
    return group_sums(STAMPS, STAMPS.by_case(LABELS, probabilities), groups)


def test_all_right():
    """Clopper & Pearson: 9 of 9 have the lower bound 0.025^(1/9) = 0.6637, 45 of 45 0.9213.

    F-scores: with a share s of right ones, the others missed, F1 = 2 s / (1 + s) and F2 = 5 s / (4 + s).
    """
    found = exact_intervals(STAMPS, sums_of(LABELS, np.arange(45)))
    assert found["sn_recall"] == pytest.approx((0.6637, 1), abs=5e-5)
    assert found["sn_precision"] == pytest.approx((0.6637, 1), abs=5e-5)
    assert found["accuracy"] == pytest.approx((0.9213, 1), abs=5e-5)
    assert found["sn_f1"] == pytest.approx((0.7979, 1), abs=5e-5)
    assert found["sn_f2"] == pytest.approx((0.7116, 1), abs=5e-5)
    assert np.isnan(found["log_loss"]).all()


def test_alerts_of_one_object_count_once():
    """Of nine supernovae from three objects, three of three are right: 0.025^(1/3) = 0.2924."""
    groups = np.arange(45)
    groups[LABELS == SN] = 100 + np.repeat(range(3), 3)
    assert exact_intervals(STAMPS, sums_of(LABELS, groups))["sn_recall"][0] == pytest.approx(0.2924, abs=5e-5)


def test_none_right():
    """0 of 9: up to 1 − 0.6637. Nothing was called a supernova, so nothing is known of the precision."""
    found = exact_intervals(STAMPS, sums_of(np.zeros(45, int), np.arange(45)))
    assert found["sn_recall"] == pytest.approx((0, 0.3363), abs=5e-5)
    assert found["sn_f1"] == pytest.approx((0, 0.5033), abs=5e-5)
    assert found["sn_f2"] == pytest.approx((0, 0.7170), abs=5e-5)  # 5 s / (4 s + 1), if nothing was missed
    assert np.isnan(found["sn_precision"]).all()


def test_the_exact_one_stands_where_resamples_are_all_the_same():
    predicted = LABELS.copy()
    predicted[0] = 4  # an AGN is missed, and the supernovae are all right
    sums = sums_of(predicted, np.arange(45))
    drawn, exact = bootstrap(STAMPS, [sums]), exact_intervals(STAMPS, sums)
    bounds = {
        score.key: settled(score, interval(drawn[score.key][:, 0], 45), np.array(exact[score.key]))
        for score in STAMPS.scores
    }
    assert bounds["sn_recall"] == pytest.approx((0.6637, 1), abs=5e-5)
    low, high = bounds["accuracy"]
    assert 0.9 < low < 44 / 45 < high == 1
    assert np.isnan(bounds["sn_average_precision"]).all()  # 1 in every resample, and no share


def test_two_that_find_all_are_not_sure_to_be_alike(tmp_path, stamps, submission_of):
    """Each may miss as many as its own exact interval allows; SciPy has that of n of n."""
    truth = stamps / "data.h5"
    with open_dataset(truth) as data:
        labels, objects = data.truth[:], len(np.unique(data.groups()[data.truth[:] == SN]))

    def answers(missed):
        def predict(truth):
            predicted = truth.astype(int)
            predicted[np.flatnonzero(labels != SN)[:missed]] = SN
            return np.eye(5)[predicted] * 0.9 + 0.02

        return predict

    paths = [submission_of(tmp_path / f"{n}.zip", truth, answers(n), f"team {n}") for n in (1, 5)]
    found, _ = compare(*paths, truth)
    recall = next(each for each in found.scores if each.key == "sn_recall")
    most = 1 - binomtest(objects, objects).proportion_ci(method="exact").low
    assert recall.difference == 0
    assert (recall.low, recall.high) == pytest.approx((-most, most))
    with open_dataset(truth) as data:
        groups = len(np.unique(data.groups()))
    same, _ = compare(paths[0], paths[0], truth)
    accuracy = next(each for each in same.scores if each.key == "accuracy")
    most = binomtest(0, groups).proportion_ci(method="exact").high
    assert (accuracy.low, accuracy.high) == pytest.approx((-most, most))


def test_two_that_find_the_same_are_not_sure_to_be_alike():
    """Of n groups none of which differs, as many may differ as SciPy's upper bound of 0 of n says.

    A share s of them changes F1 by no more than 2 s / (1 + s), that from 0 to s, and F2 by no more than
    5 s / (1 + 4 s).
    """
    scores = {score.key: score for score in STAMPS.scores}
    for n in (3, 46, 571):
        share = binomtest(0, n).proportion_ci(method="exact").high
        for key in ("accuracy", "sn_recall", "sn_precision"):
            assert unseen_difference(scores[key], n) == pytest.approx(share)
        assert unseen_difference(scores["sn_f1"], n) == pytest.approx(2 * share / (1 + share))
        assert unseen_difference(scores["sn_f2"], n) == pytest.approx(5 * share / (1 + 4 * share))
    assert unseen_difference(scores["log_loss"], 0) == 0
    predicted = LABELS.copy()
    predicted[LABELS == SN] = [SN] * 5 + [0] * 4
    assert trial_groups(STAMPS, sums_of(predicted, np.arange(45))) == {
        **{score.key: 0 for score in STAMPS.scores},
        **{"accuracy": 45, "object_accuracy": 45, "sn_recall": 9, "sn_precision": 5, "sn_f1": 9, "sn_f2": 9},
    }
