"""Cards, boards and comparisons as a user calls them."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.store import create, open_dataset
from harness.tracks import STAMPS
from submissions import write_submission

pytestmark = pytest.mark.slow


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


def test_a_folder_in_place_of_a_zip(run, files, tmp_path):
    first, _, truth = files
    folder = tmp_path / "our maps\x1b[2J"
    folder.mkdir()
    for words in (["score"], ["leaderboard", first], ["compare", first]):
        message = run(*words, folder, *truth, status=2).stderr
        assert r"zip -r 'our maps\x1b[2J.zip' 'our maps\x1b[2J'" in message.replace("\n", " ")
        assert "\x1b" not in message
    with zipfile.ZipFile(first) as archive:
        archive.extractall(folder)
    said = run("validate", folder, "--inputs", truth[1]).stdout
    assert said.startswith("accepted: ")
    assert said.endswith(r"zip -r 'our maps\x1b[2J.zip' 'our maps\x1b[2J'" + "\n")


def test_a_refused_submission_as_json(files, stamps):
    first = files[0]
    other = ["--truth", stamps / "test-truth.h5"]
    for words in (["score", first, *other], ["validate", first, "--inputs", stamps / "test-inputs.h5"]):
        done = CliRunner().invoke(main, [*map(str, words), "--json"])
        assert done.exit_code == 1
        assert json.loads(done.stdout)["cause"] == "this is no submission to the track stamps"


def test_a_submission_for_other_data_with_the_same_numbers_is_said(run, tmp_path):
    """As in 0.1.0, where ids of the challenge's pickles were numbers from 000000 on, whichever it was."""
    numbers = [f"{number:06d}" for number in range(10)]
    for name, seed in (("a", 1), ("b", 2)):
        images = np.random.default_rng(seed).normal(size=(10, 63, 63, 3)).astype(np.float32)
        (tmp_path / name).mkdir()
        with create(tmp_path / name / "test-inputs.h5", STAMPS, "inputs", {}) as inputs:
            inputs.append(numbers, numbers, images=images)
            noted = {"inputs_fingerprint": inputs.fingerprint()}
        with create(tmp_path / name / "test-truth.h5", STAMPS, "truth", noted) as truth:
            truth.append(numbers, numbers, labels=np.arange(10, dtype=np.int8) % 5)
    with open_dataset(tmp_path / "a/test-inputs.h5") as data:
        case_ids, fingerprint = data.case_ids(), data.fingerprint
    write_submission(tmp_path / "us.zip", "stamps", "us", "m", case_ids, [np.full((len(case_ids), 5), 0.2)],
                     {"dataset_fingerprint": fingerprint})  # fmt: skip
    inputs, truth = (tmp_path / "b/test-inputs.h5", tmp_path / "b/test-truth.h5")
    said = run("validate", tmp_path / "us.zip", "--inputs", inputs).stdout
    assert "the ids here are only numbers, which fit any data set" in said
    assert "only numbers" in run("score", tmp_path / "us.zip", "--truth", truth).stderr
    assert "made for other data" in run("leaderboard", tmp_path / "us.zip", "--truth", truth).stderr
    for command, option in (("validate", "--inputs"), ("score", "--truth"), ("leaderboard", "--truth")):
        file = tmp_path / "a" / ("test-inputs.h5" if command == "validate" else "test-truth.h5")
        told = run(command, tmp_path / "us.zip", option, file).output
        assert "only numbers" not in told
        assert "other data" not in told


