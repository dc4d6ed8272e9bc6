"""Packages that only some commands need: what is said where they are missing, before any work."""

import sys

import pytest

from harness.extras import advice, require
from harness.files import HarnessError


def test_the_line_that_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    require("scoring", "numpy", "json")
    with pytest.raises(HarnessError) as error:
        require("unet", "numpy", "keras", "tensorflow", "no_such_package")
    assert str(error.value) == (
        "unet needs keras, tensorflow, no_such_package, which are not installed; "
        "run: pip install 'astroboard[cpu]' no_such_package"
    )
    assert "WSL" in advice(["fcntl"])


@pytest.mark.parametrize(
    "words",
    [("train", "unet", "--data", "DATA", "--out", "OUT"), ("train", "cnn", "--data", "DATA", "--out", "OUT"),
     ("tune", "unet", "--data", "DATA", "--out", "OUT"), ("reproduce", "--out", "OUT"),
     ("tune", "unet", "--epochs-only", "--data", "DATA", "--out", "OUT")],
)  # fmt: skip
def test_commands_end_before_any_work(monkeypatch, tmp_path, words):
    from click.testing import CliRunner

    from harness.cli import main

    for package in ("keras", "keras_tuner", "tensorflow", "jax", "torch"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "data").mkdir()  # without a file: whoever opens data first would say that
    places = {"DATA": tmp_path / "data", "OUT": tmp_path / "out"}
    result = CliRunner().invoke(main, [str(places.get(word, word)) for word in words])
    assert result.exit_code == 1
    assert result.stderr.endswith("run: pip install 'astroboard[cpu]'\n")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_package_that_a_baseline_of_others_imports_late(monkeypatch, tmp_path, maps):
    from click.testing import CliRunner

    from baselines.mass_mapping.trivial import Zeros
    from harness.cli import main

    def fit(*_):
        import no_such_package  # noqa: F401

    monkeypatch.setattr(Zeros, "fit", fit)
    result = CliRunner().invoke(main, ["train", "zeros", "--data", str(maps), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "needs no_such_package, which is not installed; run: pip install no_such_package" in result.stderr
