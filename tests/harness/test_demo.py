"""The demonstration, on fewer cases than it has by itself."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.demo import run_demo
from harness.files import HarnessError
from harness.tracks import MASS_MAPPING, STAMPS

pytestmark = pytest.mark.slow

FOUND = {
    "mass-mapping": {"zeros", "ks93", "ks93-masked", "wiener"},
    "stamps": {"majority", "metadata-trees", "cnn"},
}


def test_both_tracks_to_a_page(monkeypatch, tmp_path):
    for track, cases in ((MASS_MAPPING, 40), (STAMPS, 150)):
        monkeypatch.setitem(track.demo_cases, "smoke", cases)
    out = tmp_path / "demo"
    result = CliRunner().invoke(main, ["demo", "--out", str(out)])
    assert result.exit_code == 0, result.output
    boards = json.loads((out / "leaderboard.json").read_text())
    assert {board["track"]: {row["method"] for row in board["rows"]} for board in boards} == FOUND
    assert all(board["not_ranked"] == [] for board in boards)
    assert result.stdout.endswith(f"page: {out / 'index.html'}\n")
    assert "SN F2" in result.stdout
    pages = {path.name: path.read_text() for path in (out / "submissions").glob("*.html")}
    assert len(pages) == 7
    index = (out / "index.html").read_text()
    assert all(f"submissions/{name}" in index for name in pages)
    assert [text.count("Learning curve by epoch") > 0 for text in pages.values()].count(True) == 1


def test_the_commands_that_it_runs(tmp_path):
    commands = []
    run_demo(tmp_path / "demo", "smoke", 3, commands.append, print)
    names = [words[0] for words in commands]
    assert names[:2] == ["simulate", "split"]
    assert names[-2:] == ["leaderboard", "leaderboard"]
    assert names.count("train") == names.count("submit") == 7
    paper = []
    with pytest.raises(HarnessError, match="must be new"):
        run_demo(tmp_path / "demo", "paper", 3, paper.append, print)
    run_demo(tmp_path / "demo", "paper", 3, paper.append, print, force=True)
    assert len(paper) > len(commands)


def test_an_interrupted_demonstration_goes_on(tmp_path):
    """A command whose output is there is not repeated; the boards are made again."""
    out, told, done = tmp_path / "demo", [], []

    def run(words):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(words)
        output = {"simulate": words[2], "split": out / "mass-mapping/test-truth.h5", "submit": words[-1]}
        path = Path(output.get(words[0], words[words.index("--out") + 1] if "--out" in words else out))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    with pytest.raises(KeyboardInterrupt):
        run_demo(out, "smoke", 3, run, told.append)
    assert [words[0] for words in done] == ["simulate", "split", "train", "submit", "train"]
    rest, whole = [], []
    run_demo(out, "smoke", 3, rest.append, told.append)
    run_demo(tmp_path / "other", "smoke", 3, whole.append, print)
    assert told == [f"going on with the demonstration in {out}"]
    assert done + rest == [
        [word.replace(str(tmp_path / "other"), str(out)) for word in words] for words in whole
    ]
    with pytest.raises(HarnessError, match="must be new"):
        run_demo(out, "smoke", 4, print, print)


def test_networks_are_left_out_where_they_cannot_run(monkeypatch, tmp_path):
    for package in ("keras", "tensorflow", "jax", "torch"):
        monkeypatch.setitem(sys.modules, package, None)
    commands, told = [], []
    run_demo(tmp_path / "demo", "laptop", 0, commands.append, told.append)
    trained = {words[1] for words in commands if words[0] == "train"}
    assert trained == {"zeros", "ks93", "ks93-masked", "wiener", "majority", "metadata-trees"}
    assert [line for line in told if "unet-2k" in line and "pip install 'astroboard[cpu]'" in line]


def test_it_empties_only_a_folder_of_its_own(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(HarnessError, match="other files"):
        run_demo(tmp_path, "smoke", 0, print, print)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    with pytest.raises(HarnessError, match="must be new"):
        run_demo(tmp_path / "thesis.tex", "smoke", 0, print, print, force=True)
