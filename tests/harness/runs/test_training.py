"""Runs that are stopped on the way: what stays, what goes on, what starts anew."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.util import tensor_util

from baselines import presets
from baselines.protocol import BaselineError
from baselines.stamps.trivial import Majority
from harness.cli import main
from harness.data.split import split
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.runs import training
from harness.runs.folder import finished
from harness.runs.training import as_they_are, predictions, restored, submit, train
from harness.tracks import load
from submissions import open_submission

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CNN = "[cnn]\nepochs = 4\nbatch_size = 64\nsampling = 'unchanged'\nlearning_rate = {}\n"


class Killed(BaseException):
    """What no code catches, as a signal would be."""


def until(last, told):
    def report(done, total, text):
        if not (total and done == int(done)):
            return
        told.append(text)
        if done == last:
            raise Killed

    return report


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(CNN.format(0.001))
    return path


@pytest.fixture(scope="module")
def stopped(stamps, tmp_path_factory):
    """A run of the cnn that was stopped after its second epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "settings.toml").write_text(CNN.format(0.001))
    with pytest.raises(Killed):
        train("cnn", stamps, folder / "run", str(folder / "settings.toml"), 0, until(2, []))
    return folder / ".run.unfinished"


@pytest.fixture
def unfinished(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / ".run.unfinished")


def test_goes_on_after_the_last_epoch(stamps, tmp_path, preset, unfinished, capsys):
    assert not (tmp_path / "run").exists()
    assert unfinished.is_dir()
    told = []
    record = train("cnn", stamps, tmp_path / "run", str(preset), 0, until(None, told))
    assert told[0] == "resuming after epoch 2"
    assert len(told) == 3
    assert "resuming" in capsys.readouterr().err
    assert finished(tmp_path / "run") == record
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"run.json", "model", "history.csv", "history.png"}
    assert not unfinished.exists()
    whole = train("cnn", stamps, tmp_path / "whole", str(preset), 0)
    assert whole["outcome"] == record["outcome"]
    predictions = []
    for run in ("run", "whole"):
        with open_dataset(stamps / "validation.h5") as data:
            predictions.append(restored(tmp_path / run).predict(data.inputs[:]).tobytes())
    assert predictions[0] == predictions[1]


@pytest.mark.parametrize(
    ("other", "differs"),
    [("seed", "seed 0 → 1"), ("settings", "learning_rate 0.001 → 0.002"), ("data", "data ")],
)
def test_another_run_is_refused_or_starts_anew(stamps, tmp_path, preset, unfinished, other, differs, capsys):
    seed, data = int(other == "seed"), stamps
    if other == "settings":
        preset.write_text(CNN.format(0.002))
    if other == "data":
        data = tmp_path / "parts"
        split(stamps / "data.h5", data, seed=2)
    with pytest.raises(HarnessError, match=rf"to be resumed, got another: {differs}"):
        train("cnn", data, tmp_path / "run", str(preset), seed)
    assert (unfinished / "run/checkpoint.npz").is_file()
    told = []
    with pytest.raises(Killed):
        train("cnn", data, tmp_path / "run", str(preset), seed, until(0, told), force=True)
    assert told == ["first epoch"]
    assert "resuming" not in capsys.readouterr().err
    assert not unfinished.exists()  # nothing was learnt since


class Slowly(Majority):
    """Writes a row of history in each of six epochs, on a disk whose clock is not that of this machine."""

    def fit(self, train, validation, training):
        rows = ["epoch,seconds,loss,val_loss\n"]
        for epoch in range(1, 7):
            rows.append(f"{epoch},1.0,{1 / epoch},{2 / epoch}\n")
            (training.folder / "history.csv").write_text("".join(rows))
            os.utime(training.folder / "history.csv", (1e9 + epoch, 1e9 + epoch))
            for _ in range(3):
                training.progress(epoch, 6, "epoch")
        return super().fit(train, validation, training)


