"""What all commands have in common, and what a command does not import."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.cli.shared import TASKS

pytestmark = pytest.mark.slow


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


def test_what_is_wrong_is_refused_before_keras_is_loaded(maps, stamps, tmp_path):
    """The model of the run is never read: there is none."""
    (tmp_path / "run").mkdir()
    record = {
        "schema": "astroboard-run/1", "baseline": "cnn", "track": "stamps", "settings": {}, "seed": 0,
        "versions": {}, "hardware": [], "cases": 1, "data": "0", "seconds": 1.0, "outcome": {},
        "folder": str(stamps),
    }  # fmt: skip
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    (tmp_path / "no-alerts.tar").write_bytes(bytes(10240))
    run, out = str(tmp_path / "run"), str(tmp_path / "out.zip")
    submit = ["submit", run, "--inputs", str(stamps / "test-inputs.h5"), "--team"]
    calls = {
        "link must be an address": [*submit, "us", "--link", "http://x.org", out],
        "team must be 1 to 100": [*submit, " us", out],
        "must be of the track 'stamps'": ["show", run, "--inputs", str(maps / "train.h5")],
        "the case must be in": ["show", run, "--case", "1"],
        "no alert that can be classified": ["classify", str(tmp_path / "no-alerts.tar"), "--model", run],
        "train.h5 must be a dataset file": ["tune", "cnn", "--data", str(tmp_path), "--out", out],
    }
    code = (
        "import sys; from click.testing import CliRunner; from harness.cli import main\n"
        f"for fault, words in {calls!r}.items():\n"
        "    result = CliRunner().invoke(main, words)\n"
        "    assert result.exit_code == 1 and fault in result.stderr, (words, result.output)\n"
        "assert 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_scoring_path_needs_three_packages():
    code = (
        "import sys, harness.evaluation.scoring, submissions, metrics, harness.evaluation.leaderboard\n"
        "from importlib.metadata import packages_distributions\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        # NumPy itself takes charset_normalizer where it finds it
        "own = {'harness', 'metrics', 'submissions', 'baselines', 'charset_normalizer'}\n"
        "found = loaded.intersection(packages_distributions()) - own\n"
        "found -= {name for name in found if name.startswith('_')}\n"
        "assert found <= {'numpy', 'scipy', 'h5py'}, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_help_fits_the_terminal(width):
    for name in ["", *main.commands]:
        words = [name, "--help"] if name else ["--help"]
        shown = CliRunner().invoke(main, words, terminal_width=width, env={"COLUMNS": str(width)}).stdout
        lines = shown.splitlines()
        assert all(len(line) <= max(width, 80) and not line.endswith(" ...") for line in lines), name
        unclear = re.findall(r"\b(TEXT|PATH|DIRECTORY|DIR|RANGE)\b", shown)
        assert set(unclear) <= {"TEXT", "PATH"}, name  # of --title and --out


def test_every_command_has_a_task_and_an_example(tmp_path, monkeypatch):
    listed = CliRunner().invoke(main, ["--help"]).stdout
    assert [line[:-1] for line in listed.splitlines() if re.fullmatch(r"[A-Z]\w+:", line)] == [
        "Options", *TASKS,
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name, command in main.commands.items():
        assert re.search(rf"^  {name} +[A-Z].*\.$", listed, re.MULTILINE)
        first, *words = command.example.split()
        assert first == name
        for word in words:  # what the example reads
            if "." in word and not word.startswith("-"):
                Path(word).parent.mkdir(exist_ok=True)
                Path(word).touch()
            elif word.startswith(("runs/", "data", "alerts")):
                Path(word).mkdir(parents=True, exist_ok=True)
        command.make_context(name, words)


def test_an_output_that_is_an_argument_may_be_an_option(run, tmp_path):
    words = ("simulate", "mass-mapping", "--cases", 3)
    run(*words, "--out", tmp_path / "a.h5")
    run(*words, f"--out={tmp_path / 'b.h5'}")
    run(*words, tmp_path / "c.h5")
    assert len({(tmp_path / f"{name}.h5").read_bytes() for name in "abc"}) == 1


def test_faults_and_results_as_json(run, tmp_path):
    nothing = run("inspect", tmp_path, "--json", status=1)
    assert json.loads(nothing.stdout)["error"] in nothing.stderr
    assert "does not exist" in json.loads(run("inspect", "no.zip", "--json", status=2).stdout)["error"]
    made = run("simulate", "mass-mapping", tmp_path / "a.h5", "--cases", 3, "--json").stdout
    assert json.loads(made) == {"out": str(tmp_path / "a.h5"), "track": "mass-mapping", "cases": 3, "seed": 0}
    have_it = [
        name
        for name, command in main.commands.items()
        if "--json" in command.get_help(click.Context(command))
    ]
    assert have_it == [*main.commands]


def test_quiet_leaves_results_and_errors(run, maps, tmp_path):
    words = ("train", "ks93", "--data", maps, "--out", tmp_path / "run")
    done = run(*words, "--quiet")
    assert done.stderr == ""
    assert "trained on" in done.stdout
    assert "exists already" in run(*words, "-q", status=1).stderr
    assert run("-V").stdout == run("--version").stdout


def pty_output(command, environment):
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # so it ends
            while part := os.read(ours, 4096):
                shown += part
    assert process.returncode == 0
    return shown.decode()


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_verdicts_have_a_colour_on_a_terminal(zeros, maps, no_colour):
    command = (
        f"{sys.executable} -m astroboard validate {zeros / 'zeros.zip'} --inputs {maps / 'test-inputs.h5'}"
    )
    environment = os.environ | {"NO_COLOR": no_colour, "TERM": "xterm"}
    shown = pty_output(["sh", "-c", command], environment)
    assert ("\x1b[32m" in shown) == (not no_colour)
    assert "accepted" in shown
