"""The scores of classifiers against cases worked out by hand, slow formulas, and scikit-learn."""

import doctest
import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import calibration_curve

import metrics
from tests.reference import classification as reference

CLASSES = range(4)
BY_CLASS = ["precision", "recall"]
pairs = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=30)


def assert_all_scores(labels, predictions, accuracy, balanced, by_class):
    """``by_class``: for each class its precision, recall, F1 and F2."""
    assert metrics.accuracy(labels, predictions) == pytest.approx(accuracy, rel=1e-14)
    assert metrics.balanced_accuracy(labels, predictions) == pytest.approx(balanced, rel=1e-14)
    for c, (precision, recall, f1, f2) in zip(CLASSES, by_class, strict=True):
        assert metrics.precision(labels, predictions, c) == pytest.approx(precision, rel=1e-14)
        assert metrics.recall(labels, predictions, c) == pytest.approx(recall, rel=1e-14)
        assert metrics.fbeta(labels, predictions, 1, c) == pytest.approx(f1, rel=1e-14)
        assert metrics.fbeta(labels, predictions, 2, c) == pytest.approx(f2, rel=1e-14)


def test_by_hand():
    #         class 0 hit, 0 taken for 1, three of class 1 hit, 2 taken for 1; class 3 is not there
    labels, predictions = [0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 1, 1]
    assert_array_equal(
        metrics.confusion_matrix(labels, predictions, 4),
        [[1, 1, 0, 0], [0, 3, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]],
    )
    absent = (0, 0, 0, 0)
    by_class = [(1, 1 / 2, 2 / 3, 2.5 / 4.5), (3 / 5, 1, 3 / 4, 3 / 3.4), absent, absent]
    assert_all_scores(labels, predictions, 4 / 6, (1 / 2 + 1 + 0) / 3, by_class)


@settings(deadline=None, max_examples=100)
@given(pairs)
def test_slow_formulas_agree(cases):
    labels, predictions = zip(*cases, strict=True)
    assert_array_equal(
        metrics.confusion_matrix(labels, predictions, 4), reference.confusion_matrix(labels, predictions, 4)
    )
    by_class = [
        (
            *(getattr(reference, name)(labels, predictions, c) for name in BY_CLASS),
            *(reference.fbeta(labels, predictions, beta, c) for beta in (1, 2)),
        )
        for c in CLASSES
    ]
    accuracy, balanced = (
        getattr(reference, n)(labels, predictions) for n in ("accuracy", "balanced_accuracy")
    )
    assert_all_scores(labels, predictions, accuracy, balanced, by_class)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None, max_examples=60)
@given(pairs)
def test_scikit_learn_agrees(cases):
    labels, predictions = zip(*cases, strict=True)
    peer = sklearn.metrics
    assert_array_equal(
        metrics.confusion_matrix(labels, predictions, 4),
        peer.confusion_matrix(labels, predictions, labels=CLASSES),
    )
    choices = {"labels": list(CLASSES), "average": None, "zero_division": 0}
    by_class = zip(
        peer.precision_score(labels, predictions, **choices),
        peer.recall_score(labels, predictions, **choices),
        peer.fbeta_score(labels, predictions, beta=1, **choices),
        peer.fbeta_score(labels, predictions, beta=2, **choices),
        strict=True,
    )
    assert_all_scores(
        labels,
        predictions,
        peer.accuracy_score(labels, predictions),
        peer.balanced_accuracy_score(labels, predictions),
        by_class,
    )


def test_any_integers_may_name_classes():
    labels, predictions = [-7, 10**12, 10**12], [-7, 10**12, -7]
    assert metrics.accuracy(labels, predictions) == pytest.approx(2 / 3)
    assert metrics.balanced_accuracy(labels, predictions) == 0.75
    assert metrics.recall(labels, predictions, 10**12) == 0.5
    assert metrics.precision(labels, predictions, 5) == 0


