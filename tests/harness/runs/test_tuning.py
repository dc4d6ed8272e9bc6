"""Searches: of a formula, which is quick, and of a network, which is killed and shared among processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from importlib.metadata import entry_points
from importlib.resources import files
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from baselines.backend import keras
from baselines.mass_mapping.trivial import Zeros
from baselines.presets import PRESETS, make, settings, updated
from baselines.protocol import BaselineError, Training
from baselines.stamps.trivial import Majority
from harness.cli import main
from harness.data.store import open_dataset
from harness.evaluation.scoring import score, score_card
from harness.files import HarnessError
from harness.progress import no_progress
from harness.runs.registry import baseline_class
from harness.runs.training import restored, submit, train
from harness.runs.tuning import (
    BUDGETS,
    MACHINES,
    Oracle,
    Tuner,
    best_preset,
    limited,
    machine_role,
    objectives,
    ranked_scores,
    sample,
    search_space,
    tune,
)  # fmt: skip
from harness.tracks import MASS_MAPPING, STAMPS

DEPRECATED = "ignore:.* is deprecated:DeprecationWarning:keras_tuner"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(DEPRECATED)]

SPACE = "[plain]\nx = { min_value = 0.0, max_value = 1.0 }\nn = [0, 1, 2, 3]\n"


class Killed(BaseException):
    """What no code catches, as a signal would be."""


def bowl(values):
    """Three scores that are best at x = 0.8 and n = 2."""
    badness = (values["x"] - 0.8) ** 2 + 0.1 * (values["n"] - 2) ** 2
    return {"wmape": 1 + badness, "dicee": 0.1 * badness, "dpeaks": 100 * badness**2}


def unlike_two(values):
    if values["n"] == 2:
        raise BaselineError("n = 2 is impossible")


@pytest.fixture
def oracle(tmp_path):
    """A function that makes an oracle, with its state in a folder of that name."""

    def make(trials=4, seed=0, space=SPACE, make=lambda values: values, name="search"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (tmp_path / "space.toml").write_text(space)
        parameters = search_space("plain", "laptop", tmp_path / "space.toml")
        return Oracle(MASS_MAPPING, parameters, make, trials, seed, folder / "state.json", no_progress)

    return make


@pytest.fixture
def searched(oracle, monkeypatch):
    """A function that searches the bowl and returns the record of the trials.

    ``at`` has an exception by the number of the trial that it stops.
    """
    monkeypatch.setattr(keras.utils, "clear_session", lambda: None)  # slow, and no network is there

    def search(*arguments, at=MappingProxyType({}), **named):
        asked = oracle(*arguments, **named)

        def run(values, training):
            number = int(training.folder.name.removeprefix("trial-"))
            if number in at:
                raise at[number]
            (training.folder / "history.csv").touch(exist_ok=False)  # no trial is run twice
            return bowl(values)

        asked.resume("alone")
        Tuner(asked, run, Training(asked.seed, asked.file.parent)).search()
        return asked.result()

    return search


def values_of(record):
    return [trial["values"] for trial in record["trials"]]


def test_objective_by_hand():
    scores = [
        {"wmape": 1.0, "dicee": 0.2, "dpeaks": 30},  # beaten by 0, 1 and 1 of the 4 others
        {"wmape": 2.0, "dicee": 0.1, "dpeaks": 30},  # by 1, 0 and 1: it shares the place in DPEAKS
        {"wmape": 3.0, "dicee": 0.3, "dpeaks": 10},  # by 2, 2 and 0
        {},  # failed: by 3 in all, as the other that failed
        {},
    ]
    assert objectives(MASS_MAPPING, scores) == pytest.approx([2 / 12, 2 / 12, 4 / 12, 9 / 12, 9 / 12])
    assert objectives(MASS_MAPPING, scores[:1]) == [0.0]
    better = {"accuracy": 0.9, "sn_f1": 0.5, "sn_f2": 0.4}
    assert objectives(STAMPS, [dict.fromkeys(better, 0.1), better, {}]) == [0.5, 0.0, 1.0]


def test_every_end_changes_all_objectives_and_the_search_learns(searched):
    record = searched(trials=12)
    scores = [trial["scores"] for trial in record["trials"]]
    assert [trial["objective"] for trial in record["trials"]] == objectives(MASS_MAPPING, scores)
    badness = [trial["dicee"] for trial in scores]
    assert badness[record["best"]] == min(badness)
    assert np.median(badness[6:]) < np.median(badness[:4]) / 2  # the first four are random


def test_the_seed_decides(searched):
    first, again, other = (searched(3, seed, name=name) for seed, name in ((0, "a"), (0, "b"), (1, "c")))
    assert values_of(first) == values_of(again)
    assert values_of(first)[0] != values_of(other)[0]


@pytest.mark.parametrize("stopped", [0, 3])
def test_goes_on_where_it_was_stopped(searched, stopped):
    with pytest.raises(Killed):
        searched(at={stopped: Killed()}, name="stopped")
    assert values_of(searched(name="stopped")) == values_of(searched())


def test_several_workers_get_trials_of_their_own_and_keep_them(oracle):
    def work(asked, name):
        trial = asked.create_trial(name)
        asked.update_trial(
            trial.trial_id, {"objective": 0.0, "seconds": 1.0, **bowl(trial.hyperparameters.values)}
        )
        trial.status = "COMPLETED"
        asked.end_trial(trial)

    chief = oracle(9)
    for _ in range(4):  # past those at random, so that the rest is proposed while others run
        work(chief, "a")
    begun = {name: chief.create_trial(name) for name in ("a", "b", "c")}
    assert len({tuple(trial.hyperparameters.values.items()) for trial in begun.values()}) == 3
    again = oracle(9)
    again.resume("chief")
    for name, trial in begun.items():
        assert again.create_trial(name).trial_id == trial.trial_id
        work(again, name)
    assert not again.ongoing_trials
    alone = oracle(9)
    alone.resume("alone")
    alone.create_trial("tuner0")
    assert len(alone.trials) == 8


def test_a_failed_trial_is_the_worst_and_not_the_end(searched, tmp_path):
    faults = {1: BaselineError("the loss is no longer finite"), 2: ValueError("out of memory\nwhile this")}
    found = searched(at=faults)
    trials = found["trials"]
    reasons = [None, "the loss is no longer finite", "ValueError: out of memory", None]
    assert [trial["failure"] for trial in trials] == reasons
    assert [bool(trial["scores"]) for trial in trials] == [True, False, False, True]
    assert [trial["objective"] for trial in trials[1:3]] == [2 / 3, 2 / 3]
    assert found["best"] in (0, 3)
    kept = {path.name for path in (tmp_path / "search").iterdir()}
    assert kept == {"state.json", "trial-0", "trial-3"}


def test_a_search_without_any_success_says_why(searched):
    with pytest.raises(HarnessError, match=r"none of 2 trials succeeded.*no supernova"):
        searched(2, at=dict.fromkeys(range(2), BaselineError("no supernova")))
    with pytest.raises(HarnessError, match=r"none of 0 trials succeeded.*n = 2 is impossible"):
        searched(make=unlike_two, space="[plain]\nn = [2]\n", name="impossible")


def test_a_full_disk_ends_the_search_which_goes_on_later(searched):
    with pytest.raises(OSError, match="No space left"):
        searched(2, at={1: OSError(28, "No space left on device")})
    assert [trial["failure"] for trial in searched(2)["trials"]] == [None, None]


def test_the_impossible_and_the_known_are_never_tried(searched):
    record = searched(6, make=unlike_two, space="[plain]\nx = [0.0, 0.5]\nn = [1, 2, 3]\n")
    tried = [(values["x"], values["n"]) for values in values_of(record)]
    assert sorted(tried) == [(x, n) for x in (0, 0.5) for n in (1, 3)]  # all, once, and then it ends


def is_possible(kind, chosen):
    try:
        make(kind, chosen)
    except BaselineError as error:
        if "halved" not in str(error):  # as often as some padded sizes demand
            raise
        return False
    return True


@pytest.mark.parametrize("preset", PRESETS)
def test_every_table_has_settings_of_its_baseline(preset):
    tables = tomllib.loads(files("baselines.presets").joinpath("search.toml").read_text())
    kinds = {entry.name: entry.load() for entry in entry_points(group="astroboard.baselines")}
    assert {name for name, kind in kinds.items() if hasattr(kind, "epochs")} <= tables.keys()
    for name in tables.keys() & kinds.keys():
        space = search_space(name, preset, None)
        assert len(space.space) >= 3
        possible = 0
        for number in range(40):
            drawn = {axis.name: axis.random_sample(100 * number + i) for i, axis in enumerate(space.space)}
            possible += is_possible(kinds[name], updated(settings(preset, name), drawn))
        assert possible >= 10


@pytest.mark.parametrize(
    "line",
    [
        "x = 3", "x = []", "x = [1, 'a']", "x = [[1]]", "filters = ['a']", "x = { min_value = 1.0 }",
        "x = { min_value = 'a', max_value = 2 }", "x = { min_value = 2, max_value = 1 }",
        "x = { min_value = 0, max_value = 1, sampling = 'log' }",
        "x = { min_value = 0, max_value = 1, sampling = 3 }",
        "x = { min_value = 0, max_value = 1, stop = 3 }", "x = { min_value = 0, max_value = 1, step = 0 }",
    ],
)  # fmt: skip
def test_a_space_that_is_none_is_refused(tmp_path, line):
    path = tmp_path / "mine.toml"
    path.write_text(f"[plain]\n{line}\n[most.laptop]\nfilters = 16\n")
    faults = (HarnessError, BaselineError)
    with pytest.raises(faults, match=r"mine\.toml.*plain\.(x|filters) must be a list of numbers"):
        search_space("plain", "laptop", path)
    with pytest.raises(BaselineError, match=r"mine\.toml must be a file with a table \[other\]"):
        search_space("other", "laptop", path)


def test_lists_are_cut_to_what_a_preset_affords(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "[plain]\nfilters = [8, 16, 32]\n[most.laptop]\nfilters = 16\n"
        "[wide]\nlike = 'plain'\nmost.laptop = { filters = 32 }\n[wider]\nlike = 'wide'\n"
    )
    (cut,), (whole,) = (search_space("plain", preset, path).space for preset in ("laptop", "paper"))
    assert (cut.values, whole.values) == ([8, 16], [8, 16, 32])
    (own,) = search_space("wide", "laptop", path).space
    assert own.values == [8, 16, 32]


def test_a_preset_holds_the_best_setting():
    trials = [
        {"trial": 0, "scores": {"wmape": 2.0}, "values": {"filters": 8}},
        {"trial": 1, "scores": {"wmape": 1.5}, "values": {"filters": 16, "loss_settings.peaks": 2.5}},
    ]
    record = {"baseline": "unet", "preset": "smoke", "seed": 3, "best": 1, "trials": trials}
    text = best_preset(record, {"loss": "multifocal", "filters": 8, "learning_rate": 1e-05, "jit": True})
    assert text.startswith(
        "# The best of 2 trials of `astroboard tune unet --preset smoke --seed 3`: wmape 1.5.\n"
    )
    expected = {"loss": "multifocal", "filters": 16, "learning_rate": 1e-05, "jit": True}
    assert tomllib.loads(text) == {"base": "smoke", "unet": {**expected, "loss_settings": {"peaks": 2.5}}}
    assert best_preset(record, {}, " --trials 2").startswith(
        "# The best of 2 trials of `astroboard tune unet --preset smoke --seed 3 --trials 2`"
    )
    assert "lost.unet" in tomllib.loads(best_preset(record | {"baseline": "lost.unet"}, {}))


@pytest.mark.parametrize("preset", PRESETS)
def test_trials_keep_within_the_budget_and_their_best_epoch(preset):
    for name in ("cnn", "unet"):
        plain = make(baseline_class(name), settings(preset, name), name)
        trial = limited(plain, BUDGETS[preset])
        assert trial.get("keep", plain.keep) == "best"
        assert 1 <= trial["epochs"] <= min(plain.epochs, BUDGETS[preset]["epochs"])
        assert 1 <= trial["patience"] <= BUDGETS[preset]["patience"]
    assert limited(Zeros(), BUDGETS[preset]) == {}


@pytest.mark.parametrize(("kind", "track"), [(Zeros, MASS_MAPPING), (Majority, STAMPS)])
def test_scores_are_those_of_a_submission(kind, track, request, tmp_path):
    data = request.getfixturevalue("maps" if track is MASS_MAPPING else "stamps")
    name = kind.__name__.lower()
    train(name, data, tmp_path / "run", "smoke")
    submit([tmp_path / "run"], data / "validation.h5", "us", tmp_path / "out.zip")
    with open_dataset(data / "train.h5") as seen, open_dataset(data / "validation.h5") as unseen:
        card = score_card(score(tmp_path / "out.zip", unseen))
        scores = ranked_scores(
            kind(), track, sample(seen, 10**6), sample(unseen, 10**6), Training(0, tmp_path)
        )
        few = sample(unseen, 5)
        assert len(few) == len(few.truth) == len(few.group) == 5
        assert np.array_equal(few.inputs[-1], unseen.inputs[len(unseen) - 1], equal_nan=True)
    assert scores == pytest.approx({each.key: card.metrics[each.key].mean for each in track.ranked})


@pytest.mark.parametrize("left_out", MACHINES[1:])
def test_half_an_address_is_refused(monkeypatch, left_out):
    assert machine_role() == "alone"
    for name, value in zip(MACHINES, ("127.0.0.1", "4000", "worker-1"), strict=True):
        monkeypatch.setenv(name, value)
    assert machine_role() == "worker"
    monkeypatch.setenv(MACHINES[2], "chief")
    assert machine_role() == "chief"
    monkeypatch.setenv(left_out, "")
    with pytest.raises(HarnessError, match=left_out):
        machine_role()


def test_a_port_in_use_is_told(oracle, monkeypatch):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        for name, value in zip(MACHINES, ("127.0.0.1", str(busy.getsockname()[1]), "chief"), strict=True):
            monkeypatch.setenv(name, value)
        asked = oracle()
        with pytest.raises(HarnessError, match="cannot listen"):
            Tuner(asked, bowl, Training(0, asked.file.parent)).search()


# A network, searched as a user would

WORDS = ("tune", "cnn", "--preset", "smoke", "--trials", "2", "--json")


@pytest.fixture(scope="module")
def network_space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.toml"
    path.write_text("[cnn]\nlearning_rate = { min_value = 1e-4, max_value = 1e-2, sampling = 'log' }\n")
    return path


@pytest.fixture(scope="module")
def command(stamps, network_space):
    return [*WORDS, "--data", str(stamps), "--space", str(network_space)]


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory):
    """A search that nothing disturbed: its folder, and what it printed."""
    out = tmp_path_factory.mktemp("whole") / "found"
    result = CliRunner().invoke(main, [*command, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return SimpleNamespace(out=out, record=json.loads(result.stdout))


def comparable(record):
    own = {"seconds", "epochs"}  # a chief has no histories
    return [{key: trial[key] for key in trial.keys() - own} for trial in record["trials"]]


def process(words, **environment):
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    words = [sys.executable, "-m", "harness.cli", *words]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_network_is_tuned_and_trained_with_what_was_found(whole, stamps, tmp_path):
    assert json.loads((whole.out / "tuning.json").read_text()) == whole.record
    names = {path.name for path in whole.out.rglob("*")}
    files = {"best.toml", "tuning.json", "trials.png", "history.csv"}
    assert names == files | {f"trial-{number}" for number in range(2)}
    assert [trial["epochs"] for trial in whole.record["trials"]] == [1, 1]
    best = whole.record["trials"][whole.record["best"]]
    found = (whole.out / "best.toml").read_text()
    assert tomllib.loads(found) == {"base": "smoke", "cnn": settings("smoke", "cnn") | best["values"]}
    (tmp_path / "short.toml").write_text(found.replace("epochs = 5", "epochs = 1"))
    train("cnn", stamps, tmp_path / "run", str(tmp_path / "short.toml"))
    assert restored(tmp_path / "run").learning_rate == best["values"]["learning_rate"]


def test_a_search_that_is_killed_goes_on(whole, command, tmp_path):
    running = process([*command, "--out", str(tmp_path / "found")])
    state = tmp_path / ".found.unfinished/run/state.json"
    while not (state.is_file() and '"COMPLETED"' in state.read_text()):
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    running.communicate()
    assert not (tmp_path / "found").exists()
    kept = state.with_name("trial-0") / "history.csv"
    written = kept.stat().st_mtime_ns
    result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "found")])
    assert result.exit_code == 0, result.output
    assert comparable(json.loads(result.stdout)) == comparable(whole.record)
    assert (tmp_path / "found/trial-0/history.csv").stat().st_mtime_ns == written  # not run again
    assert (tmp_path / "found/best.toml").read_text() == (whole.out / "best.toml").read_text()


def test_a_chief_and_a_worker_share_a_search(whole, command, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = dict(zip(MACHINES, ("127.0.0.1", str(free.getsockname()[1])), strict=False))
    both = {
        name: process([*command, "--out", str(tmp_path / name)], **address, KERASTUNER_TUNER_ID=name)
        for name in ("chief", "worker-1")
    }
    ended = {name: (*running.communicate(timeout=300), running.returncode) for name, running in both.items()}
    assert [status for *_, status in ended.values()] == [0, 0], ended
    assert json.loads(ended["worker-1"][0])["trials"] == 2
    assert comparable(json.loads(ended["chief"][0])) == comparable(whole.record)
    files = sorted(path.name for path in (tmp_path / "chief").iterdir())
    assert files == ["best.toml", "trials.png", "tuning.json"]


def test_faults_of_the_user_leave_nothing(maps, stamps, network_space, tmp_path):
    where = tmp_path / "searches"
    (where / "there").mkdir(parents=True)
    with pytest.raises(HarnessError, match="exists already"):
        tune("cnn", stamps, where / "there", "smoke")
    with pytest.raises(BaselineError, match=r"--space must be a file with a table \[majority\]"):
        tune("majority", stamps, where / "new", "smoke")
    with pytest.raises(HarnessError, match="'mass-mapping'"):
        tune("cnn", maps, where / "new", "smoke", space=network_space)
    network_space.with_name("wrong.toml").write_text("[cnn]\nlayers = [1, 2]\n")
    with pytest.raises(HarnessError, match="cnn has no setting 'layers'"):
        tune("cnn", stamps, where / "new", "smoke", space=network_space.with_name("wrong.toml"))
    assert [path.name for path in where.iterdir()] == ["there"]
    assert BUDGETS["paper"]["examples"] == 10_000
    assert BUDGETS["paper"]["epochs"] == 30


def test_help_imports_no_keras():
    code = (
        "import sys; from harness.cli import main; main(['tune', '--help'], standalone_mode=False);"
        "assert not {'tensorflow', 'keras', 'keras_tuner', 'sklearn'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
