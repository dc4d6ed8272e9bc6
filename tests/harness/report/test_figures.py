import pytest

from harness.files import HarnessError
from harness.report.figures import curves_figure


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