def test_confusion_matrices_are_scored_all_at_once():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, (2, 3, 5, 40))
    predictions[0], labels[1, :, :20] = 1, 3
    matrices = np.array(
        [
            [metrics.confusion_matrix(y, p, 4) for y, p in zip(*row, strict=True)]
            for row in zip(labels, predictions, strict=True)
        ]
    )

    def one_by_one(score, *arguments):
        return [[score(labels[i, j], predictions[i, j], *arguments) for j in range(5)] for i in range(3)]

    assert_allclose(metrics.accuracy_from_confusion(matrices), one_by_one(metrics.accuracy))
    assert_allclose(metrics.balanced_accuracy_from_confusion(matrices), one_by_one(metrics.balanced_accuracy))
    for c in CLASSES:
        assert_allclose(metrics.precision_from_confusion(matrices, c), one_by_one(metrics.precision, c))
        assert_allclose(metrics.recall_from_confusion(matrices, c), one_by_one(metrics.recall, c))
        assert_allclose(metrics.fbeta_from_confusion(matrices, 2, c), one_by_one(metrics.fbeta, 2, c))


@pytest.mark.parametrize(
    "score",
    [
        metrics.accuracy_from_confusion,
        metrics.balanced_accuracy_from_confusion,
        lambda matrix: metrics.precision_from_confusion(matrix, 1),
        lambda matrix: metrics.recall_from_confusion(matrix, 1),
        lambda matrix: metrics.fbeta_from_confusion(matrix, 0.5, 1),
    ],
)
def test_confusion_of_weights(score):
    counts = np.array([[3, 1, 0], [2, 5, 1], [0, 0, 0]])
    assert isinstance(score(counts), np.float64)
    assert score(counts * 0.125) == pytest.approx(score(counts), rel=1e-15)
    assert score(np.zeros((2, 3, 3))).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint64, np.float16, np.float32])
def test_small_numbers_do_not_overflow(dtype):
    """A perfect matrix, whose sums no int8, uint8 or float16 can hold."""
    most = min(np.iinfo(dtype).max, 10**6) if np.issubdtype(dtype, np.integer) else np.finfo(np.float16).max
    matrix = np.diag([most, most]).astype(dtype)
    assert metrics.accuracy_from_confusion(matrix) == 1
    assert metrics.balanced_accuracy_from_confusion(matrix) == 1
    assert metrics.normalise_rows(matrix).tolist() == [[1, 0], [0, 1]]
    for beta in (1, 2):
        assert metrics.fbeta_from_confusion(matrix, beta, 1) == 1
    assert metrics.average_precision_from_counts(matrix[::-1]) == 1


def test_as_many_classes_as_cases_take_no_matrix():
    labels = np.random.default_rng(0).permutation(200_000) * 10**9
    predictions = np.where(np.arange(200_000) % 4, labels, -1)
    assert metrics.accuracy(labels, predictions) == 0.75
    assert metrics.balanced_accuracy(labels, predictions) == 0.75


def test_weights_move_precision_to_another_prior():
    # Half the cases are positive in the counts, one in eleven after weighting the others tenfold.
    counts = np.array([[90, 10], [20, 80]])
    assert metrics.precision_from_confusion(counts * [[10], [1]], 1) == pytest.approx(80 / 180)


def test_beta_moves_fbeta_from_precision_to_recall():
    labels, predictions = [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0]  # P = 1/2, R = 1/4
    assert metrics.fbeta(labels, predictions, beta=0, positive=1) == 0.5
    assert metrics.fbeta(labels, predictions, beta=1e6, positive=1) == pytest.approx(0.25)
    for beta in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="beta must be finite and 0 or more"):
            metrics.fbeta(labels, predictions, beta, positive=1)


def probable(dtype=np.float64, n=200):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.full(5, 0.3), n).astype(dtype)
    probabilities[:5] = np.eye(5)  # certain, of which one case at most is right
    return np.r_[[1, 2, 3, 4, 4], rng.integers(0, 5, n - 5)], probabilities


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scikit_learn_agrees_on_probabilities(dtype):
    labels, probabilities = probable(dtype)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    loss = sklearn.metrics.log_loss(labels, probabilities, labels=range(5))
    assert metrics.log_loss(labels, probabilities) == pytest.approx(loss, rel=tolerance)
    score = sklearn.metrics.brier_score_loss(labels, probabilities, labels=range(5), scale_by_half=False)
    assert metrics.brier(labels, probabilities) == pytest.approx(score, rel=tolerance)


