"""Search for a baseline's settings: Keras Tuner's Bayesian optimisation of the mean rank of its scores.

docs/tuning.md defines the objective and the file of a search space, and says how machines share a search.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import baselines.keras_loop  # noqa: F401  it sets what must be set before Keras Tuner imports TensorFlow

# isort: split
import grpc
import keras_tuner
from keras_tuner.engine.trial import Trial
from sklearn.exceptions import ConvergenceWarning

from baselines.presets import make, settings
from baselines.protocol import CHUNK, Baseline, BaselineError, Cases, Training, predict
from harness.data.store import Dataset, open_dataset
from harness.evaluation.bootstrap import group_sums
from harness.evaluation.ranking import shared_ranks
from harness.files import HarnessError, json_text, read_json, write_text
from harness.progress import ProgressCallback, no_progress
from harness.runs.training import baseline_class, unfinished, versions
from harness.schemas import TUNING, TUNING_STATE
from harness.tracks import Track, get_track

MACHINES = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")
STATE = "state.json"
ALONE = "tuner0"  # what Keras Tuner calls itself where these are not set
DRAWS = 1000  # settings that are looked through, at most, for one that is possible and new
BUDGETS = {  # a trial: cases to train on (a quarter as many validate), epochs, those in vain that end it
    "smoke": {"trials": 2, "examples": 32, "epochs": 1, "patience": 1},
    "laptop": {"trials": 20, "examples": 1000, "epochs": 6, "patience": 2},
    "paper": {"trials": 60, "examples": 10_000, "epochs": 30, "patience": 5},
}

Values = Mapping[str, Any]
"""Values of what is searched, by the names of settings; ``loss_settings.peaks`` is an entry of a setting."""


def tune(
    name: str, data: Path, out: Path, preset: str = "laptop", trials: int | None = None, seed: int = 0,
    space: Path | None = None, progress: ProgressCallback = no_progress,
) -> dict[str, Any]:  # fmt: skip
    """Search for the settings with which a baseline does best on ``validation.h5``, and return the record.

    The new folder ``out`` gets the record as ``tuning.json`` and the best setting as a preset, ``best.toml``.
    It appears when the search is complete; until then it grows beside, and the same call goes on from there.
    A worker returns the number of ``trials`` that it ran: the result is its chief's.
    """
    if out.exists():
        raise HarnessError(f"{out} exists already: name a new folder, or remove that one first")
    role, kind, budget, chosen = machine_role(), baseline_class(name), BUDGETS[preset], settings(preset, name)
    track, searched, plain = get_track(kind.track), search_space(name, preset, space), make(kind, chosen)
    limits = {key: budget[key] for key in ("epochs", "patience") if hasattr(plain, key)}
    spent = chosen | {key: min(most, getattr(plain, key) or most) for key, most in limits.items()}

    def baseline(values: Values) -> Baseline:
        return make(kind, setting(spent, values))

    with (
        open_dataset(data / "train.h5", track) as train_data,
        open_dataset(data / "validation.h5", track) as validation_data,
    ):
        attempted = {
            **{"schema": TUNING, "baseline": name, "track": track.name, "preset": preset, "seed": seed},
            **{"settings": spent, "examples": budget["examples"]},
            "space": [one.get_config() for one in searched.space],
            **{"data": train_data.fingerprint, "validation": validation_data.fingerprint},
            "versions": versions(plain) | {one: version(one) for one in ("keras-tuner", "scikit-learn")},
        }

        @cache  # read when the first trial asks for them: a chief never does
        def cases() -> tuple[Cases, Cases]:
            return spread(train_data, budget["examples"]), spread(validation_data, budget["examples"] // 4)

        def run(values: Values, training: Training) -> dict[str, float]:
            return ranked_scores(baseline(values), track, *cases(), training)

        with unfinished(out, attempted) as folder:
            number = trials or budget["trials"]
            oracle = Oracle(track, searched, baseline, number, seed, folder / STATE, progress)
            tuner = Tuner(oracle, run, Training(seed, folder, progress))
            if role == "worker":
                tuner.search()
                return {"schema": TUNING, "worker": tuner.tuner_id, "trials": tuner.ended}
            oracle.resume(role)
            if len(oracle.end_order) < oracle.max_trials:
                tuner.search()
            record = attempted | oracle.result()
            write_text(folder / "best.toml", best_preset(record, chosen))
            write_text(folder / "tuning.json", json_text(record))
    (out / STATE).unlink()  # not before the folder has its name: until then a kill would lose all trials
    return record


def machine_role() -> str:
    """Alone, chief or worker, by the environment variables of Keras Tuner's protocol."""
    address, port, name = map(os.environ.get, MACHINES)
    if address is None:
        return "alone"
    if not (name and port and port.isdecimal() and 0 < int(port) < 2**16):
        raise HarnessError(f"{MACHINES[0]} is set: {MACHINES[1]} (1 to 65535) and {MACHINES[2]} must be, too")
    return "chief" if "chief" in name else "worker"


