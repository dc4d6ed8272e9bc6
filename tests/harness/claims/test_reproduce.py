"""Claims put to the test, on data that are too small to decide much."""

import json
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baselines.presets import settings
from harness.claims import execute as trainings
from harness.claims import reproduce as reproducing
from harness.claims.diagnostics import MEASURED
from harness.claims.execute import Place, Run, all_settings, seconds_left
from harness.claims.spec import EPOCH_SECONDS, KINDS, Board, Claim, Side, compared
from harness.cli import main
from harness.data.pack import pack
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.parallel import executor
from harness.progress import no_progress
from harness.runs.registry import baseline_class
from harness.tracks import STAMPS
from tests.harness.clusters import cluster, until

TINY = """
from harness.claims import reproduce as reproducing
from harness.claims import execute as trainings
from harness.cli import main

tiny = {"smoke": trainings.Size({"mass-mapping": 40, "stamps": 160}, 2)}
reproducing.SIZES = trainings.SIZES = tiny
maps = {"filters": 4, "depth": 2, "padding": 0, "dropout": 0.0, "epochs": 4, "loss": "mse"}
stamps = {"epochs": 2, "batch_size": 32, "iterations": 5}
trainings.settings = lambda preset, like: maps if like.startswith("unet") else stamps
"""


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    """Small data, and a small network, in this process as in one that runs the same lines."""
    before = trainings.SIZES, trainings.settings
    exec(TINY, {})
    yield
    trainings.SIZES, trainings.settings = before
    reproducing.SIZES = trainings.SIZES


def run(out, *arguments):
    return CliRunner().invoke(main, ["reproduce", "--preset", "smoke", "--out", str(out), *arguments])


@pytest.fixture(scope="module")
def zeros(_tiny, tmp_path_factory):
    """What an undisturbed test of one claim left, and what it printed."""
    out = tmp_path_factory.mktemp("claims")
    result = run(out, "zeros-win-wmape", "--json")
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_record(zeros):
    out, record = zeros
    assert json.loads((out / "claims.json").read_text()) == record
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
        inside = row["high"] < 0 if row["key"] == "wmape" else row["low"] > 0
        assert (row["verdict"] == "confirmed") == inside


def test_what_is_done_is_taken_from_the_disk(zeros, monkeypatch):
    out, record = zeros
    for name in ("train", "submit", "split"):
        monkeypatch.setattr(trainings, name, None)
    again = run(out, "zeros-win-wmape")
    assert again.exit_code == 0, again.output
    assert record["claims"][0]["verdict"].upper() in again.output
    page = (out / "claims.html").read_text()
    assert "<script>" in page
    assert "zeros-win-wmape" in page
    table = run(out, "zeros-win-wmape", "--markdown").stdout.splitlines()
    assert len({len(re.findall(r"\|", line)) for line in table[:4]}) == 1
    alone = json.loads(run(out, "zeros-win-wmape", "--json", "--seeds", "1").stdout)
    assert alone["claims"][0]["verdict"] == "undecided"


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
    result = run(tmp_path / "copy", "zeros-win-wmape")
    assert result.exit_code == 1
    assert re.search(words, result.stderr)


@pytest.mark.parametrize("content", ["", "epoch,seconds\n", "epoch,loss\n1,2\n", "epoch,seconds\n1,x\n"])
def test_epochs_without_times_are_told_of(tmp_path, content):
    (tmp_path / "history.csv").write_text(content)
    with pytest.raises(HarnessError, match=r"history\.csv does not tell the seconds"):
        reproducing._epoch_seconds(Run(tmp_path, tmp_path, "cnn", {}, 0))


def test_real_alerts_without_metadata_are_refused_before_anything_is_trained(tmp_path, stamps):
    with open_dataset(stamps / "data.h5") as data:
        content = {"images": list(data.inputs[:40]), "labels": data.truth[:40]}
    (tmp_path / "stamps.pkl").write_bytes(pickle.dumps(content))
    pack(STAMPS, [tmp_path / "stamps.pkl"], tmp_path / "real.h5")
    result = run(tmp_path / "out", "real-stamps", "--stamps", str(tmp_path / "real.h5"))
    assert result.exit_code == 1
    assert "real.h5 has no metadata: labelled alerts with metadata were expected" in result.stderr
    assert not (tmp_path / "out" / "runs").exists()


