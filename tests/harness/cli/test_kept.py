"""What exists is not overwritten unasked: one rule for every command that writes, and what --force does."""

import contextlib
import json
import re
import shutil

import click
import pytest

from harness.cli import main
from harness.cli.options import Output
from harness.data.store import open_dataset
from harness.files import HarnessError, json_text
from harness.runs import folder
from harness.runs.training import train

REFUSED = r"must be new, got one that exists already; name another, or replace it with --force"


@pytest.fixture
def full(tmp_path, maps, zeros):
    """A folder with every output of a track, by the commands that write them."""
    work = tmp_path / "work"
    shutil.copytree(maps, work)
    shutil.copytree(zeros / "run", work / "run")
    shutil.copy(zeros / "zeros.zip", work / "zeros.zip")
    for name in ("card.json", "cases.csv", "board.csv", "case.png", "bundle.zip"):
        (work / name).write_text("mine")
    (work / "comparison").mkdir()
    (work / "comparison/comparison.json").write_text("mine")
    return work


COMMANDS = [
    ("simulate mass-mapping {0}/data.h5 --cases 4", "data.h5"),
    ("split {0}/data.h5 {0} --seed 5", "train.h5"),
    ("train zeros --data {0} --out {0}/run --preset smoke --seed 7", "run/run.json"),
    ("submit {0}/run --inputs {0}/test-inputs.h5 --team other {0}/zeros.zip", "zeros.zip"),
    ("score {0}/zeros.zip --truth {0}/test-truth.h5 --out {0}/card.json", "card.json"),
    ("score {0}/zeros.zip --truth {0}/test-truth.h5 --per-case {0}/cases.csv", "cases.csv"),
    ("leaderboard {0}/zeros.zip --truth {0}/test-truth.h5 --csv {0}/board.csv", "board.csv"),
    ("compare {0}/zeros.zip {0}/zeros.zip --truth {0}/test-truth.h5 --out {0}/comparison",
     "comparison/comparison.json"),
    ("show {0}/data.h5 --case {1} --out {0}/case.png", "case.png"),
    ("bundle {0}/data.h5 --out {0}/bundle.zip", "bundle.zip"),
]  # fmt: skip


@pytest.mark.slow
def test_of_a_folder_that_is_replaced_no_entry_matters(run, full):
    (full / "comparison/loop").symlink_to("loop")
    words = ["compare", full / "zeros.zip", full / "zeros.zip", "--truth", full / "test-truth.h5"]
    run(*map(str, words), "--out", str(full / "comparison"), "--force")
    assert json.loads((full / "comparison/comparison.json").read_text())["cases_compared"]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "name"), COMMANDS, ids=[f"{w.split()[0]}-{n}" for w, n in COMMANDS])
def test_what_exists_is_replaced_if_asked_for(run, full, words, name):
    with open_dataset(full / "data.h5") as data:
        first_case = data.case_ids()[0]
    before = (full / name).read_bytes()
    command = words.format(full, first_case).split()
    assert re.search(REFUSED, run(*command, status=1).stderr)
    assert (full / name).read_bytes() == before
    run(*command, "--force")
    assert (full / name).read_bytes() != before


@pytest.mark.slow
def test_outputs_of_one_command_are_different_files(run, full):
    words = ("score", full / "zeros.zip", "--truth", full / "test-truth.h5", "--force")
    for card, cases in (("x.json", "x.json"), ("x.json", "x.npz")):
        result = run(*words, "--out", full / card, "--per-case", full / cases, status=1)
        assert f"outputs must be different files, got {full / cases} twice" in result.stderr
    assert not list(full.glob("x.*"))


@pytest.mark.slow
def test_a_board_keeps_what_else_it_writes(run, full):
    words = ("leaderboard", full / "zeros.zip", "--truth", full / "test-truth.h5")
    state, out = full / "state.json", full / "board"
    for more in (("--ladder", state, "--csv", state), ("--out", out, "--csv", out / "index.html")):
        assert "outputs must be different files" in run(*words, *more, status=1).stderr
    assert not state.exists()
    assert not out.exists()