def search_space(baseline: str, preset: str, path: Path | None) -> keras_tuner.HyperParameters:
    """What the baseline's table in the file, or in ``search.toml``, says, with the cuts of its ``[most]``."""
    source = str(path.resolve() if path else files("baselines.presets") / "search.toml")
    flat: dict[str, Any] = {}
    for key, value in settings(source, baseline).items():
        entries = isinstance(value, dict) and "min_value" not in value
        flat |= {f"{key}.{inner}": one for inner, one in value.items()} if entries else {key: value}
    if not flat:
        raise HarnessError(f"{source} has no table [{baseline}] that says what to search, see docs/tuning.md")
    most, space = settings(source, "most").get(preset, {}), keras_tuner.HyperParameters()
    for key, value in flat.items():
        try:
            if isinstance(value, dict):
                space.Float(key, **value)
            else:
                space.Choice(key, [one for one in value if key not in most or one <= most[key]])
            space.space[-1].random_sample(0)
        except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
            expected = "a list of numbers, or of texts, or { min_value, max_value } was expected"
            raise HarnessError(f"{source}: {baseline}.{key}: {expected}: {error}") from error
    return space


def setting(chosen: Values, values: Values) -> dict[str, Any]:
    """All settings of a baseline: those that were chosen, but for the values that are searched."""
    merged = dict(chosen)
    for name, value in values.items():
        key, _, entry = name.partition(".")
        merged[key] = {**(merged.get(key) or {}), entry: value} if entry else value
    return merged