def test_a_run_is_known_by_all_that_it_depends_on(zeros, monkeypatch):
    out, _ = zeros
    place = Place(out, "smoke")

    def folder(seed=0, baseline="unet", start="", **settings):
        (run,) = place.parts("sparse", Side(baseline, settings, "unet", start=start), seed)
        return run.folder

    first = folder()
    assert first == folder(filters=4)  # said or not, it is the same setting
    others = [
        folder(seed=1),
        folder(start="dense"),
        folder(loss="focal"),
        folder(loss_settings={"focal": 1.0}),
        folder(baseline="unet-2k"),
    ]
    for name in ("versions_of", "_fingerprints"):
        with monkeypatch.context() as patch:
            patch.setattr(trainings, name, lambda _: "others")
            others.append(folder())
    assert len({first, *others}) == 8


def test_goes_on_after_a_kill(zeros, tmp_path):
    whole, record = zeros
    command = ["reproduce", "zeros-win-wmape", "--preset", "smoke", "--out", str(tmp_path)]
    script = f"{TINY}\nmain({command})"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/.unet-*.unfinished/run/history.csv")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/run.json")}
    assert 0 < len(done) < 4
    result = run(tmp_path, "zeros-win-wmape", "--json")
    assert result.exit_code == 0, result.output
    assert "resuming the run" in result.stderr
    assert json.loads(result.stdout) == record
    assert {path: path.stat().st_mtime_ns for path in done} == done
    names = [sorted(path.name for path in (each / "runs").iterdir()) for each in (whole, tmp_path)]
    assert names[0] == names[1]


def same_findings(record, other):
    """The same but for what is left of the order of sums, which the number of threads changes."""
    for one, two in zip(record["claims"], other["claims"], strict=True):
        assert [row["verdict"] for row in one["scores"]] == [row["verdict"] for row in two["scores"]]
        assert [side["runs"] for side in one["sides"]] == [side["runs"] for side in two["sides"]]
        for row, another in zip(one["scores"], two["scores"], strict=True):
            assert row["sides"] == pytest.approx(another["sides"], rel=0.01)


def test_several_processes_train(zeros, tmp_path, monkeypatch):
    _, record = zeros
    monkeypatch.setattr(trainings, "train", None)  # in this process
    result = run(tmp_path, "zeros-win-wmape", "--json", "--workers", "2")
    assert result.exit_code == 0, result.output
    same_findings(record, json.loads(result.stdout))


def test_a_cluster_trains_though_a_worker_dies(zeros, tmp_path):
    _, record = zeros
    out = tmp_path / "claims"

    def kill(worker):
        until(lambda: list(out.glob("runs/.unet-*.unfinished/run/history.csv")))
        worker.kill()

    with cluster(tmp_path) as dask, executor(dask=dask.address) as pool, ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill, dask.workers[0])
        found = reproducing.reproduce(out, "smoke", ["zeros-win-wmape"], executor=pool)
        killed.result()
        assert dask.workers[0].wait()
    same_findings(record, found)


@pytest.fixture
def judged(stamps, submission_of, tmp_path):
    """A function that judges a claim about stamps from the seconds of the runs, with made-up submissions."""

    def judge(name, seconds, right):
        (claim,) = compared("smoke", [name])
        sides, scored = [], {}
        for side, (of_epochs, share) in enumerate(zip(seconds, right, strict=True)):
            sides.append([])
            for seed, taken in enumerate(of_epochs):
                one = Run(tmp_path / f"{side}-{seed}", stamps, "cnn", {}, seed)
                one.folder.mkdir()
                (one.folder / "history.csv").write_text(f"epoch,seconds\n1,99\n2,{taken}\n3,{taken}\n")
                predict = partial(certain, share=share, seed=seed)
                submission_of(one.submission, stamps / "test-truth.h5", predict)
                scored[one,] = trainings.scored_parts((one,), no_progress)  # nothing is to be trained
                sides[-1].append((one,))
        return reproducing._judged(claim, sides, scored)

    return judge


def certain(labels, share, seed):
    """Probabilities of which about that share are right, all of 0.8."""
    rng = np.random.default_rng(seed)
    guessed = np.where(rng.random(len(labels)) < share, labels, (labels + 1) % 5)
    return np.where(np.arange(5) == guessed[:, None], 0.8, 0.05)


