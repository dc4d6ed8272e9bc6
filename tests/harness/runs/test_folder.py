"""The folder of a run: who may write it, when it gets its name, and what its record must have."""

import json
import threading

import pytest

from harness.files import HarnessError
from harness.runs.folder import finished, histories
from harness.runs.training import train


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


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": "astroboard-run/1"}', "no JSON"])
def test_a_damaged_record_is_told_of(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(HarnessError, match=r"run\.json"):
        finished(tmp_path)


def test_histories_are_found_by_the_name_of_the_submission(tmp_path):
    for name in ("cnn", "zeros"):
        (tmp_path / name).mkdir()
    (tmp_path / "cnn" / "history.csv").write_text("epoch,loss\n")
    submissions = [tmp_path / f"{name}.zip" for name in ("cnn", "zeros", "theirs")]
    assert histories(tmp_path, submissions) == {submissions[0]: tmp_path / "cnn" / "history.csv"}
    assert histories(None, submissions) == {}