def spread(data: Dataset, most: int) -> Cases:
    """At most ``most`` cases, evenly over the file and so over its groups, in memory: they are read often."""
    rows = np.linspace(0, len(data) - 1, min(len(data), most)).astype(int)
    parts = np.array_split(rows, max(1, len(rows) // CHUNK))
    inputs, truth = (np.concatenate([column[part] for part in parts]) for column in (data.inputs, data.truth))
    metadata = None if data.metadata is None else data.metadata[:][rows]
    return Cases(inputs, truth, data.groups()[rows], metadata)


def ranked_scores(
    baseline: Baseline, track: Track, train: Cases, validation: Cases, training: Training
) -> dict[str, float]:
    """The scores that the track is ranked by, on the validation cases, of the baseline once it is fitted."""
    baseline.fit(train, validation, training)
    chunks = []
    for part in (slice(start, start + CHUNK) for start in range(0, len(validation), CHUNK)):
        metadata = None if validation.metadata is None else validation.metadata[part]
        predicted = predict(baseline, validation.inputs[part], metadata)
        chunks.append(track.by_case(validation.truth[part], predicted))
    columns = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
    scores = group_sums(track, columns, validation.group).total_scores(track)
    return {score.key: scores[score.key] for score in track.ranked}


def objectives(track: Track, trials: Sequence[Values]) -> list[float]:
    """The share of the other trials that do better, 0 (best) to 1: the mean over the track's ranked scores.

    ``trials`` are scores by key; one without any has failed, and all but the failed do better.
    """
    signs = {one.key: 1 if one.lower_is_better else -1 for one in track.ranked}
    losses = [[sign * one.get(key, sign * np.inf) for one in trials] for key, sign in signs.items()]
    shares = (shared_ranks(np.array(losses)).mean(axis=0) - 1) / max(1, len(trials) - 1)
    return [float(share) for share in shares]


class Oracle(keras_tuner.oracles.BayesianOptimizationOracle):
    """Proposes what to try next by the objectives of the trials that have ended, all anew after every end.

    A failed trial has ended too, so that the Gaussian process learns to stay away from it. The random numbers
    of a proposal follow from the seed and the number of trials before, so that resuming changes nothing.
    """

    def __init__(
        self, track: Track, space: keras_tuner.HyperParameters, make: Callable[[Values], Baseline],
        trials: int, seed: int, file: Path, progress: ProgressCallback,
    ) -> None:  # fmt: skip
        super().__init__(
            objective=keras_tuner.Objective("objective", "min"),
            max_trials=trials,
            num_initial_points=max(2, trials // 3),  # its default is three a dimension: often, all
            seed=int(np.random.SeedSequence(seed).generate_state(1)[0]) // 2 + 1,  # 0 would stand for any
            hyperparameters=space,
            tune_new_entries=False,
            allow_new_entries=False,
        )
        self.track, self.make, self.file, self.progress = track, make, file, progress
        self.fault, self.verbose, self._max_collisions = "", 0, DRAWS

    def scores(self, trial: Trial) -> dict[str, float]:
        keys = [one.key for one in self.track.ranked if trial.metrics.exists(one.key)]
        return {key: float(trial.metrics.get_best_value(key)) for key in keys}

    def score_trial(self, trial: Trial) -> None:  # noqa: ARG002
        ended = [one for one in self.trials.values() if one.status == "COMPLETED"]
        for one, objective in zip(ended, objectives(self.track, list(map(self.scores, ended))), strict=True):
            one.score = objective

    def end_trial(self, trial: Trial) -> None:
        trial.message = trial.hyperparameters.values.pop("failure", None)
        super().end_trial(trial)
        last = trial.message or "ended well"
        self.progress(len(self.end_order), self.max_trials, f"trials; the last: {last}")

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            response: dict[str, Any] = super().populate_space(trial_id)
        return response if response["values"] else {"status": "STOPPED"}

    def _duplicate(self, values: Values) -> bool:
        """Whether they are not to be tried: again, or at all."""
        try:
            self.make(values)
        except BaselineError as error:
            self.fault = str(error)
            return True
        return bool(super()._duplicate(values))

    def _vector_to_values(self, vector: np.ndarray) -> Values | None:
        """Those at the optimum of the confidence bound, or the best of many others that are to be tried."""
        drawn = self._random_state.uniform(size=(DRAWS, len(vector)))
        mean, deviation = self.gpr.predict(drawn, return_std=True)
        for one in [vector, *drawn[np.argsort(mean - self.beta * deviation)]]:
            values: Values = super()._vector_to_values(one)
            if not self._duplicate(values):
                return values
        return None

    def _save_trial(self, trial: Trial) -> None:
        """All is in one file: a kill between two would part them."""

    def save(self) -> None:
        trials = [trial.get_state() for trial in self.trials.values()]
        write_text(self.file, json_text({"schema": TUNING_STATE, **self.get_state(), "trials": trials}))

    def resume(self, role: str) -> None:
        """Go on from the file, if there is one: a chief's workers with their trials, others with the last."""
        if not self.file.exists():
            return
        state = read_json(self.file, TUNING_STATE)
        self.trials = {trial.trial_id: trial for trial in map(Trial.from_state, state["trials"])}
        self.set_state(state)
        for name, trial in list(self.ongoing_trials.items()):
            if trial.status != "RUNNING":  # it is written as ongoing when it ends, too
                del self.ongoing_trials[name]
            elif role != "chief" or name == ALONE:
                self._retry_queue.append(self.ongoing_trials.pop(name).trial_id)
        self.tuner_ids = set(self.ongoing_trials)

    def result(self) -> dict[str, Any]:
        """All trials, and the number of the best, the earlier of equals. Without a success no state stays."""
        trials = [
            {
                **{"trial": int(one.trial_id), "objective": one.score, "scores": self.scores(one)},
                **{"values": one.hyperparameters.values, "failure": one.message},
                "seconds": one.metrics.get_best_value("seconds"),
            }
            for one in self.trials.values()
        ]
        if all(one["failure"] for one in trials):
            fault = trials[-1]["failure"] if trials else self.fault
            self.file.unlink(missing_ok=True)
            raise HarnessError(f"none of {len(trials)} trials succeeded. The last fault: {fault}")
        return {"best": min(trials, key=lambda one: one["objective"])["trial"], "trials": trials}


class Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Runs trials for the oracle of this process, or for the chief's."""

    def __init__(
        self, oracle: Oracle, run: Callable[[Values, Training], dict[str, float]], training: Training
    ) -> None:
        self.run, self.training, self.trials, self.ended = run, training, oracle.max_trials, 0
        super().__init__(oracle, directory=str(training.folder), project_name=".")

    def save(self) -> None:
        """The oracle keeps all there is."""

    def search(self) -> None:
        try:
            super().search()
        except keras_tuner.errors.FatalRuntimeError as error:
            raise error.__cause__ or error from None
        except grpc.RpcError as error:
            raise HarnessError("the chief does not answer: start it again, and then this worker") from error
        except RuntimeError as error:
            raise HarnessError(f"the chief cannot listen to its workers: {error}") from error

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Scores; or the reason of a failure among the values, as the protocol has no other place for it.

        A full disk or the like ends the search instead, to go on from this trial.
        """
        number, started, scores = int(trial.trial_id), time.perf_counter(), {}
        folder = self.training.folder / f"trial-{number}"
        folder.mkdir(exist_ok=True)

        def progress(done: int, total: int, text: str) -> None:
            self.training.progress(number, self.trials, f"trials; number {number}: {done} of {total}, {text}")

        try:
            scores = self.run(trial.hyperparameters.values, Training(self.training.seed, folder, progress))
        except OSError as error:
            raise keras_tuner.errors.FatalRuntimeError from error
        except Exception as error:  # whatever, say, a network too large for the memory leads to
            kind = "" if isinstance(error, BaselineError) else f"{type(error).__name__}: "
            trial.hyperparameters.values["failure"] = kind + str(error).strip().partition("\n")[0]
            shutil.rmtree(folder)
        self.ended += 1
        return {"objective": 0.0, "seconds": round(time.perf_counter() - started, 3), **scores}


def best_preset(record: dict[str, Any], chosen: Values) -> str:
    """The best trial as a preset: what was searched, and for the rest, as the epochs, what was ``chosen``."""
    best = next(one for one in record["trials"] if one["trial"] == record["best"])
    reached = ", ".join(f"{key} {value:.6g}" for key, value in best["scores"].items())
    command = "astroboard tune {baseline} --preset {preset} --seed {seed}".format_map(record)
    rows = [f"{key} = {_toml(value)}" for key, value in setting(chosen, best["values"]).items()]
    head = f"# The best of {len(record['trials'])} trials of `{command}`: {reached}."
    name = record["baseline"]
    return "\n".join([head, f"[{json.dumps(name) if '.' in name else name}]", *rows, ""])


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)  # what TOML and JSON write alike
