"""Claims put to the test, on data that are too small to decide much."""

import json
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baselines.presets import settings
from harness import reproducing
from harness.claims import EPOCH_SECONDS, Side, claims
from harness.cli import main
from harness.data.store import open_dataset
from harness.experiment import baseline_class
from harness.measuring import MEASURED
from harness.progress import silent
from harness.reproducing import Run, all_settings, seconds_left

EVERY = ("claim", "experiment", "ablation")
TINY = """
from harness import reproducing
from harness.cli import main

reproducing.SIZES = {"smoke": reproducing.Size({"mass-mapping": 40, "stamps": 160}, 2)}
network = {"filters": 4, "depth": 2, "padding": 0, "dropout": 0.0, "epochs": 4, "loss": "mse"}
reproducing.settings = lambda preset, like: network
"""


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    """Small data, and a small network, in this process as in one that runs the same lines."""
    before = {name: getattr(reproducing, name) for name in ("SIZES", "settings")}
    exec(TINY, {})
    yield
    for name, value in before.items():
        setattr(reproducing, name, value)


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
    assert (claim["name"], claim["cases"], claim["groups"], claim["seeds"]) == ("zeros-win-wmape", 8, 8, 2)
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
        monkeypatch.setattr(reproducing, name, None)
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


def test_a_run_is_known_by_all_that_it_depends_on(zeros, monkeypatch):
    out, _ = zeros
    (claim,) = claims("smoke", ["zeros-win-wmape"])

    def folder(seed=0, baseline="unet", **settings):
        side = Side(baseline, settings)
        return reproducing._run(out, claim, side, seed, "smoke", 40, silent).folder

    first = folder()
    assert first == folder(filters=4)  # said or not, it is the same setting
    others = [
        folder(seed=1),
        folder(loss="focal"),
        folder(loss_settings={"focal": 1.0}),
        folder(baseline="unet-2k"),
    ]
    for name in ("_versions", "_fingerprints"):
        with monkeypatch.context() as patch:
            patch.setattr(reproducing, name, lambda _: "others")
            others.append(folder())
    assert len({first, *others}) == 7


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


@pytest.fixture
def judged(stamps, submission_of, tmp_path):
    """A function that judges a claim about stamps from the seconds of the runs, with made-up submissions."""

    def judge(name, seconds, right):
        (claim,) = claims("smoke", [name])
        sides, scored = [], {}
        for side, (of_epochs, share) in enumerate(zip(seconds, right, strict=True)):
            sides.append([])
            for seed, taken in enumerate(of_epochs):
                one = Run(tmp_path / f"{side}-{seed}", stamps, "cnn", {}, seed)
                one.folder.mkdir()
                (one.folder / "history.csv").write_text(f"epoch,seconds\n1,99\n2,{taken}\n3,{taken}\n")
                predict = partial(certain, share=share, seed=seed)
                submission_of(one.submission, stamps / "test-truth.h5", predict)
                scored[one] = reproducing._scored(one, silent)  # nothing is to be trained
                sides[-1].append(one)
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
@pytest.mark.parametrize("claim", claims("smoke", EVERY), ids=lambda claim: claim.name)
def test_sides_differ_in_one_thing(claim, preset, monkeypatch):
    monkeypatch.setattr(reproducing, "settings", settings)
    (claim,) = claims(preset, [claim.name])
    (_, first), (_, second) = claim.weighted[:2]
    one, other = (all_settings(preset, claim.like, side) for side in (first, second))
    differing = {name for name in one.keys() & other.keys() if one[name] != other[name]}
    differing |= {name for name in ("baseline", "split") if getattr(first, name) != getattr(second, name)}
    assert len(differing) == 1
    assert all(baseline_class(side.baseline).track == claim.track for _, side in claim.weighted)
    assert claim.expected.keys() <= {one.key for one in MEASURED[claim.track].scores} | {EPOCH_SECONDS}
    assert all(low < high for low, high in claim.expected.values())


def test_claims_by_name_kind_and_track():
    assert {one.kind for one in claims("smoke")} == {"claim", "experiment"}
    assert {one.kind for one in claims("smoke", ["ablation"])} == {"ablation"}
    assert {one.track for one in claims("smoke", ["stamps"])} == {"stamps"}
    assert [one.name for one in claims("smoke", ["kernel-3-beats-2"])] == ["kernel-3-beats-2"]
    listed = json.loads(CliRunner().invoke(main, ["reproduce", "--list", "--json"]).stdout)
    assert {one["name"] for one in listed} == {one.name for one in claims("smoke", EVERY)}


def test_unknown_claim(tmp_path):
    result = run(tmp_path / "new", "earth-is-flat")
    assert result.exit_code == 1
    assert "no claim 'earth-is-flat'" in result.output
    assert not (tmp_path / "new").exists()


def test_split_within_clusters(tmp_path):
    (claim,) = claims("smoke", ["random-split-flatters"])
    folder = reproducing._data(tmp_path, claim, 160, silent)
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
    assert str(Side("unet", {"kernel": 2}, "random")) == "unet, kernel = 2, random split"
