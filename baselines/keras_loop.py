"""The training loop of the networks of both tracks, the same on every backend of Keras."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO
from weakref import proxy
from zlib import crc32

import numpy as np

from baselines import backend
from baselines.backend import keras
from baselines.batches import Batches
from baselines.learning_rate import plateau_rate
from baselines.network import MODEL, Keep, Precision, Schedule, load
from baselines.protocol import BaselineError, Training

HISTORY, CHECKPOINT = "history.csv", "checkpoint.npz"
SECONDS_BETWEEN_STEPS = 0.5  # that are told of

Scores = Callable[[np.ndarray, np.ndarray], dict[str, float]]
"""Takes truth and predictions of a batch, returns the means of some scores over its cases."""


class EpochEnd(keras.callbacks.Callback):
    """After each epoch: score the validation cases, write history and checkpoint, and stop when complete.

    The checkpoint holds all that an epoch changes: weights, states of dropout and of the optimizer, history
    and kept weights. Keras's own ``BackupAndRestore`` lacks the last and the state of early stopping. ``key``
    identifies the fit: the checkpoint of a fit with another key is not resumed from. ``eval_model`` is the
    model itself, or a copy on one device where TensorFlow trains it on several. ``keep`` says which epoch's
    weights become ``kept_weights``: those of the last one, or of the best so far.

    Raises `BaselineError` if the checkpoint is damaged.
    """

    def __init__(
        self, model: keras.Model, eval_model: keras.Model, train: Batches, validation: Batches, epochs: int,
        patience: int, schedule: Schedule, scores: Scores | None, training: Training, key: dict[str, Any],
        keep: Keep,
    ) -> None:  # fmt: skip
        super().__init__()
        self.set_model(model)
        self.first_rate = float(model.optimizer.learning_rate) if schedule == "plateau" else None
        self.eval_model, self.train, self.validation = eval_model, train, validation
        self.epochs, self.patience, self.scores, self.training = epochs, patience, scores, training
        self.path, self.key, self.keep = training.folder / CHECKPOINT, key, keep
        self.rows: list[dict[str, float]] = []  # of ``history.csv``, one an epoch
        self.steps, self.told = 0, time.perf_counter()
        self.kept_weights: list[np.ndarray] = []
        if self.path.exists():
            self._resume()

    @property
    def best(self) -> dict[str, float]:
        """The row with the lowest validation loss, the first among equals."""
        return min(self.rows, key=lambda row: row["val_loss"])

    @property
    def kept(self) -> dict[str, float]:
        """The row of the epoch whose weights are kept."""
        return self.rows[-1] if self.keep == "last" else self.best

    @property
    def complete(self) -> bool:
        """Whether all epochs are done, or as many as ``patience`` (if not 0) in a row were no better."""
        done, patience = len(self.rows), self.patience
        return done >= self.epochs or bool(patience and done and done - self.best["epoch"] >= patience)

    async_safe = True  # what is called after a step waits for no device

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Report the progress and the speed of the epoch."""
        now, self.steps = time.perf_counter(), max(self.steps, batch + 1)
        if now - self.told >= SECONDS_BETWEEN_STEPS:
            self.told, steps, epoch = now, len(self.train), len(self.rows)
            rate = self.steps * self.train.batch_size / (now - self.started)
            text = f"epoch {epoch + 1}, step {self.steps} of {steps}, {rate:.3g} cases/s"
            done = epoch + self.steps / (steps + 1)  # validation is a step
            self.training.progress(done, self.epochs, text)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Draw the order of the epoch, and set its learning rate if it depends on the losses."""
        self.started, self.steps = time.perf_counter(), 0
        if self.first_rate is not None:
            losses = [row["val_loss"] for row in self.rows]
            self.model.optimizer.learning_rate = plateau_rate(self.first_rate, losses)
        self.train.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Complete the row of the epoch: scores, history, checkpoint."""
        losses = {key: float(logs[key]) for key in sorted(logs)}
        if not (isfinite(losses["loss"]) and isfinite(losses["val_loss"])):
            raise BaselineError(f"the loss is no longer finite in epoch {epoch + 1}: lower the learning_rate")
        if self.eval_model is not self.model:
            self.eval_model.set_weights(self.model.get_weights())
        scores = _mean_scores(self.eval_model, self.validation, self.scores) if self.scores else {}
        seconds = round(time.perf_counter() - self.started, 3)
        row = {"epoch": epoch + 1, "seconds": seconds, **losses, **scores}
        logs.update(scores)  # for callbacks after this one
        self.rows.append(row)
        if self.kept is row:
            self.kept_weights = self.model.get_weights()
        lines = [",".join(row), *(",".join(map(str, each.values())) for each in self.rows), ""]
        _replace(self.training.folder / HISTORY, lambda file: file.write("\n".join(lines).encode()))
        self._write_checkpoint()
        self.model.stop_training = self.complete
        shown = ", ".join(f"{name} {value:.4g}" for name, value in (losses | scores).items())
        best = " (the lowest)" if self.best is row else ""
        self.training.tell(f"epoch {epoch + 1} of {self.epochs}, {seconds:.1f} s: {shown}{best}")
        self.training.progress(epoch + 1, self.epochs, f"lowest val_loss {self.best['val_loss']:.4g}")

    def _variables(self) -> dict[str, keras.Variable]:
        """The variables of the model and of its optimizer, by their names in the checkpoint."""
        both = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        return {f"{name} {i}": variable for name, those in both.items() for i, variable in enumerate(those)}

    def _write_checkpoint(self) -> None:
        arrays: dict[str, Any] = {name: np.asarray(variable) for name, variable in self._variables().items()}
        arrays |= {f"kept {i}": weights for i, weights in enumerate(self.kept_weights)}
        arrays["state"] = np.array(json.dumps({"arguments": self.key, "history": self.rows}))
        _replace(self.path, lambda file: np.savez(file, **arrays))

    def _resume(self) -> None:
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                state = json.loads(str(arrays["state"]))
                if changed := [name for name in self.key if state["arguments"].get(name) != self.key[name]]:
                    other = self.path.with_stem("checkpoint.other")
                    self.path.replace(other)
                    self.training.tell(f"starting anew: {other} is of another {', '.join(changed)}")
                    return
                for name, variable in self._variables().items():
                    variable.assign(arrays[name])
                self.rows = state["history"]
                self.kept_weights = [arrays[f"kept {i}"] for i in range(len(self.model.weights))]
        except Exception as error:  # NumPy raises many kinds of errors on a damaged zip
            text = f"{self.path} cannot be resumed from, remove it to start anew: {error}"
            raise BaselineError(text) from error


