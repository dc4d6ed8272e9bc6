import pytest

from harness.files import HarnessError
from harness.report.figures import curves_figure
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