def test_times_and_scores_of_stamps(judged):
    claim = judged("middle-sampling-is-enough", [(1.0, 1.1, 1.0), (3.0, 3.1, 3.2)], (1.0, 0.2))
    assert claim["verdict"] == "confirmed"
    accuracy, seconds = claim["scores"]
    assert accuracy["expected"] == [-0.01, None]
    assert accuracy["sides"][0] == 1
    assert seconds["sides"] == pytest.approx([3.1 / 3, 3.1])
    assert seconds["difference"] == pytest.approx((1.1 / (3 * 3.1 * 3.2)) ** (1 / 3))
    assert seconds["low"] * seconds["high"] == pytest.approx(seconds["difference"] ** 2)


def test_difference_of_differences(judged):
    taken = [(1.0, 1.0)] * 4
    claim = judged("metadata-add-most", taken, (0.9, 0.5, 0.9, 0.5))
    (accuracy,) = claim["scores"]
    assert accuracy["difference"] == pytest.approx(0, abs=1e-12)
    assert claim["verdict"] == "undecided"
    assert [side["weight"] for side in claim["sides"]] == [1, -1, -1, 1]


def test_confidence(judged):
    claim = judged("entropy-softens-confidence", [(1.0, 1.0)] * 2, (0.9, 0.5))
    assert claim["scores"][0]["sides"] == pytest.approx([0.8, 0.8])


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
@pytest.mark.parametrize("name", [one.name for one in compared("smoke", KINDS, real=True)])
def test_sides_differ_in_one_thing(name, preset, monkeypatch):
    monkeypatch.setattr(trainings, "settings", settings)
    (entry,) = compared(preset, [name], real=True)
    every = [all_settings(preset, side) for side in entry.sides]
    assert all(baseline_class(side.baseline).track == entry.track for side in entry.sides)
    differing = {
        name for one in every for name in one.keys() & every[0].keys() if one[name] != every[0][name]
    }
    differing |= {
        name
        for name in ("baseline", "split", "start")
        for side in entry.sides[:2]
        if getattr(side, name) != getattr(entry.sides[0], name)
    }
    if isinstance(entry, Claim):
        differing -= {"sampling", "epochs"} if len(entry.sides) > 2 else set()
        assert entry.expected.keys() <= {one.key for one in MEASURED[entry.track].scores} | {EPOCH_SECONDS}
        assert all(low < high for low, high in entry.expected.values())
    if isinstance(entry, Claim) or entry.over:
        assert len(differing) == 1
    else:
        assert len({side.baseline for side in entry.sides}) == len(entry.sides)


def test_compared_by_name_kind_and_track():
    assert {one.kind for one in compared("smoke")} == {"claim", "experiment", "board"}
    assert {one.kind for one in compared("smoke", ["ablation"])} == {"ablation"}
    assert {one.track for one in compared("smoke", ["stamps"])} == {"stamps"}
    assert [one.name for one in compared("smoke", ["kernel-3-beats-2"])] == ["kernel-3-beats-2"]
    assert not any(one.data == "real" for one in compared("smoke", KINDS))
    listed = json.loads(CliRunner().invoke(main, ["reproduce", "--list", "--json"]).stdout)
    assert {one["name"] for one in listed} == {one.name for one in compared("smoke", KINDS, real=True)}


def test_unknown_claim(tmp_path):
    result = run(tmp_path / "new", "earth-is-flat")
    assert result.exit_code == 2
    assert "'earth-is-flat' is none of: claim, experiment" in result.output
    assert not (tmp_path / "new").exists()


def test_split_within_clusters(tmp_path, monkeypatch):
    monkeypatch.setitem(trainings.SIZES, "smoke", trainings.Size({"mass-mapping": 160}, 2))
    folder = Place(tmp_path, "smoke")._data("sparse", "random").parent
    cases, groups = {}, {}
    for name in ("random/train.h5", "cluster/train.h5", "random/test-truth.h5", "cluster/test-truth.h5"):
        with open_dataset(folder / name) as data:
            cases[name], groups[name] = set(data.case_ids()), set(data.groups().tolist())
    assert cases["random/test-truth.h5"] == cases["cluster/test-truth.h5"]
    assert len(cases["random/train.h5"]) == len(cases["cluster/train.h5"])
    assert groups["random/test-truth.h5"] <= groups["random/train.h5"]
    assert groups["cluster/test-truth.h5"].isdisjoint(groups["cluster/train.h5"])
    assert cases["random/test-truth.h5"].isdisjoint(cases["random/train.h5"])