def fit(
    build: Callable[[], keras.Model], train: Batches, validation: Batches, epochs: int, training: Training,
    patience: int = 0, schedule: Schedule = "constant", scores: Scores | None = None,
    precision: Precision = "float32", jit: bool = False, keep: Keep = "best",
) -> tuple[keras.Model, dict[str, Any]]:  # fmt: skip
    """Train the compiled model that ``build`` makes; return it with the weights of its best or last epoch.

    The best epoch is the one with the lowest validation loss; ``keep``, "best" or "last", names the epoch
    whose weights the model gets. ``patience`` epochs in a row, if not 0, that do not lower the validation
    loss end the training. The ``schedule`` "cosine" is the optimizer's: its rate falls to 0 over all epochs.
    "plateau" halves the rate after every three epochs in a row that do not lower the validation loss.
    ``history.csv`` in the training's folder has a row an epoch, with the means of ``scores`` over the
    validation cases. The second value returned has the number of ``epochs``, the ``best_epoch``, the
    ``kept_epoch``, and the losses and scores of the latter.

    The same seed on the same machine gives the same weights, byte for byte, also if the process is killed and
    the call repeated: it resumes after the last complete epoch, from a checkpoint in the folder. That stays
    when the fit is complete, and the same call then returns at once: remove it when the network is saved.
    The weights of the training's ``start``, if any, replace the first.

    The layers that ``build`` makes compute in ``precision``. ``jit`` has XLA compile a step of the training,
    on a single device. Several devices share each batch, whose size must be a multiple of their number.

    Raises `BaselineError` if the loss is no longer finite, the checkpoint is damaged or the backend cannot
    go on, and ``OSError`` if the checkpoint cannot be written; the last one then stays.
    """
    keras.utils.clear_session()  # layers are named by counting, and their names are saved
    seed = int(np.random.SeedSequence(training.seed).generate_state(1)[0])  # 32 bits
    keras.utils.set_random_seed(seed)
    backend.make_deterministic()
    for batches in (train, validation):
        batches.share(backend.n_devices(training.strategy))
    with backend.sharing(training.strategy) as scope:
        with _layers_of(precision, seed):
            with scope():
                model = build()
                model.optimizer.build(model.trainable_variables)
            eval_model = model if backend.evaluates_what_it_shares(training.strategy) else build()
        backend.silence_remapper(model)
        if training.start:
            _start_from(training.start, model)
        if jit and train.devices == 1:
            backend.compile_step(model)
        options = {
            "backend": backend.BACKEND, "epochs": epochs, "patience": patience, "schedule": schedule,
            "precision": precision, "jit": jit, "keep": keep,
        }  # fmt: skip
        key = _checkpoint_key(model, train, validation, training, options)
        callback = EpochEnd(
            model, eval_model, train, validation, epochs, patience, schedule, scores, training, key, keep
        )
        done, weights = len(callback.rows), sum(np.size(each) for each in model.trainable_variables)
        training.tell(
            f"{backend.device(training.strategy)}; {weights:,} weights to train, {epochs} epochs of "
            f"{len(train)} steps of {train.batch_size} cases"
        )
        training.progress(done, epochs, f"resuming after epoch {done}" if done else "first epoch")
        if not callback.complete:
            _fit_epochs(callback)
    eval_model.set_weights(callback.kept_weights)
    numbers = {"best_epoch": callback.best["epoch"], "kept_epoch": callback.kept["epoch"]}
    kept = {name: value for name, value in callback.kept.items() if name not in ("epoch", "seconds")}
    return eval_model, {"epochs": len(callback.rows), **numbers, **kept}


