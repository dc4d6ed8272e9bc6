"""Claims put to the test from beginning to end, and again, and after a kill."""

import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from harness.claims.reproduce import reproduce
from harness.claims.spec import claim_names, select
from harness.data.simulate.dataset import simulate
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.parallel import executor
from harness.report.results_page import results_page
from harness.tracks import STAMPS
from tests.harness.claims.conftest import SIZE, SIZES, TINY
from tests.harness.clusters import cluster, until

pytestmark = pytest.mark.slow

SPECS = select(TINY, ["zeros-win-wmape"])
ONE_SEED = {TINY: replace(SIZE, seeds={"mass-mapping": 1, "stamps": 1})}


def test_record(zeros):
    out, record = zeros
    assert json.loads((out / "claims.json").read_text()) == record
    assert list(record) == [
        "schema", "preset", "seeds", "presets", "claims", "boards", "left_out", "runs", "versions",
    ]  # fmt: skip
    (claim,) = record["claims"]
    assert (claim["name"], claim["cases"], claim["groups"], claim["seeds"]) == ("zeros-win-wmape", 10, 10, 2)
    assert [len(side["runs"]) for side in claim["sides"]] == [2, 2]
    assert set(record["versions"]) >= {"astroboard", "numpy", "tensorflow"}
    wmape, dicee = claim["scores"]
    assert wmape["sides"][0] == pytest.approx(1, abs=0.01)
    assert dicee["sides"][0] == 1
    for row in claim["scores"]:
        assert row["difference"] == pytest.approx(row["sides"][0] - row["sides"][1])
        assert row["low"] < row["difference"] < row["high"]
    assert claim["verdict"] == "not tested"
    assert all(
        lack.startswith("B: ") for lack in claim["lacking"]
    )  # the network; zeros have nothing to learn
    assert any(lack.startswith("B: DICEE") for lack in claim["lacking"])
    networks = [run for run in record["runs"] if run["name"] in claim["sides"][1]["runs"]]
    assert [(run["baseline"], run["seed"], run["epochs"]) for run in networks] == [
        ("unet", 0, 4), ("unet", 1, 4),
    ]  # fmt: skip
    html = (out / "claims.html").read_text()
    assert "<script>" in html
    assert "zeros-win-wmape" in html
    page = (out / "results.md").read_text()
    assert page == results_page([record], expected=claim_names())
    assert "- no result: `multifocal-beats-focal`" in page


def test_what_is_done_is_taken_from_the_disk(zeros):
    out, record = zeros
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*/**/*")}
    heard = []
    assert reproduce(out, SPECS, SIZES, tell=heard.append) == record
    assert heard[0].startswith("zeros-win-wmape: not tested; B: ")
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/**/*")} == kept
    alone = reproduce(out, SPECS, ONE_SEED)
    assert alone["claims"][0]["seeds"] == 1
    assert all(score["low"] is not None for score in alone["claims"][0]["scores"])  # over the groups alone


def test_without_training_what_is_missing_is_told(zeros):
    out, _ = zeros
    names = ["zeros-win-wmape", "kernel-3-beats-2", "sparse-noise", "dense-noise"]
    kept = {*out.glob("runs/*"), *out.glob("data/*")}
    record = reproduce(out, select(TINY, names), SIZES, train=False)
    assert {*out.glob("runs/*"), *out.glob("data/*")} == kept
    verdicts = {claim["name"]: claim for claim in record["claims"]}
    assert verdicts["zeros-win-wmape"]["scores"]
    assert verdicts["kernel-3-beats-2"]["lacking"] == ["not trained: unet, kernel = 2"]
    (board,) = record["boards"]
    assert sorted(board["runs"]) == ["unet", "zeros"]  # of the board, these are trained
    lacking = {each["name"]: each["lacking"] for each in record["left_out"]}
    assert lacking.keys() == {"sparse-noise", "dense-noise"}
    assert lacking["sparse-noise"].startswith("not trained: ks93; ks93-masked")
    assert lacking["dense-noise"] == "not trained: no data were simulated"


def test_real_alerts_that_are_missing_are_told(tmp_path):
    specs = select(TINY, ["real-stamps", "pretraining-helps"], real=True)
    record = reproduce(tmp_path, specs, SIZES)
    assert [claim["verdict"] for claim in record["claims"]] == ["not tested"]
    assert record["claims"][0]["lacking"] == ["no real alerts; name a data set with --stamps"]
    assert [each["name"] for each in record["left_out"]] == ["real-stamps"]
    assert "real-stamps: no real alerts" in (tmp_path / "claims.html").read_text()