def test_curves_are_drawn_once_an_epoch_by_the_clock_of_the_disk(stamps, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(training, "SECONDS_BETWEEN_PICTURES", 0)
    monkeypatch.setattr(training, "baseline_class", lambda _: Slowly)
    monkeypatch.setattr(training, "draw_curves", lambda run, *_: drawn.append(len(training.epochs_of(run))))
    train("majority", stamps, tmp_path / "run", "smoke")
    assert drawn == [1, 2, 3, 4, 5, 6, 6]  # and again at the end


@pytest.mark.parametrize("fault", ["track", "settings", "value", "baseline"])
def test_faults_before_the_first_epoch_leave_nothing(maps, stamps, tmp_path, fault):
    where = tmp_path / "runs"
    where.mkdir()
    path = tmp_path / "settings.toml"
    path.write_text({"settings": "[cnn]\nlayers = 3", "value": "[cnn]\nepochs = 0"}.get(fault, ""))
    name, data = "nothing" if fault == "baseline" else "cnn", maps if fault == "track" else stamps
    with pytest.raises((HarnessError, BaselineError)):
        train(name, data, where / "run", str(path))
    assert not any(where.iterdir())


def test_divergence_in_the_first_epoch_leaves_nothing(stamps, tmp_path, preset):
    where = tmp_path / "runs"
    where.mkdir()
    preset.write_text(CNN.format(1e30))
    with pytest.raises(BaselineError, match="lower the learning_rate"):
        train("cnn", stamps, where / "run", str(preset))
    assert not any(where.iterdir())


UNET = """
[unet]
filters = 2
depth = 2
padding = 0
dropout = {dropout}
epochs = {epochs}
batch_size = 8
learning_rate = {rate}
schedule = "cosine"
loss_settings = {{ peaks = 5.0 }}

[unet-finetuned]
like = "unet"
finetuning_epochs = {finetuning}
"""
ATTEMPTS = """
import os, sys
from pathlib import Path
from harness.runs.training import train
import baselines.mass_mapping.networks
name, data, run, preset = sys.argv[1:]

def report(done, total, text):
    if total and done == int(done):  # no step of an epoch
        print("told", text, flush=True)

for _ in sys.stdin:  # a process of its own for every attempt, with TensorFlow imported but once
    if child := os.fork():
        print("ended", os.waitpid(child, 0)[1], flush=True)
    else:
        print(os.getpid(), "started", flush=True)
        train(name, Path(data), Path(run), preset, 0, report)
        os._exit(0)
"""


def read_manifest(path):
    return open_submission(path, "mass-mapping", []).manifest


def test_killed_five_times_submits_the_bytes_of_an_unbroken_run(maps, tmp_path):
    preset = tmp_path / "settings.toml"
    preset.write_text(UNET.format(dropout=0.3, epochs=6, rate=1e-3, finetuning=8))
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        ATTEMPTS,
        "unet-finetuned",
        maps,
        tmp_path / "part",
        preset,
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    moments, pipe = np.random.default_rng(5), subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:
        said = (line.strip().split(" ", 1) for line in process.stdout)
        for attempt in range(6):
            process.stdin.write("\n")
            child = int(next(said)[0])
            for told in range(1, 100):
                word, text = next(said)
                if told == 1:  # of the first phase, which must not begin anew
                    assert text.startswith("resuming" if attempt else "first epoch")
                if word == "ended" or (attempt < 5 and told == 3):
                    break
            if word != "ended":
                time.sleep(moments.uniform(0, 0.3))  # anywhere in an epoch, or in what is written after it
                os.kill(child, signal.SIGKILL)
                assert next(text for word, text in said if word == "ended") == str(int(signal.SIGKILL))
        assert (word, text) == ("ended", "0")
    train("unet-finetuned", maps, tmp_path / "whole", str(preset), 0)
    inputs = maps / "test-inputs.h5"
    for name in ("part", "whole"):
        submit([tmp_path / name], inputs, "us", tmp_path / f"{name}.zip")
        assert not list((tmp_path / name).rglob("checkpoint*"))
    stages = sorted((tmp_path / "part").rglob("history.csv"))
    assert len(stages) == 2
    in_epochs = [np.genfromtxt(stage, delimiter=",", names=True)["seconds"].sum() for stage in stages]
    record = json.loads((tmp_path / "part/run.json").read_text())
    assert record["seconds"] >= round(sum(in_epochs), 3)  # all but the end was done before the last attempt
    again = [sys.executable, "-m", "harness.cli", "submit", tmp_path / "part", "--inputs", inputs]
    subprocess.run([*again, "--team", "us", tmp_path / "again.zip"], env=environment, check=True)
    zips = {(tmp_path / f"{name}.zip").read_bytes() for name in ("part", "whole", "again")}
    assert len(zips) == 1


def test_a_disk_that_is_full_is_told_and_the_run_goes_on_when_there_is_room(stamps, tmp_path, preset):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done, *_):
        if done == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

    try:
        with pytest.raises(OSError, match=r"File too large: make room, then run the same command again"):
            train("cnn", stamps, tmp_path / "run", str(preset), 0, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told = []
    train("cnn", stamps, tmp_path / "run", str(preset), 0, until(None, told))
    assert told[0] == "resuming after epoch 2"
    assert (tmp_path / "run/run.json").is_file()


MIRRORED = """
import os
import sys
from pathlib import Path
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    processor, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from baselines.backend import n_devices
from harness.data.store import open_dataset
from harness.runs.training import restored, train
name, *paths = sys.argv[1:]
data, folder, preset = map(Path, paths)
maps = []
for strategy in ("single", "mirrored"):
    record = train(name, data, folder / strategy, str(preset), 0, strategy=strategy)
    assert record["strategy"] == strategy
    with open_dataset(data / "test-inputs.h5") as cases:
        maps.append(restored(folder / strategy).predict(cases.inputs[:]))
assert n_devices("mirrored") == 2
print(maps[0].std(), abs(maps[1] - maps[0]).max())
"""


@pytest.mark.parametrize(("backend", "name"), [("tensorflow", "unet-finetuned"), ("jax", "unet")])
def test_two_devices_learn_what_one_does(maps, tmp_path, backend, name):
    preset = tmp_path / "settings.toml"
    preset.write_text(UNET.format(dropout=0.0, epochs=2, rate=1e-4, finetuning=1))
    flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    flags = flags if backend == "jax" else ""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend, "XLA_FLAGS": flags}
    command = [sys.executable, "-c", MIRRORED, name, maps, tmp_path, preset]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    spread, apart = map(float, done.stdout.split()[:2])
    assert apart < 1e-3 * spread


