from itertools import combinations

import matplotlib.colors
import numpy as np
import pytest

from harness.data.simulate.dataset import simulate
from harness.data.store import create, open_dataset
from harness.report.colours import REGIONS, STRUCTURE
from harness.report.drawing.mass_mapping import case_figure, dataset_figures, weights_figure
from harness.report.figures import save_figure
from harness.tracks import MASS_MAPPING
from tests.harness.report.drawing.pixels import pixel_at, rgb

pytestmark = pytest.mark.slow

ROWS, COLUMNS = np.indices((128, 128))


def bumps(*peaks):
    """A map of Gaussian peaks, each (row, column, height)."""
    return sum(
        height * np.exp(-((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / 50) for row, column, height in peaks
    ).astype(np.float32)


def marks(axis, marker):
    """Where an axis has marks of this shape, as (row, column), in their order."""
    found = [line.get_xydata() for line in axis.lines if line.get_marker() == marker]
    return [(round(row), round(column)) for points in found for column, row in points]


def test_regions_of_each_kind_have_their_colour(tmp_path):
    """The left half is above the mean of the true map, the upper half above that of the predicted one."""
    target, prediction = (COLUMNS < 64).astype(np.float32), (ROWS < 64).astype(np.float32)
    figure = case_figure(None, target, prediction, "00001_00001, $hostile_{x}$ <b>")
    regions = figure.axes[3]
    legend = regions.get_legend()
    names = {
        text.get_text(): matplotlib.colors.to_hex(patch.get_facecolor())
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert names == REGIONS
    of = {
        "true positive": (32, 32),
        "false positive": (32, 96),
        "false negative": (96, 32),
        "true negative": (96, 96),
    }
    for name, place in of.items():
        assert pixel_at(figure, regions, *place, tmp_path / "regions.png") == rgb(names[name])


def test_regions_differ_in_luminance_too():
    """By the ratio that WCAG 2.1 calls contrast; who does not see hues still sees this."""

    def luminance(colour):
        values = np.array(rgb(colour)) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for a, b in combinations(map(luminance, REGIONS.values()), 2):
        assert (max(a, b) + 0.05) / (min(a, b) + 0.05) > 1.7


def test_five_true_and_three_predicted_peaks_are_numbered_by_height():
    """The predicted map has the third and the fourth peak in the other order."""
    places = [(20, 20), (20, 100), (64, 64), (100, 20), (100, 100)]
    target = bumps(*((*place, height) for place, height in zip(places, (1, 0.9, 0.8, 0.7, 0.6), strict=True)))
    other = bumps(*((*place, height) for place, height in zip(places, (1, 0.9, 0.7, 0.8, 0.6), strict=True)))
    figure = case_figure(None, target, other, "a case")
    for axis in figure.axes[:2]:
        assert marks(axis, "x") == places
        assert marks(axis, "o") == [places[0], places[1], places[3]]
        assert [text.get_text() for text in axis.texts] == ["1", "2", "3", "4", "5", "1", "2", "3"]
        assert round(axis.texts[7].xy[1]) + 3 == 100  # beside the true one's 4
    marked = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert marked == ["true peaks", "predicted peaks"]


def test_a_map_with_one_peak_has_one_mark():
    figure = case_figure(None, bumps((40, 50, 1)), np.zeros((128, 128)), "a case")
    assert (marks(figure.axes[0], "x"), marks(figure.axes[0], "o")) == ([(40, 50)], [])


def test_weights_show_ten_peaks_and_the_structures(tmp_path):
    places = [(row, column) for row in (20, 60, 100) for column in (20, 50, 80, 110)]
    kappa = bumps(*((*place, 1 - 0.05 * index) for index, place in enumerate(places)))
    structure = ((ROWS == 40) & (COLUMNS > 64)).astype(np.float32)
    weights = {"focal": np.full_like(kappa, 0.5), "structure, a = 1.5": structure, "weighted mean": kappa / 2}
    figure = weights_figure(kappa, weights, "structure, a = 1.5", "a case")
    panels = {axis.get_title(): axis for axis in figure.axes if axis.get_title()}
    assert list(panels) == ["true κ", *weights]
    for axis in panels.values():
        assert marks(axis, "x") == places[:10]
        assert axis.lines[0].get_color() == "red"
    true = panels["true κ"]
    assert pixel_at(figure, true, 40, 96, tmp_path / "weights.png") == rgb(STRUCTURE)
    assert pixel_at(figure, true, 40, 32, tmp_path / "weights.png") != rgb(STRUCTURE)


def test_a_case_without_a_prediction():
    kappa, epsilon = bumps((40, 50, 1)), np.zeros((128, 128, 3), np.float16)
    shown = {}
    for name, inputs, target in (("both", epsilon, kappa), ("inputs", epsilon, None), ("truth", None, kappa)):
        figure = case_figure(inputs, target, None, name)
        shown[name] = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert shown == {
        "both": ["e1", "e2", "Δe", "true κ"],
        "inputs": ["e1", "e2", "Δe"],
        "truth": ["true κ"],
    }


@pytest.mark.parametrize("cases", [2, 9])
def test_samples_of_a_data_set(tmp_path, cases):
    simulate(MASS_MAPPING, tmp_path / "data.h5", cases)
    with open_dataset(tmp_path / "data.h5") as data:
        ((name, figure),) = dataset_figures(data)
        labels = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
        ids = data.case_ids()
    assert name == "samples"
    assert labels == (ids if cases == 2 else [ids[0], ids[3], ids[5], ids[8]])


def test_samples_of_inputs_alone(tmp_path):
    with create(tmp_path / "inputs.h5", MASS_MAPPING, "inputs", {}) as writer:
        writer.append(["a"], [0], epsilon=np.zeros((1, 128, 128, 3), np.float16))
    with open_dataset(tmp_path / "inputs.h5") as data:
        ((_, figure),) = dataset_figures(data)
    assert "true κ" not in [axis.get_title() for axis in figure.axes]


def test_same_picture_same_bytes(tmp_path):
    kappa = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)
    for name in ("a.png", "b.png"):
        save_figure(case_figure(None, kappa, 0.5 * kappa, "a case"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_no_picture_of_a_prediction_without_a_true_map():
    assert case_figure(None, None, np.zeros((128, 128)), "a case") is None