def test_probabilities_by_case():
    labels, probabilities = probable()
    loss = metrics.log_loss_by_case(labels, probabilities)
    assert_allclose(loss, reference.log_loss_by_case(labels, probabilities), rtol=1e-12)
    brier = metrics.brier_by_case(labels, probabilities)
    assert_allclose(brier, reference.brier_by_case(labels, probabilities), rtol=1e-12)
    assert loss.dtype == brier.dtype == np.float64


def test_a_certain_prediction():
    assert_allclose(metrics.log_loss_by_case([0, 1], [[1, 0], [1, 0]]), [0, 52 * np.log(2)], atol=1e-15)
    single = np.array([[1, 0], [1, 0]], np.float32)
    assert_allclose(metrics.log_loss_by_case([0, 1], single), [0, 23 * np.log(2)], atol=1e-6)
    assert metrics.brier_by_case([0, 1], [[1, 0], [1, 0]]).tolist() == [0, 2]


def test_a_uniform_prediction():
    uniform = np.full((3, 5), 0.2)
    assert metrics.log_loss([0, 3, 4], uniform) == pytest.approx(np.log(5))
    assert metrics.brier([0, 3, 4], uniform) == pytest.approx(0.8**2 + 4 * 0.2**2)


def test_rows_are_normalised():
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 7]])
    shares = metrics.normalise_rows(counts)
    assert_array_equal(shares, [[0.75, 0.25, 0], [0, 0, 0], [0, 0, 1]])
    assert_array_equal(shares, reference.normalise_rows(counts.tolist()))
    assert_array_equal(metrics.normalise_rows([counts, 5 * counts]), [shares, shares])


def test_precision_at_another_prior_is_that_of_a_sample_that_has_it():
    rng = np.random.default_rng(3)
    prior = np.array([0.6, 0.03, 0.37])
    labels = rng.choice(3, 200_000, p=prior)
    predictions = np.where(rng.random(len(labels)) < 0.8, labels, rng.integers(0, 3, len(labels)))
    balanced = np.concatenate([np.flatnonzero(labels == c)[:5000] for c in range(3)])
    matrix = metrics.confusion_matrix(labels[balanced], predictions[balanced], 3)
    moved = metrics.precision_from_confusion(metrics.normalise_rows(matrix) * prior[:, None], 1)
    assert moved == pytest.approx(metrics.precision(labels, predictions, 1), abs=0.02)
    assert metrics.precision(labels[balanced], predictions[balanced], 1) > moved + 0.5


# Probabilities that are often equal, of labels that may all be of one class.
ranked = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), min_size=1, max_size=25)


def two_classes(cases):
    """Labels 0..2 and probabilities of three classes, of which that of class 1 is drawn."""
    labels, eighths = np.array(cases).T
    rest = (8 - eighths) / 16
    return labels, np.column_stack([rest, eighths / 8, rest])


