import numpy as np
import pytest
import sklearn.metrics

from harness.report.colours import TRUE_CLASS
from harness.report.drawing.stamps import (
    case_figure,
    confusion_figure,
    reliability_figure,
    supernova_curves_figure,
)
from harness.report.figures import save_figure
from tests.harness.report.drawing.pixels import pixels_of, rgb


@pytest.mark.parametrize("label", [None, 1])
def test_a_stamp_with_defects(tmp_path, label):
    image = np.random.default_rng(0).normal(size=(63, 63, 3)).astype(np.float32)
    image[:, :10] = np.nan
    image[..., 1] = -3.4e38
    image[..., 2] = np.nan
    save_figure(case_figure(image, label, np.full(5, 0.2), "a stamp"), tmp_path / "a.png")
    green = (pixels_of(tmp_path / "a.png") == rgb(TRUE_CLASS)).all(axis=-1).sum()
    assert (green > 500) == (label is not None)  # the bar of the true class, where it is known


def test_confusion_shows_shares_and_counts(tmp_path):
    figure = confusion_figure(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 6]]), ["a $hostile_{x}$", "b", "c"])
    (axis, _) = figure.axes
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["0.75\n3", "0.25\n1", "0.00\n0", *["0.00\n0"] * 3, "0.25\n2", "0.00\n0", "0.75\n6"]
    np.testing.assert_array_equal(axis.images[0].get_array()[2], [0.25, 0, 0.75])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a $hostile_{x}$", "b", "c"]
    save_figure(figure, tmp_path / "confusion.png")


def stamps_answered(cases=400):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, cases)
    raw = rng.dirichlet(np.ones(5), cases) + 0.6 * np.eye(5)[labels]
    return labels, (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


def test_supernova_curves_are_those_of_scikit_learn():
    labels, probabilities = stamps_answered()
    truth, given = labels == 1, probabilities[:, 1]
    left, right = supernova_curves_figure(labels, probabilities).axes
    precision, recall, _ = sklearn.metrics.precision_recall_curve(truth, given)
    np.testing.assert_allclose(left.lines[0].get_xdata()[1:], recall[-2::-1])
    np.testing.assert_allclose(left.lines[0].get_ydata()[1:], precision[-2::-1])
    false, true, _ = sklearn.metrics.roc_curve(truth, given, drop_intermediate=False)
    np.testing.assert_allclose(right.lines[0].get_xydata(), np.transpose([false, true]))
    assert right.get_xlim() == (0, 0.2)
    assert f"{sklearn.metrics.average_precision_score(truth, given):.3f}" in left.get_title()
    assert f"{sklearn.metrics.roc_auc_score(truth, given):.3f}" in right.get_title()
    predicted = probabilities.argmax(axis=1) == 1
    dots = [axis.lines[1].get_xydata()[0] for axis in (left, right)]
    hits = sklearn.metrics.recall_score(truth, predicted)
    np.testing.assert_allclose(dots[0], [hits, sklearn.metrics.precision_score(truth, predicted)])
    np.testing.assert_allclose(dots[1], [(predicted & ~truth).sum() / (~truth).sum(), hits])


def test_reliability_shows_filled_bins_only():
    labels, probabilities = np.array([0, 0, 0, 1]), np.tile([0.75, 0.25, 0, 0, 0], (4, 1))
    upper, lower = reliability_figure(labels, probabilities).axes
    assert upper.lines[1].get_xydata().tolist() == [[0.75, 0.75]]
    heights = [bar.get_height() for bar in lower.patches]
    assert sum(heights) == heights[11] == 4
    assert upper.get_title() == "calibration error 0.000"


def test_answers_without_a_supernova_are_drawn(tmp_path):
    labels, probabilities = stamps_answered(30)
    save_figure(supernova_curves_figure(np.zeros_like(labels), probabilities), tmp_path / "none.png")
    save_figure(supernova_curves_figure(np.ones_like(labels), probabilities), tmp_path / "all.png")
