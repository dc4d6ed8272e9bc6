import numpy as np
import pytest
from PIL import Image

from harness.files import HarnessError
from harness.report.figures import REGIONS, curves_figure, map_figure, save_figure, stamp_figure
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
