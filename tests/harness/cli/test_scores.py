"""Cards, boards and comparisons as a user calls them."""

import csv
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.store import open_dataset


@pytest.fixture
def run():
    def call(*words, status=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == status, result.output
        assert isinstance(result.exception, SystemExit | None)
        return result

    return call


@pytest.fixture(scope="module")
def files(tmp_path_factory, maps, submission_of, noisy_maps):
    """Two submissions for all maps, and what names the truth."""
    folder = tmp_path_factory.mktemp("files")
    truth = maps / "data.h5"
    names = (("=1+1", 0.02), ("a|b <i>", 0.2))
    paths = [submission_of(folder / f"{index}.zip", truth, noisy_maps(sigma), name)
             for index, (name, sigma) in enumerate(names)]  # fmt: skip
    return *paths, ("--truth", truth)


def test_cards_csv_and_markdown(run, files, tmp_path):
    first, second, truth = files
    for index, path in enumerate((first, second)):
        run("score", path, *truth, "--out", tmp_path / f"{index}.json")
    cards = (tmp_path / "0.json", tmp_path / "1.json")
    board = json.loads(run("leaderboard", *cards, "--csv", tmp_path / "b.csv", "--wilcoxon", "--json").stdout)
    with (tmp_path / "b.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["team"] for row in rows] == ["'=1+1", "a|b <i>"]  # no formula in a spreadsheet
    for row, expected in zip(rows, board["rows"], strict=True):
        assert float(row["dicee"]) == expected["metrics"]["dicee"]["mean"]
        assert float(row["dpeaks_high"]) == expected["metrics"]["dpeaks"]["high"]
        assert int(row["rank"]) == expected["rank"]
    assert rows[1]["p_better_than_next"] == rows[1]["wmape_wilcoxon"] == ""
    text = run("leaderboard", *cards, "--markdown").stdout
    lines = text.splitlines()
    assert len(lines) == 4
    assert {line.replace(r"\|", "").count("|") for line in lines} == {10}
    assert r"a\|b \<i\>" in lines[3]
    assert "Wilcoxon" in run("leaderboard", *cards, "--wilcoxon").stdout


def test_public_part_and_the_rest(run, files, tmp_path):
    first, second, truth = files
    words = ("leaderboard", first, second, *truth, "--public-fraction", 0.3, "--json")
    public, private = (json.loads(run(*words, *more).stdout) for more in ((), ("--final",)))
    assert (public["part"], private["part"]) == ("public", "private")
    assert public["cases"] + private["cases"] == 60
    assert public["groups"] < private["groups"]
    other = json.loads(run(*words, "--seed", 5).stdout)
    assert other["rows"][0]["metrics"] != public["rows"][0]["metrics"]
    run(*words, "--out", tmp_path / "board")
    with open_dataset(truth[1]) as data:
        ids = data.case_ids()
    for path in (tmp_path / "board").rglob("*.*"):
        assert not [
            case_id
            for case_id in ids
            if f'"{case_id}"' in (text := path.read_text()) or f">{case_id}" in text
        ]


def test_ladder(run, files, tmp_path):
    first, second, truth = files
    words = ("--ladder", tmp_path / "state.json", "--json")
    for path, team in ((second, "a|b <i>"), (first, "=1+1"), (first, "=1+1")):
        board = json.loads(run("leaderboard", path, *truth, *words).stdout)
        assert team in {row["team"] for row in board["rows"]}
    assert [row["team"] for row in board["rows"]] == ["=1+1", "a|b <i>"]
    assert "ladder" in run("leaderboard", first, *truth, *words[:2], "--out", tmp_path / "out").stdout


def test_compare(run, files, tmp_path):
    first, second, truth = files
    found = json.loads(run("compare", first, second, *truth, "--json").stdout)
    assert found["scores"][1]["p_a_better"] == 1
    shown = run("compare", first, second, *truth)
    assert "P(A is better)" in shown.stdout
    assert found["cases"][0]["case_id"] in shown.stdout
    run("score", first, *truth, "--out", tmp_path / "a.json")
    run("compare", tmp_path / "a.json", tmp_path / "a.json", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "comparison.json").is_file()


def test_wrong_usage_and_faults(run, files, tmp_path):
    first, second, truth = files
    for words in (
        ("--final",),
        ("--seed", 3),
        ("--public-fraction", 0),
        ("--public-fraction", 1),
        ("--ladder", tmp_path / "s.json", "--wilcoxon"),
        ("--markdown", "--json"),
    ):
        run("leaderboard", first, *truth, *words, status=2)
    run("leaderboard", first, "--public-fraction", 0.5, status=2)
    assert "--truth" in run("leaderboard", first, status=1).stderr
    assert "--truth" in run("compare", first, second, status=1).stderr
    (tmp_path / "bad.json").write_text("{}")
    assert "bad.json" in run("leaderboard", tmp_path / "bad.json", status=1).stderr
    (tmp_path / "state.json").write_text("{}")
    run("leaderboard", first, *truth, "--ladder", tmp_path / "state.json", status=1)
    assert (tmp_path / "state.json").read_text() == "{}"


def test_boards_and_comparisons_need_no_models(files):
    first, second, truth = (str(files[0]), str(files[1]), [str(word) for word in files[2]])
    for words in (["leaderboard", first, second, *truth], ["compare", first, second, *truth]):
        code = (
            "import sys; from harness.cli import main\n"
            f"try: main({words!r})\n"
            "except SystemExit as end: assert not end.code\n"
            "loaded = {name.split('.')[0] for name in sys.modules}\n"
            "assert not loaded & {'tensorflow', 'keras', 'galsim', 'matplotlib', 'jinja2'}, loaded\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