def test_time_left():
    def made(name, baseline, data):
        return Run(Path(name), Path(data), baseline, {}, 0)

    taken = {made("a", "cnn", "x"): 10.0, made("b", "cnn", "x"): None, made("c", "cnn", "x"): 20.0}
    assert seconds_left(taken) == 15
    assert seconds_left(taken | {made("d", "alerce", "x"): None}) == 30
    assert seconds_left(taken | {made("e", "unet", "y"): None}) == 30
    assert seconds_left(dict.fromkeys(taken)) is None


def test_sides_in_words():
    assert str(Side("unet", {"kernel": 2}, "unet", "random")) == "unet, kernel = 2, random split"
    assert str(Side("cnn", {}, "cnn", start="stamps")) == "cnn, trained on stamps first"


def test_smaller_training_sets_are_nested(tmp_path):
    place, found = Place(tmp_path, "smoke"), {}
    for part in ("", "half", "quarter", "eighth"):
        folder = place._data("sparse", part)
        with open_dataset(folder / "train.h5") as data, open_dataset(folder / "test-truth.h5") as test:
            found[part] = set(data.groups().tolist()), test.fingerprint
    groups, tests = zip(*found.values(), strict=True)
    assert len(set(tests)) == 1
    assert groups[3] <= groups[2] <= groups[1] < groups[0]
    assert [len(each) for each in groups[1:]] == [-(-len(groups[0]) // share) for share in (2, 4, 8)]


@pytest.fixture(scope="module")
def real(_tiny, tmp_path_factory):
    """A board and a claim about alerts of the user's, cross-validated; here simulated from another seed."""
    folder = tmp_path_factory.mktemp("real")
    words = ["simulate", "stamps", str(folder / "alerts.h5"), "--cases", "150", "--seed", "7"]
    assert CliRunner().invoke(main, words).exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        entries = compared("smoke", ["pretraining-helps", "real-stamps"], real=True)
        few = [replace(one, sides=one.sides[:3]) if isinstance(one, Board) else one for one in entries]
        patch.setattr(reproducing, "compared", lambda *_: few)
        patch.setattr(trainings, "FOLDS", 3)
        words = ["real-stamps", "--stamps", str(folder / "alerts.h5"), "--seeds", "1", "--json"]
        result = run(folder / "out", *words)
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def test_real_alerts_are_cross_validated(real):
    folder, record = real
    (entry,), board = record["boards"], record["boards"][0]["board"]
    assert [row["method"] for row in board["rows"]][-1] == "majority"
    with open_dataset(folder / "alerts.h5") as data:
        assert (board["cases"], board["groups"]) == (len(data), len(np.unique(data.groups())))
    assert all(len(runs) == 3 for runs in entry["runs"].values())
    assert all(len(row["seeds"]) == 1 for row in board["rows"])
    assert json.loads((folder / "out" / "leaderboard.json").read_text()) == board
    table = (folder / "out" / "claims.html").read_text()
    assert "Real stamps, cross-validated by object" in table


def test_a_network_starts_from_what_it_learnt_on_simulated_stamps(real):
    folder, record = real
    (claim,) = record["claims"]
    first, other = (side["runs"][0] for side in claim["sides"])
    notes = [json.loads((folder / "out" / "runs" / name / "run.json").read_text()) for name in (first, other)]
    assert notes[0]["start"]["cases"] > notes[0]["cases"]
    assert notes[1]["start"] is None
    assert notes[0]["data"] == notes[1]["data"]


def test_a_claim_about_real_alerts_needs_some(tmp_path):
    result = run(tmp_path, "real-stamps")
    assert result.exit_code == 1
    assert "--stamps" in result.output


def test_curve(zeros):
    out, _ = zeros
    result = run(out, "padding", "--json")  # of the tiny settings, only the names matter
    assert result.exit_code == 0, result.output
    (entry,) = json.loads(result.stdout)["boards"]
    assert sorted(entry["values"].values()) == [0, 32, 64]
    assert (out / "padding.png").read_bytes().startswith(b"\x89PNG")
    shown = run(out, "padding", "--markdown").stdout
    assert shown.count("padding = ") == 3