@settings(deadline=None, max_examples=60)
@given(ranked)
def test_slow_formulas_agree_on_probabilities(cases):
    labels, probabilities = two_classes(cases)
    expected = reference.average_precision(labels.tolist(), probabilities[:, 1].tolist(), 1)
    assert metrics.average_precision(labels, probabilities, 1) == pytest.approx(expected, rel=1e-12, abs=0)
    for bins in (1, 4, 15):
        expected = reference.calibration_error(labels, probabilities, bins)
        assert metrics.calibration_error(labels, probabilities, bins) == pytest.approx(expected, abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(ranked)
def test_scikit_learn_agrees_on_average_precision(cases):
    labels, probabilities = two_classes(cases)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No positive class found", UserWarning)
        expected = sklearn.metrics.average_precision_score(labels == 1, probabilities[:, 1])
    assert metrics.average_precision(labels, probabilities, 1) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scikit_learn_agrees_on_average_precision_of_five_classes(dtype):
    labels, probabilities = probable(dtype, 1000)
    for c in range(5):
        expected = sklearn.metrics.average_precision_score(labels == c, probabilities[:, c])
        assert metrics.average_precision(labels, probabilities, c) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("n_bins", [5, 10, 15])
def test_scikit_learn_agrees_on_calibration(n_bins):
    labels, probabilities = probable(n=500)
    hits, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    accuracies, confidences = calibration_curve(hits, confidence, n_bins=n_bins)
    cases = np.bincount(metrics.calibration_bins(confidence, n_bins))
    expected = np.average(np.abs(accuracies - confidences), weights=cases[cases > 0])
    assert metrics.calibration_error(labels, probabilities, n_bins) == pytest.approx(expected, rel=1e-12)


def test_calibration_by_hand():
    # A confidence of 0.75 that is right three times in four, one of 1 that never is.
    calm, certain = [[0.75, 0.25]] * 4, [[0.0, 1.0]] * 4
    assert metrics.calibration_error([0, 0, 0, 1], calm) == 0
    assert metrics.calibration_error([0] * 4, certain) == 1
    assert metrics.calibration_error([0, 0, 0, 1] + [0] * 4, calm + certain) == 0.5


def test_bins_of_calibration_hold_their_upper_edge_and_are_fifteen():
    assert metrics.calibration_bins(np.array([0.0, 0.25, 0.2501, 0.5, 1.0]), 4).tolist() == [0, 0, 1, 1, 3]
    assert metrics.calibration_bins(np.array([0.3, 1.0]), 1).tolist() == [0, 0]
    near = np.array([0.93, 0.936])  # 14/15 is between them, and neither 13/14 nor 15/16
    assert metrics.calibration_bins(near).tolist() == [13, 14]
    probabilities = np.column_stack([near, 1 - near])  # one is right, the other is not
    assert metrics.calibration_error([0, 1], probabilities) == pytest.approx((0.07 + 0.936) / 2)
    assert metrics.calibration_error([0, 1], probabilities, 14) == pytest.approx(0.433)


def test_a_perfect_and_a_reversed_order():
    labels, rising = [0, 0, 1, 1], np.array([0.1, 0.2, 0.8, 0.9])
    perfect, reversed_ = (np.column_stack([1 - p, p]) for p in (rising, rising[::-1]))
    assert metrics.average_precision(labels, perfect, 1) == 1
    assert metrics.average_precision(labels, reversed_, 1) == pytest.approx((1 / 3 + 2 / 4) / 2)
    equal = np.full((4, 2), 0.5)
    assert metrics.average_precision(labels, equal, 1) == 0.5


def test_average_precisions_of_many_histograms():
    counts = np.random.default_rng(4).integers(0, 5, (3, 2, 7, 2))
    counts[0, 0, :, 1] = 0
    scores = metrics.average_precision_from_counts(counts)
    assert scores.shape == (3, 2)
    assert scores[0, 0] == 0
    for index in np.ndindex(3, 2):
        labels = np.repeat(np.tile([0, 1], 7), counts[index].ravel())
        falling = np.repeat(np.linspace(0.9, 0.1, 7), counts[index].sum(axis=1))
        expected = metrics.average_precision(labels, np.column_stack([1 - falling, falling]), 1)
        assert scores[index] == pytest.approx(expected, rel=1e-13)


def test_a_class_that_there_is_not():
    with pytest.raises(ValueError, match=r"positive must lie in 0\.\.4"):
        metrics.average_precision(*probable(), 5)


def test_bins_and_counts_must_be_there():
    with pytest.raises(ValueError, match="n_bins must be 1 or more, got 0"):
        metrics.calibration_error(*probable(), 0)
    for shape in ((2,), (3, 3), (0, 2)):
        with pytest.raises(ValueError, match=r"counts must have shape \(\.\.\., T, 2\)"):
            metrics.average_precision_from_counts(np.ones(shape))
    for counts in ([[-1, 2]], [[1, np.nan]], [[1, np.inf]]):
        with pytest.raises(ValueError, match="counts must be finite and 0 or more, got"):
            metrics.average_precision_from_counts(counts)
    for values in ([["1", "2"]], [[True, False]]):
        with pytest.raises(ValueError, match="counts must hold real numbers"):
            metrics.average_precision_from_counts(values)


def test_examples_in_the_docstrings():
    outcome = doctest.testmod(metrics.classification)
    assert outcome.attempted > 0
    assert outcome.failed == 0
