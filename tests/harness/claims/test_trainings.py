"""What the folder of a run tells of its training."""

import json

import pytest

from harness.claims.trainings import best_epoch, epoch_seconds, late_gain, training_facts
from harness.files import HarnessError


def test_seconds_are_the_median_of_the_epochs(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,seconds\n1,99\n2,3.0\n3,3.5\n")
    assert epoch_seconds(tmp_path) == 3.5


def test_the_best_epoch_is_the_first_of_the_highest_accuracy(tmp_path):
    rows = "epoch,seconds,val_accuracy\n1,9,0.2\n2,9,0.7\n3,9,0.7\n4,9,0.6\n"
    (tmp_path / "history.csv").write_text(rows)
    assert best_epoch(tmp_path) == 2


@pytest.mark.parametrize(
    "content", [None, "", "epoch,seconds\n", "epoch,loss\n1,2\n", "epoch,seconds\n1,x\n"]
)
def test_epochs_without_times_are_told_of(tmp_path, content):
    if content is not None:
        (tmp_path / "history.csv").write_text(content)
    with pytest.raises(HarnessError, match=r"history\.csv must have seconds by epoch"):
        epoch_seconds(tmp_path)


@pytest.mark.parametrize(
    ("losses", "share"),
    [
        ([9, 5, 3, 2], 1 / 7),  # of 7 in all the last of four epochs gained 1
        ([9, 5, 2, 3], 0.0),
        ([9, 8, 7, 6, 5, 4, 3, 1], 3 / 8),  # the last two of eight epochs
        ([9, 8, 7, 6, 5, 4, 3, 3.5, 1], 2 / 8),  # the last two of nine
        ([1, 2, 3, 4], 0.0),
        ([9, 5, 3], None),
    ],
)
def test_late_gain(losses, share):
    assert late_gain(losses) == (share if share is None else pytest.approx(share))
    scaled = late_gain([1e-4 * loss - 7 for loss in losses])  # a loss may have any unit, and be negative
    assert scaled == (share if share is None else pytest.approx(share))


def write_run(folder, outcome, **history):
    folder.mkdir()
    record = {
        "schema": "astroboard-run/1", "baseline": "unet", "track": "mass-mapping", "preset": "night",
        "settings": {"batch_size": 8}, "seed": 3, "versions": {}, "hardware": "a machine", "cases": 100,
        "data": "data", "seconds": 5.0, "outcome": outcome,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    for name, rows in history.items():
        path = folder / ("history.csv" if name == "first" else f"{name}/history.csv")
        path.parent.mkdir(exist_ok=True)
        path.write_text("epoch,seconds,val_loss\n" + "".join(f"{row}\n" for row in rows))
    return folder


def test_steps_and_images_of_both_stages(tmp_path):
    first = ["1,10,9", "2,10,5", "3,10,3", "4,10,2"]
    run = write_run(tmp_path / "run", {"weights": 7}, first=first, finetuning=["1,4,2", "2,4,1"])
    facts = training_facts(run)
    assert (facts.epochs, facts.steps, facts.images) == (6, 6 * 13, 600)  # 100 cases are 13 batches of 8
    assert (facts.parameters, facts.cases, facts.seconds) == (7, 100, 48)
    assert facts.late_gain == pytest.approx(1 / 7)
    assert (facts.preset, facts.seed, facts.hardware) == ("night", 3, "a machine")


def test_fine_tuning_has_the_late_gain_of_its_start(tmp_path):
    start = write_run(tmp_path / "start", {}, first=["1,10,9", "2,10,5", "3,10,3", "4,10,2"])
    facts = training_facts(write_run(tmp_path / "run", {}, finetuning=["1,4,2", "2,4,1"]), start)
    assert facts.late_gain == pytest.approx(1 / 7)
    assert (facts.epochs, facts.images) == (2, 200)  # its own


def test_images_of_an_epoch_are_those_that_were_sampled(tmp_path):
    run = write_run(tmp_path / "run", {"cases_an_epoch": 17}, first=["1,1,9", "2,1,5"])
    facts = training_facts(run)
    assert (facts.steps, facts.images, facts.late_gain) == (2 * 3, 34, None)


def test_a_method_without_epochs(tmp_path):
    facts = training_facts(write_run(tmp_path / "run", {}))
    assert (facts.epochs, facts.steps, facts.images, facts.seconds) == (0, 0, 0, 5.0)
    assert (facts.parameters, facts.late_gain) == (None, None)
