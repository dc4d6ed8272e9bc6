"""The commands that train baselines and use what they learnt."""

import json

import numpy as np
import pytest

from tests.harness.data.conftest import stamp_pickle

pytestmark = pytest.mark.slow


def test_from_simulation_to_board(run, tmp_path):
    run("simulate", "mass-mapping", tmp_path / "data.h5", "--cases", 40, "--seed", 3, "--workers", 2)
    assert "train: " in run("split", tmp_path / "data.h5", tmp_path / "parts").stdout
    for name in ("zeros", "ks93"):
        run("train", name, "--data", tmp_path / "parts", "--out", tmp_path / name, "--preset", "smoke")
        words = ("--inputs", tmp_path / "parts/test-inputs.h5", "--team", "us", tmp_path / f"{name}.zip")
        run("submit", tmp_path / name, *words)
        assert "accepted" in run("validate", tmp_path / f"{name}.zip", "--inputs", words[1]).stdout
    truth = ("--truth", tmp_path / "parts/test-truth.h5")
    result = run(
        "leaderboard", tmp_path / "zeros.zip", tmp_path / "ks93.zip", *truth, "--out", tmp_path / "board"
    )
    assert "ks93" in result.stdout
    board = json.loads((tmp_path / "board/leaderboard.json").read_text())
    assert board == json.loads(
        run("leaderboard", tmp_path / "zeros.zip", tmp_path / "ks93.zip", *truth, "--json").stdout
    )
    assert {row["method"] for row in board["rows"]} == {"zeros", "ks93"}
    assert (tmp_path / "board/index.html").is_file()


def test_show_draws_a_case(run, stamps, tmp_path):
    run("train", "majority", "--data", stamps, "--out", tmp_path / "run")
    case = json.loads(run("inspect", stamps / "validation.h5", "--json").stdout)["first_case"]
    picture = tmp_path / "run" / f"{case}.png"
    assert run("show", tmp_path / "run", "--case", case).stdout == f"picture: {picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "name a data set with --inputs" in run("show", tmp_path / "run", "--case", "x", status=1).stderr


def test_show_describes_a_data_set(run, tmp_path):
    """Table 1 of the report: all alerts, those left out, and missing values, with and without those."""
    path, content = stamp_pickle(tmp_path)
    content["images"][2][0, :2] = np.nan
    path, _ = stamp_pickle(tmp_path, images=content["images"])
    run("pack", path, tmp_path / "stamps.h5", "--track", "stamps", "--workers", 1)
    lines = run("show", tmp_path / "stamps.h5").stdout.splitlines()
    cells = {words[0]: words[-3:] for words in map(str.split, lines) if len(words) > 3}
    expected = {"cases": [5, 1, 6], "not": [0, 1, 1], "NaN": [1, 6, 7], "with": [1, 1, 2], "SN": [2, 0, 2]}
    assert {name: [int(cell) for cell in cells[name]] for name in expected} == expected
    pictures = tmp_path / "stamps.pictures"
    assert f"picture: {pictures / 'samples-SN-21.png'}" in lines
    assert (pictures / "labels.png").is_file()
    run("show", tmp_path / "stamps.h5", "--data", tmp_path / "stamps.h5", status=2)
    assert "must be a data set of astroboard (HDF5), got a pickle" in run("show", path, status=1).stderr


def test_baselines_are_listed_by_track(run):
    found = json.loads(run("baselines", "--json").stdout)
    assert {"zeros", "ks93", "ks93-masked", "wiener", "majority", "cnn"} <= {one["name"] for one in found}
    assert all(one["summary"] for one in found)
    assert "ks93-masked" in run("baselines").stdout


def test_same_run_same_submission(run, zeros, maps, tmp_path):
    run(
        "submit",
        zeros / "run",
        "--inputs",
        maps / "test-inputs.h5",
        "--team",
        "Ñandú & co",
        tmp_path / "again.zip",
    )
    assert (tmp_path / "again.zip").read_bytes() == (zeros / "zeros.zip").read_bytes()


def test_a_submission_says_what_is_known_of_its_training(run, zeros, maps, tmp_path):
    """But not how long it took, which is another time at each training; zeros have no weights."""
    record = json.loads((zeros / "run/run.json").read_text())
    runs, options = [zeros / "run"] * 2, ["--inputs", maps / "test-inputs.h5", "--team", "us", "--json"]
    given = run("submit", *runs, *options, "--link", "https://example.org/code", tmp_path / "two.zip")
    manifest = json.loads(given.stdout)
    assert manifest["link"] == "https://example.org/code"
    assert manifest["training_data"] == record["data"]
    assert manifest["parameters"] is None
    assert manifest["training_seconds"] is None


def test_wrong_files_and_wrong_usage(run, zeros, maps, stamps, tmp_path):
    new = ("--out", tmp_path / "run")
    run("train", "no-such-baseline", "--data", maps, *new, status=2)
    run("train", "zeros", "--data", tmp_path, *new, status=1)
    run("train", "zeros", "--data", maps, "--out", zeros / "run", status=1)
    run("train", "zeros", "--data", stamps, *new, status=1)
    run("train", "zeros", "--data", maps, *new, "--preset", "no-such", status=2)
    out, inputs = tmp_path / "a.zip", ("--inputs", maps / "test-inputs.h5")
    run("submit", maps, *inputs, "--team", "us", out, status=1)
    run("submit", zeros / "run", "--inputs", maps / "test-truth.h5", "--team", "us", out, status=1)
    run("submit", zeros / "run", *inputs, "--team", "\x1b[31m", out, status=1)
    assert not any(tmp_path.iterdir())
