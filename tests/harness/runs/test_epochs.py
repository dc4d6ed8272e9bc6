"""The number of epochs: from histories by hand, and from a network that is stopped and resumed."""

import csv
import json
import tomllib

import pytest
from click.testing import CliRunner

from baselines.presets import settings
from harness.cli import main
from harness.data.inspection import inspect
from harness.files import HarnessError
from harness.runs.epochs import best_epoch, find_epochs
from harness.runs.folder import finished

pytestmark = pytest.mark.slow

TINY = """[cnn]
batch_size = 32
learning_rate = 3e-3
sampling = "unchanged"
depth = 1
filters = 4
patience = 1
keep = "best"
"""


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    path = tmp_path_factory.mktemp("preset") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def words(stamps, preset):
    return ["tune", "cnn", "--epochs-only", "--data", str(stamps), "--preset", str(preset)]


@pytest.fixture(scope="module")
def found(words, tmp_path_factory):
    """The folder of two runs of four epochs, by the command."""
    out = tmp_path_factory.mktemp("found") / "epochs"
    options = ["--runs", "2", "--epochs", "4", "--seed", "5", "--out", str(out)]
    result = CliRunner().invoke(main, [*words, *options])
    assert result.exit_code == 0, result.output
    assert f"--preset {out / 'best.toml'}" in result.stdout
    assert "seed 6" in result.stdout
    return out


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("column", "runs", "best", "mean"),
    [
        # means 0.5, 0.7, 0.7 and 0.6: of equals the earliest
        ("val_accuracy", [(0.4, 0.6, 0.9, 0.6), (0.6, 0.8, 0.5, 0.6)], 2, 0.7),
        # means 3, 2, 1.5 and 2, though the best of one run is its second epoch
        ("val_loss", [(3, 1, 2, 2), (3, 3, 1, 2)], 3, 1.5),
    ],
)
def test_best_mean_by_hand(tmp_path, column, runs, best, mean):
    paths = []
    for number, values in enumerate(runs):
        paths.append(tmp_path / f"{number}.csv")
        lines = (f"{epoch + 1},{9 - epoch},{value}" for epoch, value in enumerate(values))
        other = "val_loss" if column == "val_accuracy" else "loss"
        paths[-1].write_text("\n".join([f"epoch,{other},{column}", *lines, ""]))
    result = best_epoch(paths)
    assert result["monitor"] == column
    assert result["best"] == {"epochs": best, "mean": pytest.approx(mean)}
    assert result["curve"][2]["runs"] == [values[2] for values in runs]
    assert [point["epoch"] for point in result["curve"]] == [1, 2, 3, 4]


def test_the_curve_is_the_mean_of_the_histories(found):
    record = json.loads((found / "epochs.json").read_text())
    names = {path.name for path in found.rglob("*")}
    assert names == {"best.toml", "epochs.csv", "epochs.json", "history.csv", "run-0", "run-1"}
    curves = [
        [float(row["val_accuracy"]) for row in rows_of(found / name / "history.csv")]
        for name in ("run-0", "run-1")
    ]
    assert curves[0] != curves[1]
    assert [len(curve) for curve in curves] == [4, 4]  # no patience ended one
    means = [sum(pair) / 2 for pair in zip(*curves, strict=True)]
    assert [point["mean"] for point in record["curve"]] == pytest.approx(means)
    assert record["best"]["epochs"] == 1 + means.index(max(means))
    table = rows_of(found / "epochs.csv")
    assert list(table[0]) == ["epoch", "mean", "seed-5", "seed-6"]
    assert [float(row["seed-6"]) for row in table] == pytest.approx(curves[1])
    assert inspect(found / "epochs.json")["kind"] == "epochs"


def test_train_takes_what_was_found(found, stamps, tmp_path):
    record = json.loads((found / "epochs.json").read_text())
    best = record["best"]["epochs"]
    text = (found / "best.toml").read_text()
    assert "`astroboard tune cnn --epochs-only --preset tiny.toml --runs 2 --epochs 4 --seed 5`" in text
    expected = tomllib.loads(TINY)["cnn"] | {"epochs": best, "patience": 0, "keep": "last"}
    expected["schedule"] = "constant"  # the preset's is a cosine
    assert tomllib.loads(text) == {"base": "laptop", "cnn": settings("laptop", "cnn") | expected}
    options = ["--preset", str(found / "best.toml"), "--seed", "5", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, ["train", "cnn", "--data", str(stamps), *options])
    assert result.exit_code == 0, result.output
    outcome = finished(tmp_path / "run")["outcome"]
    assert (outcome["epochs"], outcome["kept_epoch"]) == (best, best)
    assert outcome["val_accuracy"] == pytest.approx(record["curve"][best - 1]["runs"][0])


def test_stopped_runs_are_resumed(found, stamps, preset, tmp_path):
    def stop(*progress):
        if "number 2: 2 of 4" in progress[2]:
            raise Stop

    options = {"preset": str(preset), "runs": 2, "epochs": 4, "seed": 5}
    with pytest.raises(Stop):
        find_epochs("cnn", stamps, tmp_path / "part", **options, progress=stop)
    assert not (tmp_path / "part").exists()
    told = []
    again = find_epochs(
        "cnn", stamps, tmp_path / "part", **options, progress=lambda *words: told.append(words[2])
    )
    assert [text for text in told if "resuming" in text] == [
        "runs; number 1: 4 of 4, resuming after epoch 4",
        "runs; number 2: 2 of 4, resuming after epoch 2",
    ]
    assert again["curve"] == json.loads((found / "epochs.json").read_text())["curve"]


def test_maps_are_judged_by_their_loss(maps, tmp_path):
    preset = tmp_path / "tiny.toml"
    preset.write_text("[unet]\nfilters = 2\ndepth = 2\npadding = 0\nschedule = 'cosine'\n")
    record = find_epochs("unet", maps, tmp_path / "out", str(preset), runs=1, epochs=1)
    assert record["monitor"] == "val_loss"
    best = tomllib.loads((tmp_path / "out/best.toml").read_text())["unet"]
    assert best["keep"] == "last"
    assert best["schedule"] == "constant", "a cosine depends on the number of epochs"


def test_faults_of_the_user_leave_nothing(stamps, found, words, tmp_path):
    with pytest.raises(HarnessError, match="exists already"):
        find_epochs("cnn", stamps, found)
    with pytest.raises(HarnessError, match="must be for a network, which has epochs, got majority"):
        find_epochs("majority", stamps, tmp_path / "out")
    search = [word for word in words if word != "--epochs-only"]
    for command, message in (
        ([*words, "--trials", "3"], "--trials and --epochs-only exclude each other"),
        ([*search, "--runs", "3"], "--runs and --epochs-only go together"),
        (search, "there are: smoke, laptop"),  # a search has no preset of the user's
    ):
        result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "out")])
        assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not any(tmp_path.iterdir())
