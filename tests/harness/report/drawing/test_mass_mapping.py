import numpy as np

from harness.report.colours import REGIONS
from harness.report.drawing.mass_mapping import case_figure
from harness.report.figures import save_figure
from tests.harness.report.drawing.pixels import pixels_of, rgb


def test_a_map_shows_hits_misses_and_false_alarms(tmp_path):
    kappa = np.zeros((128, 128), np.float32)
    kappa[30:60, 30:60] = 0.1
    for name, prediction in (("same", kappa), ("moved", np.roll(kappa, 15, axis=0))):
        save_figure(
            case_figure(None, kappa, prediction, "00001_00001, $hostile_{x}$ <b>"), tmp_path / f"{name}.png"
        )
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
        save_figure(case_figure(None, kappa, 0.5 * kappa, "a case"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_picture_without_a_true_map():
    assert case_figure(None, None, np.zeros((128, 128)), "a case") is None
