"""Search for a baseline's settings: Bayesian optimisation of the mean rank of its scores, with Keras Tuner.

docs/tuning.md defines the objective and the file of a search space, and says how machines share a search.
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

import baselines.backend  # noqa: F401  it sets the backend before Keras Tuner imports Keras

# isort: split
import grpc
import keras_tuner
from keras_tuner.engine.trial import Trial
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from baselines.presets import make, preset_text, searched, settings, updated
from baselines.protocol import Baseline, BaselineError, Cases, Training, evenly_spaced, gather
from harness.data.store import Dataset
from harness.evaluation.bootstrap import concatenated, group_sums
from harness.evaluation.ranking import shared_ranks
from harness.files import HarnessError, check_new, json_text, read_json, write_text
from harness.progress import ProgressCallback, no_progress
from harness.runs.folder import unfinished
from harness.runs.registry import baseline_class
from harness.runs.training import SECONDS_BETWEEN_PICTURES, epochs_of, open_split, predictions, versions
from harness.schemas import TUNING, TUNING_STATE
from harness.tracks import Track, get_track

MACHINES = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")
STATE = "state.json"
ALONE = "tuner0"  # Keras Tuner's name of a process that is neither chief nor worker
CANDIDATES = 10_000  # settings that a proposal is chosen from
NEAR = 0.1  # standard deviation of those around the best trial, in units of the searched ranges
BUDGETS = {  # of a trial: training cases (a quarter as many validate), epochs, epochs without a lower loss
    "smoke": {"trials": 2, "examples": 32, "epochs": 1, "patience": 1},
    "laptop": {"trials": 20, "examples": 1000, "epochs": 6, "patience": 2},
    "night": {"trials": 40, "examples": 3000, "epochs": 10, "patience": 3},
    "gpu": {"trials": 60, "examples": 10_000, "epochs": 30, "patience": 5},
    "paper": {"trials": 60, "examples": 10_000, "epochs": 30, "patience": 5},
}

Values = Mapping[str, Any]
"""Values of the searched settings by name; ``loss_settings.peaks`` is an entry of a setting."""


def tune(
    name: str, data: Path, out: Path, preset: str = "laptop", trials: int | None = None, seed: int = 0,
    space: Path | None = None, progress: ProgressCallback = no_progress, force: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Search for the settings with the best scores on ``validation.h5``, and return the record.

    The new folder ``out`` gets the record, ``tuning.json``, and the best settings as a preset, ``best.toml``.
    It appears when the search is complete. Until then an unfinished folder grows beside it, from which the
    same call resumes. A worker returns the number of ``trials`` that it ran; its chief has the result.

    Raises `HarnessError` if ``out`` exists and is not to be replaced (``force``), the space is faulty, or no
    trial succeeds, and `BaselineError` if there is no space.
    """
    check_new(out, force=force)
    role, kind, budget, chosen = machine_role(), baseline_class(name), BUDGETS[preset], settings(preset, name)
    plain = make(kind, chosen, name)
    track, searched = get_track(kind.track), search_space(name, preset, space)
    spent = chosen | limited(plain, budget)

    def baseline(values: Values) -> Baseline:
        return make(kind, updated(spent, values), name)

    with open_split(data, track) as (train_data, validation_data):
        attempted = {
            "schema": TUNING, "baseline": name, "track": track.name, "preset": preset, "seed": seed,
            "settings": spent, "examples": budget["examples"],
            "space": [parameter.get_config() for parameter in searched.space],
            "data": train_data.fingerprint, "validation": validation_data.fingerprint,
            "versions": versions(plain) | {name: version(name) for name in ("keras-tuner", "scikit-learn")},
        }  # fmt: skip

        @cache  # read when the first trial asks for them: a chief never does
        def cases() -> tuple[Cases, Cases]:
            return sample(train_data, budget["examples"]), sample(validation_data, budget["examples"] // 4)

        def run(values: Values, training: Training) -> dict[str, float]:
            return ranked_scores(baseline(values), track, *cases(), training)

        with unfinished(out, attempted, force) as folder:
            number = trials or budget["trials"]
            oracle = Oracle(track, searched, baseline, number, seed, folder / STATE, progress)
            oracle.title = f"{name}, {preset}, seed {seed}"
            tuner = Tuner(oracle, run, Training(seed, folder, progress))
            if role == "worker":
                tuner.search()
                return {"schema": TUNING, "worker": tuner.tuner_id, "trials": tuner.ended}
            oracle.resume(role)
            try:
                if len(oracle.end_order) < oracle.max_trials:
                    tuner.search()
            finally:
                oracle.draw()
            record = attempted | oracle.result()
            more = f" --trials {trials}" * bool(trials) + f" --space {quote(str(space))}" * bool(space)
            write_text(folder / "best.toml", best_preset(record, chosen, more))
            write_text(folder / "tuning.json", json_text(record))
    (out / STATE).unlink()  # not before the folder has its name: until then a kill would lose all trials
    return record


def limited(plain: Baseline, budget: Mapping[str, int]) -> dict[str, Any]:
    """The settings of a trial that differ from those of the baseline, to keep within the budget.

    Trials are scored with the weights of their best epoch: one that patience has stopped is some epochs
    past it.
    """
    most = {key: budget[key] for key in ("epochs", "patience") if hasattr(plain, key)}
    settings: dict[str, Any] = {key: min(value, getattr(plain, key) or value) for key, value in most.items()}
    return settings | ({"keep": "best"} if getattr(plain, "keep", "best") != "best" else {})


def machine_role() -> str:
    """Alone, chief or worker, by the environment variables of Keras Tuner's protocol."""
    address, port, name = map(os.environ.get, MACHINES)
    if address is None:
        return "alone"
    if not (name and port and port.isdecimal() and 0 < int(port) < 2**16):
        raise HarnessError(f"{MACHINES[0]} is set: {MACHINES[1]} (1 to 65535) and {MACHINES[2]} must be, too")
    return "chief" if "chief" in name else "worker"


def search_space(baseline: str, preset: str, path: Path | None) -> keras_tuner.HyperParameters:
    """The space of the settings that a file, or ``search.toml``, has for the baseline."""
    source = path or "search.toml"
    space = keras_tuner.HyperParameters()
    for key, value in searched(baseline, preset, path).items():
        try:
            if isinstance(value, dict):
                space.Float(key, **value)
            else:
                space.Choice(key, value)
            space.space[-1].random_sample(0)
        except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
            expected = f"a list of numbers, a list of texts, or {{ min_value, max_value }}, got {value}"
            raise HarnessError(f"{source}: {baseline}.{key} must be {expected}: {error}") from error
    return space


def sample(data: Dataset, most: int) -> Cases:
    """At most ``most`` evenly spaced cases, in memory, because every trial reads them."""
    rows = evenly_spaced(len(data), most)
    metadata = None if data.metadata is None else data.metadata[:][rows]
    return Cases(gather(data.inputs, rows), gather(data.truth, rows), data.groups()[rows], metadata)


def ranked_scores(
    baseline: Baseline, track: Track, train: Cases, validation: Cases, training: Training
) -> dict[str, float]:
    """Fit a baseline, and return its ranked scores on the validation cases."""
    baseline.fit(train, validation, training)
    both = zip(validation.chunks(), predictions([baseline], validation), strict=True)
    chunks = [track.by_case(truth, prediction) for (_, truth), prediction in both]
    scores = group_sums(track, concatenated(chunks), validation.group).total_scores(track)
    return {score.key: scores[score.key] for score in track.ranked}


def objectives(track: Track, trials: Sequence[Values]) -> list[float]:
    """The share of the other trials with a better score, 0 (best) to 1: the mean over the ranked scores.

    ``trials`` are scores by key. One without scores has failed; it ranks behind all that have not.
    """
    losses = [[score.sign * scores.get(score.key, score.sign * np.inf) for scores in trials]
              for score in track.ranked]  # fmt: skip
    shares = (shared_ranks(np.array(losses)).mean(axis=0) - 1) / max(1, len(trials) - 1)
    return list(shares.tolist())


def confidence_bounds(vectors: np.ndarray, objectives: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean − 2.6 standard deviations of the objective at candidates (m, d), by a Gaussian process: (m,).

    ``vectors`` (n, d) are the trials and ``objectives`` (n,) theirs, NaN for a trial under way. Such a trial
    counts with the mean, so that the next one differs from it ("constant liar", Ginsbourger et al. 2010).
    """
    options = {"alpha": 1e-4, "normalize_y": True, "n_restarts_optimizer": 20, "random_state": 0}
    process = GaussianProcessRegressor(Matern(nu=2.5), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(vectors, np.nan_to_num(objectives, nan=np.nanmean(objectives)))
    mean, deviation = process.predict(candidates, return_std=True)
    return np.asarray(mean - 2.6 * deviation)


class Oracle(keras_tuner.Oracle):
    """Proposes settings by Bayesian optimisation of the objective.

    Keras Tuner's own oracle tries impossible settings, learns nothing from failed trials, and proposes others
    when it is resumed, as its files lack its random state. Here a proposal follows from the seed and the
    trials before it.
    """

    def __init__(
        self, track: Track, space: keras_tuner.HyperParameters, make: Callable[[Values], Baseline],
        trials: int, seed: int, file: Path, progress: ProgressCallback,
    ) -> None:  # fmt: skip
        super().__init__(
            objective=keras_tuner.Objective("objective", "min"), max_trials=trials, hyperparameters=space,
            tune_new_entries=False, allow_new_entries=False, seed=1,
        )  # fmt: skip
        self.track, self.make, self.rng_seed = track, make, seed
        self.file, self.progress, self.fault, self.verbose = file, progress, "", 0
        self.title, self.drawn = "trials", time.monotonic()

    def scores(self, trial: Trial) -> dict[str, float]:
        """The ranked scores of a trial, none if it failed."""
        keys = [score.key for score in self.track.ranked if trial.metrics.exists(score.key)]
        return {key: float(trial.metrics.get_best_value(key)) for key in keys}

    def score_trial(self, trial: Trial) -> None:  # noqa: ARG002
        """Compute the objectives of all trials anew, because they are ranks."""
        ended = [other for other in self.trials.values() if other.status == "COMPLETED"]
        ranks = objectives(self.track, list(map(self.scores, ended)))
        for other, objective in zip(ended, ranks, strict=True):
            other.score = objective

    def end_trial(self, trial: Trial) -> None:
        """Move the reason of a failure to its place, and report progress."""
        trial.message = trial.hyperparameters.values.pop("failure", None)
        super().end_trial(trial)
        if time.monotonic() - self.drawn >= SECONDS_BETWEEN_PICTURES:
            self.draw()
        last = trial.message or "ended well"
        self.progress(len(self.end_order), self.max_trials, f"trials; the last: {last}")

    def draw(self) -> None:
        """Draw the trials so far, if there are any: into ``trials.png``."""
        if trials := self.records():
            from harness.report.figures import save_figure, trials_figure

            figure = trials_figure(trials, self.track.scores, self.title)
            save_figure(figure, self.file.with_name("trials.png"))
        self.drawn = time.monotonic()

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002
        """The candidate with the lowest confidence bound that is possible and new.

        The first third of the trials is random. After that half of the candidates lie around the best trial.
        """
        space, trials = self.hyperparameters.space, list(self.trials.values())
        tried = [trial.hyperparameters.values for trial in trials]
        rng = np.random.default_rng([self.rng_seed, len(trials)])
        candidates = rng.random((CANDIDATES, len(space)))
        if len(self.end_order) >= max(2, self.max_trials // 3):
            vectors = np.array(
                [[axis.value_to_prob(values[axis.name]) for axis in space] for values in tried]
            )
            scores = np.array([np.nan if trial.score is None else trial.score for trial in trials])
            best = vectors[np.nanargmin(scores)]
            candidates[::2] = np.clip(best + rng.normal(0, NEAR, candidates[::2].shape), 0, 1 - 1e-9)
            candidates = candidates[np.argsort(confidence_bounds(vectors, scores, candidates))]
        for candidate in candidates:
            values = {axis.name: axis.prob_to_value(x) for axis, x in zip(space, candidate, strict=True)}
            if values not in tried and self.is_possible(values):
                return {"status": "RUNNING", "values": values}
        return {"status": "STOPPED"}

    def is_possible(self, values: Values) -> bool:
        """Whether the baseline takes these settings; ``fault`` says why it does not."""
        try:
            self.make(values)
        except BaselineError as error:
            self.fault = str(error)
            return False
        return True

    def _save_trial(self, trial: Trial) -> None:
        """Not in a file of its own: a kill between the writing of two would make them disagree."""

    def save(self) -> None:
        """Write the state in one step."""
        trials = [trial.get_state() for trial in self.trials.values()]
        write_text(self.file, json_text({"schema": TUNING_STATE, **self.get_state(), "trials": trials}))

    def resume(self, role: str) -> None:
        """Resume from the file, if any. The workers of a chief keep their trials; others are repeated."""
        if not self.file.exists():
            return
        state = read_json(self.file, TUNING_STATE)
        self.trials = {trial["trial_id"]: Trial.from_state(trial) for trial in state["trials"]}
        kept = {}
        for worker, number in state["ongoing_trials"].items():
            if self.trials[number].status != "RUNNING":
                continue  # it is written as ongoing when it ends, too
            if role == "chief" and worker != ALONE:
                kept[worker] = number
            else:
                state["retry_queue"].append(number)
        self.set_state(state | {"ongoing_trials": kept})
        self.tuner_ids = set(kept)

    def records(self) -> list[dict[str, Any]]:
        """The trials that have ended, as in ``tuning.json``; 0 epochs where a worker has the history."""
        folder = self.file.parent
        return [
            {
                "trial": int(trial.trial_id),
                "objective": trial.score,
                "scores": self.scores(trial),
                "values": trial.hyperparameters.values,
                "failure": trial.message,
                "epochs": len(epochs_of(folder / f"trial-{int(trial.trial_id)}")),
                "seconds": trial.metrics.get_best_value("seconds"),
            }
            for trial in self.trials.values()
            if trial.status == "COMPLETED"
        ]

    def result(self) -> dict[str, Any]:
        """All trials, and the number of the best, the earlier of equals. Without a success no state stays."""
        trials = self.records()
        if all(trial["failure"] for trial in trials):
            fault = trials[-1]["failure"] if trials else self.fault
            self.file.unlink(missing_ok=True)
            raise HarnessError(f"none of {len(trials)} trials succeeded. The last fault: {fault}")
        return {"best": min(trials, key=lambda trial: trial["objective"])["trial"], "trials": trials}


class Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """Runs trials for the oracle of this process, or for that of the chief."""

    def __init__(
        self, oracle: Oracle, run: Callable[[Values, Training], dict[str, float]], training: Training
    ) -> None:
        self.run, self.training, self.trials, self.ended = run, training, oracle.max_trials, 0
        super().__init__(oracle, directory=str(training.folder), project_name=".")

    def save(self) -> None:
        """Nothing to write: the oracle has all of the state."""

    def search(self) -> None:
        """Run trials until the oracle ends the search; a chief serves its workers instead."""
        try:
            super().search()
        except keras_tuner.errors.FatalRuntimeError as error:
            raise error.__cause__ or error from None
        except grpc.RpcError as error:
            raise HarnessError("the chief does not answer: start it again, and then this worker") from error
        except RuntimeError as error:
            raise HarnessError(f"the chief cannot listen to its workers: {error}") from error

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """The scores and seconds of a trial.

        A failure is no error: its reason is written among the values, because the messages between chief and
        worker have no other field for it. Only an ``OSError``, as of a full disk, ends the search.
        """
        number, started, scores = int(trial.trial_id), time.perf_counter(), {}
        folder = self.training.folder / f"trial-{number}"
        folder.mkdir(exist_ok=True)

        def progress(done: float, total: int, text: str) -> None:
            told = f"trials; number {number}: {int(done)} of {total}, {text}"
            self.training.progress(number, self.trials, told)

        try:
            scores = self.run(trial.hyperparameters.values, Training(self.training.seed, folder, progress))
        except OSError as error:
            raise keras_tuner.errors.FatalRuntimeError from error
        except Exception as error:  # such as TensorFlow's, if the memory is too small
            kind = "" if isinstance(error, BaselineError) else f"{type(error).__name__}: "
            trial.hyperparameters.values["failure"] = kind + str(error).strip().partition("\n")[0]
            shutil.rmtree(folder)
        self.ended += 1
        return {"objective": 0.0, "seconds": round(time.perf_counter() - started, 3), **scores}


def best_preset(record: dict[str, Any], chosen: Values, more: str = "") -> str:
    """The text of a preset: the ``chosen`` settings, updated by the values of the best trial.

    ``more`` has further options of the command that found them.
    """
    best = next(trial for trial in record["trials"] if trial["trial"] == record["best"])
    reached = ", ".join(f"{key} {value:.6g}" for key, value in best["scores"].items())
    command = "astroboard tune {baseline} --preset {preset} --seed {seed}".format_map(record) + more
    comment = f"The best of {len(record['trials'])} trials of `{command}`: {reached}."
    return preset_text(record["baseline"], updated(chosen, best["values"]), comment, record["preset"])