def _fit_epochs(callback: EpochEnd) -> None:
    """Keras's own loop, over proxies: TensorFlow keeps its graph for ever, which must not keep the cases."""
    train, validation = callback.train, callback.validation
    callbacks: list[keras.callbacks.Callback] = [callback]
    if callback.training.tensorboard:
        callbacks.append(backend.tensorboard(callback.training.folder / "tensorboard"))
    try:
        callback.model.fit(
            proxy(train), validation_data=proxy(validation), initial_epoch=len(callback.rows),
            epochs=callback.epochs, callbacks=callbacks, shuffle=False, verbose=0,
        )  # fmt: skip
    except backend.FAULTS as error:
        message = str(getattr(error, "message", error)).strip().splitlines()[0]
        hint = "lower batch_size if memory is short, set jit = false if XLA cannot compile the network"
        fault = BaselineError(f"{backend.BACKEND} cannot go on: {message}; {hint}")
        raise train.fault or validation.fault or fault from error


def _start_from(start: Path, model: keras.Model) -> None:
    """Give a model the weights of another one in a folder. Raises `BaselineError` if their shapes differ."""
    first = load(start, model.input_shape[1:], model.output_shape[1:])
    if [weights.shape for weights in first.weights] != [weights.shape for weights in model.weights]:
        raise BaselineError(f"{start}: the network there has other layers than this one")
    model.set_weights(first.get_weights())


@contextmanager
def _layers_of(precision: Precision, seed: int) -> Iterator[None]:
    """Layers made in the block have that precision, and draw their seeds from a generator of their own.

    Python's global one, which Keras draws from, other threads use, too, such as those of a Dask worker.
    """
    module: Any = sys.modules["keras.src.random.seed_generator"]
    keras.config.set_dtype_policy(precision)  # which may refuse it
    shared, module.python_random = module.python_random, random.Random(seed)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")
        module.python_random = shared


def _checkpoint_key(
    model: keras.Model, train: Batches, validation: Batches, training: Training, options: dict[str, Any]
) -> dict[str, Any]:
    """Everything that determines the weights, as JSON values; the first batches represent the data."""
    return {
        "seed": training.seed,
        "batch_size": train.batch_size,
        "devices": train.devices,
        "rows": [len(train.rows), len(validation.rows)],
        "data": [crc32(array.tobytes()) for batches in (train, validation) for array in batches[0]],
        **options,
        "start": crc32((training.start / MODEL).read_bytes()) if training.start else None,
        **{name: _described(getattr(model, name)) for name in ("optimizer", "loss")},
        "shapes": [list(variable.shape) for variable in model.variables],
    }


def _described(keras_object: Any) -> Any:
    """The settings of an optimizer or a loss as JSON values, without their names, which Keras numbers."""
    text = json.dumps(keras.saving.serialize_keras_object(keras_object), default=str)
    return json.loads(text, object_hook=lambda table: {k: v for k, v in table.items() if k != "name"})


def _mean_scores(model: keras.Model, batches: Batches, scores: Scores) -> dict[str, float]:
    """Means of the scores over the cases of all batches, named ``val_…``."""
    totals: dict[str, float] = {}
    cases = 0
    for inputs, truth in map(batches.__getitem__, range(len(batches))):
        cases += len(truth)
        for name, mean in scores(truth, model.predict_on_batch(inputs)).items():
            totals[name] = totals.get(name, 0.0) + float(mean) * len(truth)
    return {f"val_{name}": total / cases for name, total in totals.items()}


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside ``path`` and rename it; if that fails, the file of that name stays as it was."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the new name without the new bytes
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        text = f"{error.strerror or error}: make room, then run the same command again, which resumes"
        raise OSError(error.errno, text, str(path)) from error