@pytest.mark.slow
def test_a_link_in_a_folder_that_is_replaced_is_no_second_output(run, full):
    (full / "comparison/latest.json").symlink_to(full / "comparison/comparison.json")
    run("compare", full / "zeros.zip", full / "zeros.zip", "--truth", full / "test-truth.h5", "--out",
        full / "comparison", "--force")  # fmt: skip


@pytest.mark.slow
def test_the_name_of_a_card_is_checked_before_anything_is_scored(run, full):
    (full / "zeros.zip").write_bytes(b"no zip")
    result = run(
        "score", full / "zeros.zip", "--truth", full / "test-truth.h5", "--out", full / "c.v1", status=1
    )
    assert "the name of a card must end in .json, got .v1" in result.stderr


@pytest.mark.slow
def test_the_folder_one_is_in_is_an_output_like_others(run, full, monkeypatch):
    monkeypatch.chdir(full / "run")
    result = run("score", full / "zeros.zip", "--truth", full / "test-truth.h5", "--out", ".", status=1)
    assert f"{full / 'run'} must be new" in result.stderr
    run("train", "zeros", "--data", full, "--out", ".", "--preset", "smoke", "--seed", 9, "--force")
    assert json.loads((full / "run/run.json").read_text())["seed"] == 9


def test_every_command_that_writes_has_the_option():
    writing = {
        name for name, command in main.commands.items()
        if any(isinstance(param.type, Output) for param in command.params)
    }  # fmt: skip
    with_option = {
        name for name, command in main.commands.items()
        if any("--force" in param.opts for param in command.params)
    }  # fmt: skip
    assert writing == with_option
    assert writing >= {"simulate", "pack", "split", "train", "submit", "score", "show", "compare", "bundle",
                       "tune", "leaderboard", "kaggle", "reproduce", "demo"}  # fmt: skip
    paths = {
        (name, param.name) for name, command in main.commands.items() for param in command.params
        if isinstance(param.type, click.Path) and not (param.type.exists or isinstance(param.type, Output))
    }  # fmt: skip
    assert paths == {("leaderboard", "ladder")}  # which says that it is updated


def test_an_input_is_never_replaced(run, maps, tmp_path):
    data = shutil.copy(maps / "data.h5", tmp_path / "data.h5")
    (tmp_path / "link.h5").symlink_to(data)
    before = data.read_bytes()
    result = run("show", data, "--weights", "--out", tmp_path / "link.h5", "--force", status=1)
    assert "must differ from what is read" in result.stderr
    assert data.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["index.html", "leaderboard.json"])
def test_a_board_replaces_only_pages_of_its_own(run, zeros, maps, tmp_path, name):
    """A folder with somebody else's page is refused; one with a board is updated."""
    words = ["leaderboard", zeros / "zeros.zip", "--out", tmp_path, "--truth", maps / "test-truth.h5"]
    (tmp_path / name).write_text("mine")
    assert "--force" in run(*words, status=1).stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    run(*words, "--force")
    run(*words)
    assert json.loads((tmp_path / "leaderboard.json").read_text())["track"] == "mass-mapping"