def test_what_a_network_was_trained_on_is_recorded(stamps, maps, tmp_path, preset):
    network = train("cnn", stamps, tmp_path / "cnn", str(preset))
    plain = train("zeros", maps, tmp_path / "zeros", "smoke")
    assert network["hardware"] == [*plain["hardware"], "float32"]
    assert plain["hardware"][-1] == f"{os.cpu_count()} processors"


@pytest.fixture(scope="module")
def first(stamps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    (folder / "settings.toml").write_text(CNN.format(0.001).replace("epochs = 4", "epochs = 1"))
    train("cnn", stamps, folder / "run", str(folder / "settings.toml"), 0)
    return folder / "run"


def test_a_network_starts_with_the_weights_of_another_run(first, stamps, tmp_path):
    tiny = tmp_path / "tiny.toml"
    tiny.write_text("[cnn]\nepochs = 1\nlearning_rate = 1e-30\nsampling = 'unchanged'\n")
    record = train("cnn", stamps, tmp_path / "second", str(tiny), 1, start=first)
    assert record["start"]["data"] == record["data"]
    assert (record["start"]["seed"], record["seed"]) == (0, 1)
    one, other = (restored(run) for run in (first, tmp_path / "second"))
    assert one.model.count_params() == 210117
    for before, after in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-20)


def test_sampling_is_chosen_on_the_command_line(stamps, maps, tmp_path, preset):
    def call(*words):
        return CliRunner().invoke(main, ["train", *map(str, words), "--sampling", "middle"])

    result = call("cnn", "--data", stamps, "--out", tmp_path / "run", "--preset", preset)
    assert result.exit_code == 0, result.output
    assert finished(tmp_path / "run")["settings"]["sampling"] == "middle"
    result = call("zeros", "--data", maps, "--out", tmp_path / "zeros")
    assert (result.exit_code, "sampling" in result.stderr) == (1, True)


def test_what_cannot_be_a_start(first, stamps, maps, tmp_path):
    wider = tmp_path / "wider.toml"
    wider.write_text("[cnn]\nepochs = 1\nkernel = 5\n")
    for name, data, settings, message in (
        ("majority", stamps, "smoke", "majority is no network"),
        ("cnn-rotinv", stamps, "smoke", "must be a run of cnn-rotinv, got one of cnn"),
        ("unet-finetuned", maps, "smoke", "must be a run of unet, got one of cnn"),
        ("cnn", stamps, str(wider), "other layers than this one"),
    ):
        with pytest.raises((HarnessError, BaselineError), match=message):
            train(name, data, tmp_path / "run", settings, start=first)
    with pytest.raises(HarnessError, match="no finished run"):
        train("cnn", stamps, tmp_path / "run", "smoke", start=maps)


