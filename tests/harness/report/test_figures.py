import re

import numpy as np
import pytest

from harness.files import HarnessError
from harness.report.drawing.tiles import Scale, image_tile, tiles_figure
from harness.report.figures import curves_figure, picture_format, save_figure, trials_figure
from harness.tracks import MASS_MAPPING, STAMPS


def curves(axis):
    """The curves of a panel by their label."""
    return {line.get_label(): line for line in axis.lines}


def test_curves_of_training_and_validation(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("epoch,seconds,accuracy,loss,val_accuracy,val_loss\n1,2,.5,1,.4,1.2\n2,2,.6,.9,.5,1\n")
    figure = curves_figure(history, "cnn", STAMPS.scores)
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy ↑"]
    assert all({"training", "validation"} < curves(axis).keys() for axis in figure.axes)
    assert all(axis.get_yscale() == "linear" for axis in figure.axes)  # 1 is the best accuracy, not 0
    history.write_text("epoch,seconds,loss\n")
    with pytest.raises(HarnessError, match="no epochs"):
        curves_figure(history, "cnn")


@pytest.mark.parametrize(
    "history",
    [
        b"epoch,seconds,loss\n1,2,1\n2,2",
        b"epoch,seconds,loss\n1,2,\n",
        b"seconds,loss\n2,1\n",
        b"epoch,loss\n1,\xff\n",
        b"epoch,loss\n1," + b"9" * 200_000,
        b"",
    ],
)
def test_a_damaged_history_is_named(tmp_path, history):
    (tmp_path / "history.csv").write_bytes(history)
    with pytest.raises(HarnessError, match=r"history\.csv (must|has)"):
        curves_figure(tmp_path / "history.csv", "cnn")


def test_scores_of_maps_are_of_validation_on_a_logarithmic_axis(tmp_path):
    """The scores stand in ``history.csv`` once; the validation loss is lowest in the second epoch."""
    history = tmp_path / "history.csv"
    history.write_text(
        "epoch,seconds,loss,val_loss,wmape,dicee,dpeaks\n"
        "1,2,1,1.2,5,.4,130\n2,2,.9,1,3,.2,90\n3,2,.8,1.1,4,.1,0\n"
    )
    loss, wmape, dicee, dpeaks = curves_figure(history, "unet", MASS_MAPPING.scores).axes
    assert [axis.get_title() for axis in (wmape, dicee, dpeaks)] == ["WMAPE ↓", "DICEE ↓", "DPEAKS ↓"]
    assert [axis.get_yscale() for axis in (loss, wmape, dicee, dpeaks)] == ["linear", "log", "log", "linear"]
    best = "lowest validation loss, epoch 2"
    assert curves(loss).keys() == {"training", "validation", best}
    for axis, values in ((wmape, [5, 3, 4]), (dicee, [0.4, 0.2, 0.1]), (dpeaks, [130, 90, 0])):
        assert curves(axis).keys() == {"validation", best}
        assert curves(axis)["validation"].get_ydata().tolist() == values
        assert curves(axis)["validation"].get_color() == curves(loss)["validation"].get_color()
        assert list(curves(axis)[best].get_xdata()) == [2, 2]


def test_trials_of_a_search_with_the_best_and_those_that_failed():
    scores = ({"wmape": 3.0, "dicee": 0.4, "dpeaks": 0.0}, {}, {"wmape": 2.0, "dicee": 0.3, "dpeaks": 9.0})
    trials = [
        {"trial": number, "objective": objective, "scores": of_trial, "epochs": epochs, "failure": failure}
        for number, (objective, of_trial, epochs, failure) in enumerate(
            zip((0.4, 1.0, 0.2), scores, (5, 0, 2), (None, "no memory", None), strict=True)
        )
    ]
    wmape, dicee, dpeaks, epochs = trials_figure(trials, MASS_MAPPING.scores, "unet").axes
    assert [axis.get_title() for axis in (wmape, dicee, dpeaks, epochs)] == [
        "WMAPE ↓", "DICEE ↓", "DPEAKS ↓", "epochs",
    ]  # fmt: skip
    assert [axis.get_yscale() for axis in (wmape, dpeaks, epochs)] == ["log", "linear", "linear"]
    assert curves(epochs)["trial"].get_xydata().tolist() == [[0, 5], [2, 2]]
    assert curves(wmape)["best, trial 2"].get_xydata().tolist() == [[2, 2.0]]
    assert list(curves(dicee)["failed"].get_xdata()) == [1]
    assert len(trials_figure([trials[1]], MASS_MAPPING.scores, "unet").axes) == 3  # all have failed


def test_a_history_without_validation(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("epoch,seconds,loss\n1,2,1\n2,2,.9\n")
    (axis,) = curves_figure(history, "unet", MASS_MAPPING.scores).axes
    assert curves(axis).keys() == {"training"}


def test_a_loss_that_falls_by_more_than_a_decade_has_a_logarithmic_axis(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("epoch,seconds,loss,val_loss\n1,2,.002,.003\n2,2,.0001,.0002\n")
    (loss,) = curves_figure(history, "unet").axes
    assert loss.get_yscale() == "log"


@pytest.mark.slow
@pytest.mark.parametrize(("tiles", "inches"), [(1, 3.5), (3, 7.1)])
def test_pictures_for_papers(tmp_path, tiles, inches):
    """As wide as one or two columns, without the title of the whole; the same bytes each time."""
    for name in ("a.svg", "b.svg", "a.pdf", "b.pdf"):
        tile = image_tile("true κ", np.eye(4), Scale("inferno", 0, 1))
        save_figure(tiles_figure([tile] * tiles, "a case"), tmp_path / name)
    drawing, document = (tmp_path / "a.svg").read_text(), (tmp_path / "a.pdf").read_bytes()
    assert f'width="{72 * inches:g}pt"' in drawing
    assert re.findall(r">([^<>]*κ)</text>", drawing) == ["true κ"] * tiles
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", drawing)]
    assert min(sizes) >= 6
    assert "a case" not in drawing
    assert document.startswith(b"%PDF-")
    assert b"/FontFile2" in document  # an embedded TrueType font
    assert b"/Type3" not in document
    assert (tmp_path / "b.svg").read_text() == drawing
    assert (tmp_path / "b.pdf").read_bytes() == document


def test_the_format_is_that_of_the_name_or_that_asked_for(tmp_path):
    assert [picture_format(tmp_path / name) for name in ("a.png", "a.PDF", "a")] == ["png", "pdf", "png"]
    assert picture_format(tmp_path / "a", "svg") == "svg"
    for name, asked in (("a.jpg", None), ("a.pdf", "svg")):
        with pytest.raises(HarnessError, match=r"must end in .*, got a"):
            picture_format(tmp_path / name, asked)
