"""The commands as a user calls them: what they print, what they leave, and how they end."""

import json
import subprocess
import sys
import zipfile

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.simulate.dataset import simulate
from harness.tracks import MASS_MAPPING


@pytest.fixture
def run():
    def call(*words, status=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == status, result.output
        if status:
            assert result.stderr.strip()
            assert "Traceback" not in result.output
            assert isinstance(result.exception, SystemExit)
        return result

    return call


@pytest.fixture(scope="module")
def zeros(tmp_path_factory, maps):
    """A run of the baseline zeros and its submission."""
    folder = tmp_path_factory.mktemp("zeros")
    call = CliRunner().invoke
    data = ["--data", str(maps), "--out", str(folder / "run"), "--preset", "smoke"]
    assert call(main, ["train", "zeros", *data]).exit_code == 0
    inputs = ["--inputs", str(maps / "test-inputs.h5"), "--team", "Ñandú & co"]
    assert call(main, ["submit", str(folder / "run"), *inputs, str(folder / "zeros.zip")]).exit_code == 0
    return folder


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


def test_workers_do_not_change_the_data(run, tmp_path):
    for workers in (1, 2, 3):
        run("simulate", "mass-mapping", tmp_path / f"{workers}.h5", "--cases", 200, "--workers", workers)
    simulate(MASS_MAPPING, tmp_path / "none.h5", 200)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_workers_and_dask_exclude_each_other(run, tmp_path):
    words = ("simulate", "stamps", tmp_path / "a.h5", "--cases", 9, "--workers", 2)
    assert "exclude each other" in run(*words, "--dask", "tcp://127.0.0.1:1", status=2).stderr


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


def test_wrong_files_and_wrong_usage(run, zeros, maps, stamps, tmp_path):
    submission = zeros / "zeros.zip"
    assert "the truth" in run("score", submission, "--truth", maps / "test-inputs.h5", status=1).stderr
    assert "HDF5" in run("score", submission, "--truth", submission, status=1).stderr
    run("score", submission, "--truth", stamps / "test-truth.h5", status=1)
    run("score", submission, "--truth", tmp_path / "nothing.h5", status=2)
    run("train", "no-such-baseline", "--data", maps, "--out", tmp_path / "run", status=2)
    run("simulate", "no-such-track", tmp_path / "a.h5", "--cases", 3, status=2)
    of_maps = run("simulate", "stamps", tmp_path / "a.h5", "--cases", 3, "--noise", "dense", status=2).stderr
    assert "--noise must be left out: stamps has no such option" in of_maps
    run("reproduce", "--list", "--markdown", status=2)
    run("train", "zeros", "--data", tmp_path, "--out", tmp_path / "run", status=1)
    run("train", "zeros", "--data", maps, "--out", zeros / "run", status=1)
    run("train", "zeros", "--data", stamps, "--out", tmp_path / "run", status=1)
    run("train", "zeros", "--data", maps, "--out", tmp_path / "run", "--preset", "no-such", status=1)
    run("submit", maps, "--inputs", maps / "test-inputs.h5", "--team", "us", tmp_path / "a.zip", status=1)
    run(
        "submit",
        zeros / "run",
        "--inputs",
        maps / "test-truth.h5",
        "--team",
        "us",
        tmp_path / "a.zip",
        status=1,
    )
    run(
        "submit",
        zeros / "run",
        "--inputs",
        maps / "test-inputs.h5",
        "--team",
        "\x1b[31m",
        tmp_path / "a.zip",
        status=1,
    )
    run("split", maps / "test-truth.h5", tmp_path / "parts", status=1)
    run("inspect", __file__, status=1)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "a.zip").exists()


def test_inspect_knows_every_file(run, zeros, maps, stamps, tmp_path):
    run("score", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", tmp_path / "card.json")
    run("leaderboard", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", tmp_path / "board")
    kinds = {
        maps / "data.h5": "dataset",
        stamps / "test-truth.h5": "dataset",
        zeros / "zeros.zip": "submission",
        zeros / "run": "run",
        tmp_path / "card.json": "score",
        tmp_path / "board/leaderboard.json": "leaderboard",
    }
    for path, kind in kinds.items():
        assert json.loads(run("inspect", path, "--json").stdout)["kind"] == kind
        assert kind in run("inspect", path).stdout


def test_show_draws_a_case(run, zeros, maps, stamps, tmp_path):
    case = json.loads(run("inspect", maps / "test-truth.h5", "--json").stdout)["first_case"]
    run("show", zeros / "run", "--case", case, "--data", maps / "data.h5", "--out", tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    run("train", "majority", "--data", stamps, "--out", tmp_path / "run")
    case = json.loads(run("inspect", stamps / "test-inputs.h5", "--json").stdout)["first_case"]
    run("show", tmp_path / "run", "--case", case, "--data", stamps / "test-inputs.h5")
    assert (tmp_path / "run" / f"{case}.png").is_file()
    assert "no case" in run("show", zeros / "run", "--case", "x", "--data", maps / "data.h5", status=1).stderr
    (tmp_path / "run" / f"{case}.png").unlink()
    run("show", tmp_path / "run", "--case", case)  # found where the run was trained
    assert (tmp_path / "run" / f"{case}.png").is_file()
    assert "name a data set with --data" in run("show", zeros / "run", "--case", "x", status=1).stderr
    inputs = ("--data", maps / "test-inputs.h5")
    case = json.loads(run("inspect", inputs[1], "--json").stdout)["first_case"]
    assert "no truth" in run("show", zeros / "run", "--case", case, *inputs, status=1).stderr
    assert (
        "full data set" in run("show", zeros / "run", "--case", case, *inputs, "--weights", status=1).stderr
    )
    run("show", zeros / "run", "--case", case, "--data", maps / "data.h5", "--weights")
    assert (zeros / "run" / f"{case}.weights.png").read_bytes().startswith(b"\x89PNG")


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
