import numpy as np
import pytest
import sklearn.metrics

from harness.data.store import create, open_dataset
from harness.report.colours import NO_VALUE, TRUE_CLASS
from harness.report.drawing.stamps import (
    case_figure,
    confusion_figure,
    dataset_figures,
    labels_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
)
from harness.report.figures import save_figure
from harness.tracks import STAMPS
from tests.harness.report.drawing.pixels import pixel_at, pixels_of, rgb

pytestmark = pytest.mark.slow

ROWS = np.indices((63, 63))[0]


@pytest.mark.parametrize("label", [None, 1])
def test_a_stamp_with_defects(tmp_path, label):
    image = np.random.default_rng(0).normal(size=(63, 63, 3)).astype(np.float32)
    image[:, :10] = np.nan
    image[..., 1] = -3.4e38
    image[..., 2] = np.nan
    save_figure(case_figure(image, label, np.full(5, 0.2), "a stamp"), tmp_path / "a.png")
    green = (pixels_of(tmp_path / "a.png") == rgb(TRUE_CLASS)).all(axis=-1).sum()
    assert (green > 500) == (label is not None)  # the bar of the true class, where it is known


def ramp(slope=1.0):
    """A stamp whose three channels have the number of the row, times a slope."""
    return np.repeat(slope * ROWS[..., None], 3, axis=-1).astype(np.float32)


def images_of(figure):
    """The drawn arrays, by the row's label and the channel."""
    drawn, label = {}, ""
    for axis in figure.axes:
        label = axis.get_ylabel() or label
        drawn.setdefault(label, []).append(np.asarray(axis.images[0].get_array(), float))
    return drawn


def test_a_stamp_without_a_prediction_is_shown_whole_and_as_networks_see_it(tmp_path):
    """Rows 21 to 41 are the crop: 0..1 in steps of 1/20."""
    image = ramp()
    image[:6, :6, 0] = np.nan
    figure = case_figure(image, 1, None, "123")
    whole, cropped = images_of(figure).values()
    np.testing.assert_array_equal(whole[1], ROWS)
    np.testing.assert_allclose(cropped[2], np.repeat(np.arange(21)[:, None] / 20, 21, axis=1), atol=1e-6)
    assert figure.get_suptitle() == "123: SN"
    assert pixel_at(figure, figure.axes[0], 3, 3, tmp_path / "a.png") == rgb(NO_VALUE)
    assert case_figure(image, None, None, "123").get_suptitle() == "123: class unknown"


def write(path, role="full", **columns):
    cases = len(next(iter(columns.values())))
    with create(path, STAMPS, role, {}) as writer:
        writer.append([f"c{row:02d}" for row in range(cases)], range(cases), **columns)
    return path


def test_figures_of_a_data_set(tmp_path):
    """Twelve supernovae and two AGN: five supernovae from the first to the last, and both AGN."""
    labels = np.array([1] * 6 + [0] + [1] * 6 + [0], np.int8)
    stamps = np.stack([ramp(1 + row) for row in range(14)])
    with open_dataset(write(tmp_path / "data.h5", images=stamps, labels=labels)) as data:
        figures = dict(dataset_figures(data))
    assert list(figures) == ["labels", "samples-AGN", "samples-AGN-21", "samples-SN", "samples-SN-21"]
    for suffix, size in (("", 63), ("-21", 21)):
        drawn = images_of(figures[f"samples-SN{suffix}"])
        assert list(drawn) == ["c00", "c03", "c07", "c09", "c12"]
        assert all(image.shape == (size, size) for images in drawn.values() for image in images)
        assert list(images_of(figures[f"samples-AGN{suffix}"])) == ["c06", "c13"]
    np.testing.assert_array_equal(images_of(figures["samples-SN"])["c03"][1], 4 * ROWS)
    assert images_of(figures["samples-SN-21"])["c03"][1].max() == 1
    assert figures["samples-SN-21"].get_suptitle().startswith("SN: 21 × 21 pixels, scaled to 0..1")


def test_figures_of_inputs_or_truth_alone(tmp_path):
    inputs = write(tmp_path / "inputs.h5", "inputs", images=np.stack([ramp()]))
    truth = write(tmp_path / "truth.h5", "truth", labels=np.array([3, 3], np.int8))
    found = {}
    for path in (inputs, truth):
        with open_dataset(path) as data:
            found[path.stem] = [name for name, _ in dataset_figures(data)]
    assert found == {"inputs": ["samples", "samples-21"], "truth": ["labels"]}


def test_distribution_of_the_labels():
    (axis,) = labels_figure(np.array([0] * 1200 + [1] * 200 + [4] * 600)).axes
    assert [bar.get_width() for bar in axis.patches] == [1200, 200, 0, 0, 600]
    assert [text.get_text() for text in axis.texts] == [
        "1,200 (60.0%)", "200 (10.0%)", "0 (0.0%)", "0 (0.0%)", "600 (30.0%)",
    ]  # fmt: skip
    assert labels_figure(np.array([-1, 9])).axes[0].get_xlim()[1] > 0  # in a file of others, of no class


def test_confusion_shows_shares_and_counts(tmp_path):
    figure = confusion_figure(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 6]]), ["a $hostile_{x}$", "b", "c"])
    (axis,) = figure.axes
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
    figures = precision_recall_figure(labels, probabilities), roc_figure(labels, probabilities)
    left, right = (figure.axes[0] for figure in figures)
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
    assert [text.get_text() for text in lower.texts if text.get_text()] == ["4"]
    (bar,) = upper.collections[0].get_segments()
    np.testing.assert_allclose(bar[:, 1], [0.301, 0.954], atol=5e-4)  # Wilson's of 3 of 4


def test_answers_without_a_supernova_are_drawn(tmp_path):
    labels, probabilities = stamps_answered(30)
    for name, some in (("none", np.zeros_like(labels)), ("all", np.ones_like(labels))):
        save_figure(precision_recall_figure(some, probabilities), tmp_path / f"{name}.png")
        save_figure(roc_figure(some, probabilities), tmp_path / f"{name}-roc.png")