@pytest.mark.parametrize("name", ["results.md", "padding.svg"])
def test_claims_replace_only_pages_of_their_own(run, tmp_path, name):
    (tmp_path / name).write_text("mine")
    words = ("reproduce", "padding", "--no-training", "--format", "svg", "--out", tmp_path)
    result = run(*words, status=1)
    assert f"{tmp_path / name} must be new" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_no_run_is_not_replaced(maps, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").write_text("mine")
    with pytest.raises(HarnessError, match="must be a run to be replaced, got none"):
        train("zeros", maps, tmp_path / "thesis", "smoke", force=True)
    assert (tmp_path / "thesis/chapter.tex").read_text() == "mine"


ATTEMPT = {"settings": {"epochs": 5}, "seed": 0, "versions": {"keras": "3.1", "numpy": "2.0"}}


def attempt(run, attempted, end, force=False):
    """Do two epochs of a run, unless they are done; then it ends with an error."""
    files = {"checkpoint.npz": "weights", "history.csv": "epoch,loss\n1,3\n2,2\n"}
    with contextlib.suppress(end), folder.unfinished(run, attempted, force) as inside:
        assert {path.name for path in inside.iterdir()} in (set(), set(files))
        for name, text in files.items():
            (inside / name).write_text(text)
        raise end


@pytest.fixture
def left(tmp_path):
    """A run that was stopped after its second epoch."""
    attempt(tmp_path / "run", ATTEMPT, KeyboardInterrupt)
    return tmp_path / ".run.unfinished"


def test_what_is_kept_is_told(tmp_path, capsys):
    attempt(tmp_path / "run", ATTEMPT, KeyboardInterrupt)
    left = tmp_path / ".run.unfinished"
    assert capsys.readouterr().err == (
        f"stopped: what is done until epoch 2 is kept in {left}: the same command resumes it\n"
    )
    assert (left / "run/checkpoint.npz").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"seed": 1}, "seed 0 → 1"),
        ({"settings": {"epochs": 6, "keep": "best"}}, "epochs 5 → 6, keep none → best"),
        ({"versions": {"torch": "2.9", "numpy": "2.0"}}, "keras 3.1 → none, versions.torch none → 2.9"),
    ],
    ids=["seed", "settings", "backend"],
)  # fmt: skip
def test_another_run_leaves_it_and_says_what_differs(left, tmp_path, other, told):
    with (
        pytest.raises(HarnessError, match=rf"{re.escape(told)}; .* remove the unfinished one"),
        folder.unfinished(tmp_path / "run", ATTEMPT | other),
    ):
        pass
    assert (left / "run/checkpoint.npz").read_bytes() == b"weights"
    with folder.unfinished(tmp_path / "run", ATTEMPT | other, force=True) as inside:
        assert not any(inside.iterdir())
    assert not left.exists()


def test_an_updated_library_is_told_of_and_resumed(left, tmp_path, capsys):
    """The record says which versions it began with, also when it is stopped again."""
    attempts = [ATTEMPT | {"versions": {"keras": keras, "numpy": "2.0"}} for keras in ("3.2", "3.3")]
    for attempted in attempts:
        attempt(tmp_path / "run", attempted, SystemExit)
    told = capsys.readouterr().err
    assert "keras 3.1 → 3.2" in told
    assert "keras 3.2 → 3.3" in told
    assert [versions["keras"] for versions in attempts[1]["earlier_versions"]] == ["3.1", "3.2"]
    assert json.loads((left / "attempted.json").read_text()) == json.loads(json_text(attempts[1]))


def test_a_failed_replacement_loses_nothing(maps, tmp_path):
    train("zeros", maps, tmp_path / "run", "smoke")
    before = (tmp_path / "run/run.json").read_bytes()
    attempt(tmp_path / "run", ATTEMPT, ZeroDivisionError, force=True)
    assert (tmp_path / "run/run.json").read_bytes() == before
    with folder.unfinished(tmp_path / "run", ATTEMPT, force=True) as inside:
        (inside / "new").write_text("")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"history.csv", "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("track", "option"), [("maps", "--test-cases"), ("stamps", "--test-part")], ids=["maps", "stamps"]
)
def test_a_share_that_would_be_ignored_is_refused(run, request, tmp_path, track, option):
    data = request.getfixturevalue(track) / "data.h5"
    result = run(
        "split", data, tmp_path / "parts", option, "0.3" if option == "--test-part" else "5", status=1
    )
    assert f"{option} must be left out: " in result.stderr
    assert not (tmp_path / "parts").exists()
