"""Options that commands share, and what a command does not import."""

import subprocess
import sys

import click
import pytest

from baselines.presets import PRESETS
from harness.cli.shared import PRESET, LazyChoice

pytestmark = pytest.mark.slow


def test_workers_and_dask_exclude_each_other(run, tmp_path):
    words = ("simulate", "stamps", tmp_path / "a.h5", "--cases", 9, "--workers", 2)
    assert "exclude each other" in run(*words, "--dask", "tcp://127.0.0.1:1", status=2).stderr


@pytest.mark.parametrize(
    "words",
    [
        ["score", "--help"],
        ["validate", "--help"],
        ["--help"],
        ["baselines"],
        ["score", "SUBMISSION", "--truth", "T"],
    ],
)
def test_scoring_never_imports_tensorflow(words, zeros, maps):
    places = {"SUBMISSION": zeros / "zeros.zip", "T": maps / "test-truth.h5"}
    words = [str(places.get(word, word)) for word in words]
    code = (
        "import sys; from harness.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert not end.code\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'tensorflow', 'keras', 'galsim', 'matplotlib'}, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_scoring_path_needs_three_packages():
    code = (
        "import sys, harness.evaluation.scoring, submissions, metrics, harness.evaluation.leaderboard\n"
        "from importlib.metadata import packages_distributions\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        # NumPy itself takes charset_normalizer where it finds it
        "own = {'harness', 'metrics', 'submissions', 'baselines', 'charset_normalizer'}\n"
        "found = {name for name in loaded if name in packages_distributions()} - own\n"
        "found -= {name for name in found if name.startswith('_')}\n"
        "assert found <= {'numpy', 'scipy', 'h5py'}, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_presets_are_those_of_the_baselines():
    assert tuple(PRESET.choices) == PRESETS


def test_choices_are_computed_when_they_are_needed():
    choice = LazyChoice("letter", lambda: ["a", "b"])
    assert choice.convert("a", None, None) == "a"
    with pytest.raises(click.BadParameter, match="'c' is none of: a, b"):
        choice.convert("c", None, None)