def test_finetuning_starts_from_the_same_network(first, maps, tmp_path):
    """Or its record would tell of another one than it has."""
    record = json.loads((first / "run.json").read_text())
    (tmp_path / "start").mkdir()
    for name, value in (("filters", 4), ("padding", 32), ("standardised", False)):
        start = record | {"baseline": "unet", "settings": presets.settings("smoke", "unet") | {name: value}}
        (tmp_path / "start/run.json").write_text(json.dumps(start))
        with pytest.raises(HarnessError, match=f"start must have {name} = .*, as unet-finetuned here, got"):
            train("unet-finetuned", maps, tmp_path / "run", "smoke", start=tmp_path / "start")


def test_predictions_are_averaged_over_the_orientations_of_a_stamp(stamps, first, tmp_path):
    inputs = stamps / "test-inputs.h5"
    manifest = submit([first], inputs, "us", tmp_path / "out.zip", average_symmetries=True)
    assert manifest["method"] == "cnn, over symmetries"
    with open_dataset(inputs) as cases:
        images = cases.inputs[:]
        written, _ = open_submission(tmp_path / "out.zip", "stamps", cases.case_ids()).read()
    sides = (images, images[:, :, ::-1])
    baseline = restored(first)
    each = np.stack([baseline.predict(np.rot90(side, turns, (1, 2))) for side in sides for turns in range(4)])
    assert np.ptp(each, axis=0).max() > 1e-3
    np.testing.assert_allclose(written, each.mean(axis=0), atol=1e-6)


def test_kaiser_squires_is_the_same_in_all_orientations(maps, tmp_path):
    train("ks93", maps, tmp_path / "run", "smoke")
    with open_dataset(maps / "test-inputs.h5") as cases:
        baselines = [restored(tmp_path / "run")]
        plain, averaged = (
            np.concatenate(list(predictions(baselines, cases, views=views)))
            for views in (as_they_are, load(cases.track.symmetries))
        )
    np.testing.assert_allclose(averaged, plain, atol=1e-6)


def test_runs_are_averaged(stamps, maps, first, tmp_path):
    train("majority", stamps, tmp_path / "majority", "smoke")
    runs, inputs = [first, tmp_path / "majority", first], stamps / "test-inputs.h5"
    manifest = submit(runs, inputs, "us", tmp_path / "out.zip")
    assert (manifest["method"], manifest["seed"]) == ("2 × cnn + majority", None)
    with open_dataset(inputs) as cases:
        mean, cnn, majority = (
            np.concatenate(list(predictions([restored(run) for run in some], cases)))
            for some in (runs, [first], [tmp_path / "majority"])
        )
    np.testing.assert_allclose(mean, (2 * cnn + majority) / 3, atol=1e-6)
    train("zeros", maps, tmp_path / "zeros", "smoke")
    with pytest.raises(HarnessError, match="must be of one track, got mass-mapping and stamps"):
        submit([first, tmp_path / "zeros"], inputs, "us", tmp_path / "mixed.zip")


def test_losses_and_scores_are_logged_for_tensorboard(maps, tmp_path):
    preset = tmp_path / "settings.toml"
    preset.write_text("[unet]\nfilters = 4\ndepth = 4\npadding = 0\nepochs = 2\n")
    options = ["--data", maps, "--out", tmp_path / "run", "--preset", preset, "--tensorboard"]
    result = CliRunner().invoke(main, ["train", "unet", *map(str, options)])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(
        main, ["train", "zeros", *map(str, options[:2]), "--out", "x", "--tensorboard"]
    )
    assert (result.exit_code, "zeros is no network" in result.stderr) == (1, True)
    history = np.genfromtxt(tmp_path / "run/history.csv", delimiter=",", names=True)
    columns = ("train", "epoch_loss", "loss"), ("validation", "epoch_dicee", "val_dicee")
    for side, tag, column in columns:
        events = event_accumulator.EventAccumulator(str(tmp_path / "run/tensorboard" / side)).Reload()
        logged = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        np.testing.assert_allclose(logged, history[column], rtol=1e-6)


def test_settings_are_set_on_the_command_line(stamps, tmp_path, preset):
    words = ["train", "cnn", "--data", stamps, "--out", tmp_path / "run", "--preset", preset]
    words += ["--set", "epochs=1", "--set", "loss=focal", "--set", "gamma=1.5"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    settings = finished(tmp_path / "run")["settings"]
    assert (settings["epochs"], settings["loss"], settings["gamma"]) == (1, "focal", 1.5)
    wrong = CliRunner().invoke(main, [*map(str, words[:-1]), "gamma"])
    assert (wrong.exit_code, "NAME=VALUE was expected, got 'gamma'" in wrong.stderr) == (2, True)
