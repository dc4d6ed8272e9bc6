"""The types of arguments and options that several commands have."""

import pytest
from click.testing import CliRunner

from harness.cli import main

pytestmark = pytest.mark.slow


def test_workers_and_dask_exclude_each_other(run, tmp_path):
    words = ("simulate", "stamps", tmp_path / "a.h5", "--cases", 9, "--workers", 2)
    assert "exclude each other" in run(*words, "--dask", "tcp://127.0.0.1:1", status=2).stderr


def test_names_near_to_one_that_does_not_exist(run, tmp_path):
    out = ("--data", tmp_path, "--out", tmp_path / "run")
    assert "no baseline 'unett'; did you mean unet" in run("train", "unett", *out, status=2).stderr
    assert "there are: alerce, cnn" in run("train", "qqq", *out, status=2).stderr
    assert "There are: alerce, cnn" in run("train", *out, status=2).stderr
    preset = run("train", "cnn", *out, "--preset", "papr", status=2).stderr
    assert "no preset 'papr'; it is no file, either; did you mean paper?" in preset
    track = ("simulate", "maps", tmp_path / "a.h5", "--cases", 9)
    assert "there are: mass-mapping, stamps" in run(*track, status=2).stderr
    assert "did you mean multifocal-beats" in run("reproduce", "multifocal", status=2).stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("trai", ["train"]),
        ("train unet-k", ["unet-ks93", "unet-ks93-only"]),
        ("simulate m", ["mass-mapping"]),
        ("pack a b --track ", ["mass-mapping", "stamps"]),
        ("train cnn --preset l", ["laptop"]),
        ("reproduce multifocal-beats-m", ["multifocal-beats-mse"]),
    ],
)
def test_completion_by_the_shell(words, expected):
    done = CliRunner().invoke(
        main, prog_name="astroboard",
        env={"_ASTROBOARD_COMPLETE": "bash_complete", "COMP_WORDS": f"astroboard {words}",
             "COMP_CWORD": str(words.count(" ") + 1)},
    )  # fmt: skip
    assert done.output.split() == [f"plain,{name}" for name in expected]
