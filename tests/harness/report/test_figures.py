import numpy as np
import pytest
import sklearn.metrics
from PIL import Image

from harness.files import HarnessError
from harness.report.figures import (
    REGIONS,
    confusion_figure,
    curves_figure,
    map_figure,
    reliability_figure,
    save_figure,
    stamp_figure,
    supernova_curves_figure,
)
from harness.tracks import STAMPS


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_a_map_shows_hits_misses_and_false_alarms(tmp_path):
    kappa = np.zeros((128, 128), np.float32)
    kappa[30:60, 30:60] = 0.1
    for name, prediction in (("same", kappa), ("moved", np.roll(kappa, 15, axis=0))):
        save_figure(map_figure(kappa, prediction, "00001_00001, $hostile_{x}$ <b>"), tmp_path / f"{name}.png")
    counts = {}
    for name in ("same", "moved"):
        pixels = pixels_of(tmp_path / f"{name}.png")
        counts[name] = {key: (pixels == rgb(colour)).all(axis=-1).sum() for key, colour in REGIONS.items()}
    assert counts["moved"]["missed"] > 3 * counts["same"]["missed"]
    assert counts["moved"]["false alarm"] > 3 * counts["same"]["false alarm"]
    assert counts["moved"]["hit"] < counts["same"]["hit"]


def test_same_picture_same_bytes(tmp_path):
    kappa = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)
    for name in ("a.png", "b.png"):
        save_figure(map_figure(kappa, 0.5 * kappa, "a case"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("label", [None, 1])
def test_a_stamp_with_defects(tmp_path, label):
    image = np.random.default_rng(0).normal(size=(63, 63, 3)).astype(np.float32)
    image[:, :10] = np.nan
    image[..., 1] = -3.4e38
    image[..., 2] = np.nan
    save_figure(stamp_figure(image, np.full(5, 0.2), STAMPS.classes, label, "a stamp"), tmp_path / "a.png")
    green = (pixels_of(tmp_path / "a.png") == rgb(REGIONS["hit"])).all(axis=-1).sum()
    assert (green > 500) == (label is not None)  # the bar of the true class, where it is known


def test_curves_of_training_and_validation(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text(
        "epoch,seconds,accuracy,loss,val_accuracy,val_loss,val_dicee\n1,2,.5,1,.4,1.2,.3\n2,2,.6,.9,.5,1,.2\n"
    )
    figure = curves_figure(history, "cnn")
    assert [axis.get_title() for axis in figure.axes] == ["accuracy", "loss", "dicee"]
    assert [len(axis.lines) for axis in figure.axes] == [2, 2, 1]
    history.write_text("epoch,seconds,loss\n")
    with pytest.raises(HarnessError, match="no epochs"):
        curves_figure(history, "cnn")


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