def test_seeds_are_one_row_if_they_are_in_a_folder(run, files, maps, tmp_path):
    """A rival who names the team and the method, and another seed, gets a row of his own."""
    first, _, truth = files
    (tmp_path / "net").mkdir()
    (tmp_path / "runs/1").mkdir(parents=True)
    (tmp_path / "runs/1/history.csv").write_text("epoch,loss\n1,0.5\n2,0.4\n")
    with open_dataset(maps / "data.h5") as data:
        case_ids = data.case_ids()
    for name, seed in (("net/1.zip", 1), ("net/2.zip", 2), ("rival.zip", 3)):
        maps_of_zeros = [np.zeros((len(case_ids), 128, 128), np.float16)]
        write_submission(
            tmp_path / name, "mass-mapping", "us", "net", case_ids, maps_of_zeros, {"seed": seed}
        )
    words = (tmp_path / "net", tmp_path / "rival.zip", first, *truth, "--json")
    board = json.loads(
        run("leaderboard", *words, "--out", tmp_path / "out", "--runs", tmp_path / "runs").stdout
    )
    seeds = sorted([seed["file"] for seed in row["seeds"]] for row in board["rows"] if row["team"] == "us")
    assert seeds == [["1.zip", "2.zip"], ["rival.zip"]]
    ladder = (tmp_path / "net", *truth, "--ladder", tmp_path / "state.json", "--json")
    assert [row["team"] for row in json.loads(run("leaderboard", *ladder).stdout)["rows"]] == ["net"]


EVIL = "us\x1b[2J\x9b1m\u202egpj"


@pytest.mark.parametrize("broken", [b"no zip", None])
def test_names_of_files_steer_neither_terminal_nor_page(run, files, tmp_path, broken):
    """Those of submissions that are ranked, that are refused, and that cannot be read."""
    first, _, truth = files
    entry = tmp_path / f"{EVIL}.zip"
    entry.write_bytes(first.read_bytes() if broken is None else broken)
    status = 0 if broken is None else 1
    board = run("leaderboard", first, entry, *truth, "--out", tmp_path / "out", "--markdown", status=status)
    shown = [
        board.output,
        (tmp_path / "out/index.html").read_text(),
        (tmp_path / "out/leaderboard.json").read_text(),
    ]
    shown += [
        run("leaderboard", first, entry, *truth, status=status).output,
        run("leaderboard", first, entry, *truth, "--json", status=status).output,
    ]
    shown += [run("score", entry, *truth, status=status).output]
    for text in shown:
        assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    assert r"us\x1b[2J\x9b1m\u202egpj.zip" in shown[3] or broken is None


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


def test_score_prints_and_writes_one_card(run, zeros, maps, tmp_path):
    truth = ("--truth", maps / "test-truth.h5")
    files = ("--out", tmp_path / "card.json", "--per-case", tmp_path / "cases.csv")
    card = json.loads(run("score", zeros / "zeros.zip", *truth, *files, "--json").stdout)
    assert card == json.loads((tmp_path / "card.json").read_text())
    assert card["team"] == "Ñandú & co"
    assert card["metrics"]["wmape"]["mean"] == pytest.approx(1, abs=0.01)
    assert len((tmp_path / "cases.csv").read_text().splitlines()) == card["cases"] + 1
    assert "WMAPE" in run("score", zeros / "zeros.zip", *truth).stdout


def test_full_data_serves_as_inputs_and_truth(run, zeros, maps, tmp_path):
    run("submit", zeros / "run", "--inputs", maps / "data.h5", "--team", "us", tmp_path / "all.zip")
    run("validate", tmp_path / "all.zip", "--inputs", maps / "data.h5")
    run("score", tmp_path / "all.zip", "--truth", maps / "data.h5")


def test_faults_of_a_submission(run, zeros, maps, tmp_path):
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(zeros / "zeros.zip") as source, zipfile.ZipFile(bad, "w") as target:
        for name in [name for name in source.namelist() if name.endswith(".npy")][1:]:
            target.writestr(name, source.read(name))
    result = CliRunner().invoke(
        main, ["validate", str(bad), "--inputs", str(maps / "test-inputs.h5"), "--json"]
    )
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["accepted"] is False
    assert "missing-case" in json.dumps(report)
    result = run("score", bad, "--truth", maps / "test-truth.h5", "--out", tmp_path / "card.json", status=1)
    assert "missing-case" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "card.json").exists()
    words = ("leaderboard", bad, zeros / "zeros.zip", "--truth", maps / "test-truth.h5")
    result = run(*words, "--out", tmp_path / "board", status=1)
    assert result.stderr.endswith("1 of 2 submissions ranked\n")
    assert "not ranked: " in result.stdout
    page = (tmp_path / "board/index.html").read_text()
    assert '<a href="#mass-mapping-code-missing-case">missing-case</a>' in page
    assert '<dt id="mass-mapping-code-missing-case">' in page
    twin = tmp_path / "twin.zip"
    shutil.copyfile(zeros / "zeros.zip", twin)
    assert "not ranked: " in run(*words, twin).stdout