@pytest.mark.parametrize(
    ("suffix", "content", "words"),
    [
        (".zip", "x", r"unet-\w+\.zip is damaged, remove it"),
        ("/run.json", '{"schema": "astroboard-run/1"}', r"run\.json is damaged"),
        ("/run.json", "x", r"run\.json holds no JSON"),
    ],
)
def test_what_is_damaged_on_the_disk_is_named(zeros, tmp_path, suffix, content, words):
    out, record = zeros
    shutil.copytree(out, tmp_path / "copy")
    name = record["claims"][0]["sides"][1]["runs"][0]
    (tmp_path / "copy" / "runs" / f"{name}{suffix}").write_text(content)
    if suffix != ".zip":
        (tmp_path / "copy" / "runs" / f"{name}.zip").unlink()
    with pytest.raises(HarnessError, match=words):
        reproduce(tmp_path / "copy", SPECS, SIZES)


def without_times(record):
    runs = [run | {"seconds": 0} for run in record["runs"]]
    return record | {"runs": runs}


def test_goes_on_after_a_kill(zeros, tmp_path, capsys):
    whole, record = zeros
    code = (
        "import sys; from pathlib import Path; from harness.claims.reproduce import reproduce\n"
        "from tests.harness.claims.conftest import SIZES\n"
        "from tests.harness.claims.test_reproduce import SPECS\n"
        "reproduce(Path(sys.argv[1]), SPECS, SIZES)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/.unet-*.unfinished/run/history.csv")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/run.json")}
    assert 0 < len(done) < 4
    assert without_times(reproduce(tmp_path, SPECS, SIZES)) == without_times(record)
    assert "resuming the run" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in done} == done
    names = [sorted(path.name for path in (out / "runs").iterdir()) for out in (whole, tmp_path)]
    assert names[0] == names[1]


def same_findings(record, other):
    """The same but for what is left of the order of sums, which the number of threads changes."""
    for claim, same in zip(record["claims"], other["claims"], strict=True):
        assert [row["verdict"] for row in claim["scores"]] == [row["verdict"] for row in same["scores"]]
        assert [side["runs"] for side in claim["sides"]] == [side["runs"] for side in same["sides"]]
        for row, same_row in zip(claim["scores"], same["scores"], strict=True):
            assert row["sides"] == pytest.approx(same_row["sides"], rel=0.01)


def test_several_processes_train(zeros, tmp_path):
    with executor(2) as pool:
        same_findings(zeros[1], reproduce(tmp_path, SPECS, SIZES, executor=pool))


def test_a_cluster_trains_though_a_worker_dies(zeros, tmp_path):
    out = tmp_path / "claims"

    def kill(worker):
        until(lambda: list(out.glob("runs/.unet-*.unfinished/run/history.csv")))
        worker.kill()

    with cluster(tmp_path) as dask, executor(dask=dask.address) as pool, ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill, dask.workers[0])
        record = reproduce(out, SPECS, SIZES, executor=pool)
        killed.result()
        assert dask.workers[0].wait()
    same_findings(zeros[1], record)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A board and a claim about real alerts, cross-validated; here simulated from another seed."""
    folder = tmp_path_factory.mktemp("real")
    simulate(STAMPS, folder / "alerts.h5", 100, seed=7)
    specs = [
        replace(spec, sides=tuple(map(shorter, spec.sides[:3])))
        for spec in select(TINY, ["pretraining-helps", "real-stamps"], real=True)
    ]
    return folder, reproduce(folder / "out", specs, ONE_SEED, folder / "alerts.h5")


def shorter(side):
    return replace(side, settings=side.settings | {"epochs": 1}) if "epochs" in side.settings else side


def test_real_alerts_are_cross_validated(real):
    folder, record = real
    (entry,), board = record["boards"], record["boards"][0]["board"]
    assert [row["method"] for row in board["rows"]][-1] == "majority"
    with open_dataset(folder / "alerts.h5") as data:
        assert (board["cases"], board["groups"]) == (len(data), len(np.unique(data.groups())))
    assert all(len(runs) == 2 for runs in entry["runs"].values())
    assert all(len(row["seeds"]) == 1 for row in board["rows"])
    assert json.loads((folder / "out" / "leaderboard.json").read_text()) == board
    assert "Real stamps, cross-validated by object" in (folder / "out" / "claims.html").read_text()


def test_a_network_starts_from_what_it_learnt_on_simulated_stamps(real):
    folder, record = real
    (claim,) = record["claims"]
    first, other = (side["runs"][0] for side in claim["sides"])
    notes = [json.loads((folder / "out" / "runs" / name / "run.json").read_text()) for name in (first, other)]
    assert notes[0]["start"]["cases"] > notes[0]["cases"]
    assert notes[1]["start"] is None
    assert notes[0]["data"] == notes[1]["data"]


def test_curve(zeros):
    out, _ = zeros
    record = reproduce(out, select(TINY, ["padding"]), ONE_SEED, kind="svg")
    (entry,) = record["boards"]
    assert sorted(entry["values"].values()) == [0, 32, 64]
    assert (out / "padding.svg").read_text().startswith("<?xml")
    assert "data:image/svg+xml" in (out / "claims.html").read_text()
    page = (out / "results.md").read_text()
    assert "](padding.svg)" in page
    assert page.count("| unet, filters = 8, padding = ") == 3 * 3  # board, diagnostics, trainings
