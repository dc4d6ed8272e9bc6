"""Runs that are stopped on the way: what stays, what goes on, what starts anew."""

import json
import shutil
import threading

import pytest

from baselines.protocol import BaselineError
from harness.data.split import split
from harness.data.store import open_dataset
from harness.experiment import restored, train
from harness.files import HarnessError

CNN = "[cnn]\nepochs = 4\nbatch_size = 64\nsampling = 'unchanged'\nlearning_rate = {}\n"


class Killed(BaseException):
    """What no code catches, as a signal would be."""


def until(last, told):
    def report(done, *rest):
        told.append(rest[-1])
        if done == last:
            raise Killed

    return report


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(CNN.format(0.001))
    return path


@pytest.fixture(scope="module")
def stopped(stamps, tmp_path_factory):
    """A run of the cnn that was stopped after its second epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "settings.toml").write_text(CNN.format(0.001))
    with pytest.raises(Killed):
        train("cnn", stamps, folder / "run", str(folder / "settings.toml"), 0, until(2, []))
    return folder / ".run.unfinished"


@pytest.fixture
def unfinished(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / ".run.unfinished")


def test_goes_on_after_the_last_epoch(stamps, tmp_path, preset, unfinished, capsys):
    assert not (tmp_path / "run").exists()
    assert unfinished.is_dir()
    told = []
    record = train("cnn", stamps, tmp_path / "run", str(preset), 0, until(None, told))
    assert told[0] == "resuming after epoch 2"
    assert len(told) == 3
    assert "resuming" in capsys.readouterr().err
    assert restored(tmp_path / "run")[0] == record
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"run.json", "model", "history.csv", "history.png"}
    assert not unfinished.exists()
    whole = train("cnn", stamps, tmp_path / "whole", str(preset), 0)
    assert whole["outcome"] == record["outcome"]
    predictions = []
    for run in ("run", "whole"):
        with open_dataset(stamps / "validation.h5") as data:
            predictions.append(restored(tmp_path / run)[1].predict(data.inputs[:]).tobytes())
    assert predictions[0] == predictions[1]


@pytest.mark.parametrize("other", ["seed", "settings", "data"])
def test_another_run_starts_anew(stamps, tmp_path, preset, unfinished, other, capsys):
    seed, data = int(other == "seed"), stamps
    if other == "settings":
        preset.write_text(CNN.format(0.002))
    if other == "data":
        data = tmp_path / "parts"
        split(stamps / "data.h5", data, seed=2)
    told = []
    with pytest.raises(Killed):
        train("cnn", data, tmp_path / "run", str(preset), seed, until(0, told))
    assert told == ["first epoch"]
    assert "resuming" not in capsys.readouterr().err
    assert not unfinished.exists()  # nothing was learnt since


@pytest.mark.parametrize("fault", ["track", "settings", "value", "baseline"])
def test_faults_before_the_first_epoch_leave_nothing(maps, stamps, tmp_path, fault):
    where = tmp_path / "runs"
    where.mkdir()
    path = tmp_path / "settings.toml"
    path.write_text({"settings": "[cnn]\nlayers = 3", "value": "[cnn]\nepochs = 0"}.get(fault, ""))
    name, data = "nothing" if fault == "baseline" else "cnn", maps if fault == "track" else stamps
    with pytest.raises((HarnessError, BaselineError)):
        train(name, data, where / "run", str(path))
    assert not any(where.iterdir())


def test_divergence_in_the_first_epoch_leaves_nothing(stamps, tmp_path, preset):
    where = tmp_path / "runs"
    where.mkdir()
    preset.write_text(CNN.format(1e30))
    with pytest.raises(BaselineError, match="lower the learning_rate"):
        train("cnn", stamps, where / "run", str(preset))
    assert not any(where.iterdir())


def test_two_at_once_are_refused(maps, tmp_path, monkeypatch):
    from baselines.mass_mapping.trivial import Zeros

    inside, go_on, fit = threading.Event(), threading.Event(), Zeros.fit

    def slow_fit(*arguments):
        inside.set()
        assert go_on.wait(60)
        return fit(*arguments)

    monkeypatch.setattr(Zeros, "fit", slow_fit)
    first = threading.Thread(target=train, args=("zeros", maps, tmp_path / "run", "smoke"))
    first.start()
    assert inside.wait(60)
    with pytest.raises(HarnessError, match="another process is training"):
        train("zeros", maps, tmp_path / "run", "smoke")
    go_on.set()
    first.join()
    assert json.loads((tmp_path / "run/run.json").read_text())["baseline"] == "zeros"
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]


def test_a_failed_save_can_be_repeated(maps, tmp_path, monkeypatch):
    from baselines.mass_mapping.trivial import Zeros

    def full(_, folder):
        (folder / "half").write_text("")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Zeros, "save", full)
        with pytest.raises(OSError, match="No space"):
            train("zeros", maps, tmp_path / "run", "smoke")
    assert not any(tmp_path.iterdir())
    train("zeros", maps, tmp_path / "run", "smoke")
    assert not (tmp_path / "run/model/half").exists()