@pytest.mark.parametrize("kind", ["text", "empty", "cut"])
def test_files_that_are_no_submission(run, zeros, maps, tmp_path, kind):
    path = tmp_path / "bad.zip"
    content = (zeros / "zeros.zip").read_bytes()
    path.write_bytes({"text": b"hello", "empty": b"", "cut": content[: len(content) // 2]}[kind])
    run("score", path, "--truth", maps / "test-truth.h5", status=1)
    assert (
        CliRunner().invoke(main, ["validate", str(path), "--inputs", str(maps / "test-inputs.h5")]).exit_code
        == 1
    )
    run("inspect", path, status=1)


def test_wrong_files(run, zeros, maps, stamps, tmp_path):
    submission = zeros / "zeros.zip"
    assert "the truth" in run("score", submission, "--truth", maps / "test-inputs.h5", status=1).stderr
    assert "HDF5" in run("score", submission, "--truth", submission, status=1).stderr
    run("score", submission, "--truth", stamps / "test-truth.h5", status=1)
    run("score", submission, "--truth", tmp_path / "nothing.h5", status=2)


def test_boards_of_two_tracks_share_a_page(run, zeros, maps, stamps, tmp_path):
    run("train", "majority", "--data", stamps, "--out", tmp_path / "runs" / "curved", "--preset", "smoke")
    (tmp_path / "runs" / "curved" / "history.csv").write_text("epoch,loss,val_loss\n1,2,3\n2,1,2\n")
    inputs = ("--inputs", stamps / "test-inputs.h5")
    run("submit", tmp_path / "runs" / "curved", *inputs, "--team", "us", tmp_path / "curved.zip")
    out = tmp_path / "board"
    out.mkdir()
    (out / "leaderboard.json").write_text("{}")  # of somebody else
    of_maps = ("leaderboard", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", out)
    of_stamps = ("leaderboard", tmp_path / "curved.zip", "--truth", stamps / "test-truth.h5", "--out", out)
    run(*of_maps, status=1)
    run(*of_maps, "--force")
    alone = json.loads((out / "leaderboard.json").read_text())
    assert alone["track"] == "mass-mapping"
    run(*of_stamps, "--runs", tmp_path / "runs")
    both = json.loads((out / "leaderboard.json").read_text())
    assert both[0] == alone
    assert [board["track"] for board in both] == ["mass-mapping", "stamps"]
    pages = {path.name: path.read_text() for path in (out / "submissions").iterdir()}
    assert all(f"submissions/{name}" in (out / "index.html").read_text() for name in pages)
    assert sorted("Learning curve by epoch" in text for text in pages.values()) == [False, True]
    before = (out / "leaderboard.json").read_bytes()
    run(*of_maps)
    assert (out / "leaderboard.json").read_bytes() == before
    references = tmp_path / "references.toml"
    references.write_text(
        'baselines = ["zeros"]\n[[reference]]\nname = "A report"\nscores = {wmape = 1.53}\n'
    )
    said = run(*of_maps[:-1], tmp_path / "quick", "--no-pages", "--references", references).stdout
    assert "zeros (baseline)" in said
    assert "published scores, not ranked: A report: WMAPE 1.53" in said
    quick = json.loads((tmp_path / "quick" / "leaderboard.json").read_text())
    assert quick["references"] == [{"name": "A report", "scores": {"wmape": 1.53}}]
    assert [row["baseline"] for row in quick["rows"]] == [True]
    assert sorted(path.name for path in (tmp_path / "quick").iterdir()) == ["index.html", "leaderboard.json"]
    assert "submissions/" not in (tmp_path / "quick" / "index.html").read_text()
    run(*of_maps[:-2], "--no-pages", status=2)
