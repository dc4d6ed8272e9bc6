"""Training networks: the one loop of both tracks, and the one door to Keras.

Modules take ``keras`` from here, so that what must be said to TensorFlow before its import is always said.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from math import ceil, isfinite
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from baselines.protocol import BaselineError, Training

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its faults arrive as exceptions all the same

import keras
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

MODEL, HISTORY, CHECKPOINT = "model.keras", "history.csv", "checkpoint.npz"

Scores = Callable[[np.ndarray, np.ndarray], dict[str, float]]
"""Takes truth and predictions of a batch, returns the means of some scores over its cases."""


class Batches(keras.utils.PyDataset):
    """Batches whose order in an epoch follows from the seed and the epoch's number alone.

    ``order(rng)`` draws the rows of an epoch, always as many; ``read(rows)`` returns their inputs and truth.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        order: Callable[[np.random.Generator], np.ndarray],
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.read, self.order, self.batch_size, self.seed = read, order, batch_size, seed
        self.begin(0)

    def begin(self, epoch: int) -> None:
        self.rows = self.order(np.random.default_rng(np.random.SeedSequence([self.seed, epoch])))

    def __len__(self) -> int:
        return ceil(len(self.rows) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        return self.read(self.rows[number * self.batch_size : (number + 1) * self.batch_size])


class Fit(keras.callbacks.Callback):
    """The state of one fit between its epochs, in memory and in the training's folder.

    ``arguments`` are those that tell this fit from others: a checkpoint of another one is not resumed.
    """

    def __init__(
        self, train: Batches, validation: Batches, arguments: dict[str, Any], training: Training,
        scores: Scores | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.train, self.validation, self.training, self.scores = train, validation, training, scores
        self.arguments, self.epochs = arguments, arguments["epochs"]
        self.history: list[dict[str, float]] = []
        self.best_weights: list[np.ndarray] = []

    @property
    def best(self) -> dict[str, float]:
        return min(self.history, key=lambda row: row["val_loss"])  # the earlier of equals

    @property
    def complete(self) -> bool:
        done, patience = len(self.history), self.arguments["patience"]
        return done >= self.epochs or bool(patience and done and done - self.best["epoch"] >= patience)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.started = time.perf_counter()
        self.train.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        losses = {key: float(logs[key]) for key in sorted(logs)}
        if not (isfinite(losses["loss"]) and isfinite(losses["val_loss"])):
            raise BaselineError(f"the loss is no longer finite in epoch {epoch + 1}: lower the learning_rate")
        scored = mean_scores(self.model, self.validation, self.scores) if self.scores else {}
        seconds = round(time.perf_counter() - self.started, 3)
        now = {"epoch": epoch + 1, "seconds": seconds, **losses, **scored}
        self.history.append(now)
        if self.best is now:
            self.best_weights = self.model.get_weights()
        self.write()
        self.model.stop_training = self.complete
        shown = {"loss": now["loss"], "validation": now["val_loss"], "best": self.best["val_loss"], **scored}
        text = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self.training.progress(epoch + 1, self.epochs, text)

    def variables(self) -> dict[str, keras.Variable]:
        """All that an epoch changes: weights, states of the seed generators (dropout), of the optimizer."""
        both = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        return {f"{name} {i}": variable for name, those in both.items() for i, variable in enumerate(those)}

    def write(self) -> None:
        rows = [",".join(self.history[0]), *(",".join(map(str, row.values())) for row in self.history)]
        text = "\n".join(rows) + "\n"
        replace(self.training.folder / HISTORY, lambda file: file.write(text.encode()))
        arrays: dict[str, Any] = {name: np.asarray(variable) for name, variable in self.variables().items()}
        arrays |= {f"best {i}": weights for i, weights in enumerate(self.best_weights)}
        arrays["state"] = np.array(json.dumps({"arguments": self.arguments, "history": self.history}))
        replace(self.training.folder / CHECKPOINT, lambda file: np.savez(file, **arrays))

    def resume(self) -> None:
        """Continue from the checkpoint in the folder if there is one, of the same arguments."""
        path = self.training.folder / CHECKPOINT
        if not path.exists():
            return
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                state = json.loads(str(arrays["state"]))
                if state["arguments"] != self.arguments:
                    return
                self.history = state["history"]
                self.best_weights = [arrays[f"best {i}"] for i in range(len(self.model.weights))]
                for name, variable in self.variables().items():
                    variable.assign(arrays[name])
        except Exception as error:  # NumPy raises whatever a damaged zip happens to lead to
            raise BaselineError(f"{path} cannot be resumed from, remove it to start anew: {error}") from error


def fit(
    build: Callable[[], keras.Model],
    train: Batches,
    validation: Batches,
    epochs: int,
    training: Training,
    patience: int = 0,
    scores: Scores | None = None,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train the compiled model that ``build`` makes; return it as it was when its validation loss was least.

    Ends early when ``patience`` epochs in a row, if it is not 0, have not lessened the validation loss.
    ``history.csv`` in the training's folder has a row an epoch, with the means of ``scores`` over the
    validation cases. The second value says how many epochs there were, which was best, and its row.

    The same seed on the same machine gives the same weights, byte for byte, also if the process is killed on
    the way and the call repeated: it goes on after the last epoch that was complete, from a checkpoint in the
    folder that is there until the fit is complete. ``OSError`` if it cannot be written; the last one stays.
    """
    keras.utils.set_random_seed(int(np.random.SeedSequence(training.seed).generate_state(1)[0]))
    tf.config.experimental.enable_op_determinism()
    model = build()  # after the seed, on which its first weights depend
    model.optimizer.build(model.trainable_variables)
    arguments = {
        **{"seed": training.seed, "epochs": epochs, "patience": patience, "batch_size": train.batch_size},
        "rows": [len(train.rows), len(validation.rows)],
        "optimizer": json.loads(json.dumps(model.optimizer.get_config() | {"name": None}, default=str)),
        "shapes": [list(variable.shape) for variable in model.variables],
    }
    state = Fit(train, validation, arguments, training, scores)
    state.set_model(model)
    state.resume()
    done = len(state.history)
    training.progress(done, epochs, f"resuming after epoch {done}" if done else "first epoch")
    if not state.complete:
        model.fit(
            train, validation_data=validation, initial_epoch=done, epochs=epochs, callbacks=[state],
            shuffle=False, verbose=0,
        )  # fmt: skip
    model.set_weights(state.best_weights)
    (training.folder / CHECKPOINT).unlink()
    best = {key: value for key, value in state.best.items() if key not in ("epoch", "seconds")}
    return model, {"epochs": len(state.history), "best_epoch": state.best["epoch"], **best}


def mean_scores(model: keras.Model, batches: Batches, scores: Scores) -> dict[str, float]:
    """Means of the scores over the cases of all batches, whatever the sizes of the batches."""
    totals: dict[str, float] = {}
    cases = 0
    for inputs, truth in map(batches.__getitem__, range(len(batches))):
        cases += len(truth)
        for name, mean in scores(truth, model.predict_on_batch(inputs)).items():
            totals[name] = totals.get(name, 0.0) + float(mean) * len(truth)
    return {name: total / cases for name, total in totals.items()}


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside ``path`` and rename it; if that fails, what was there before stays."""
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


def save(model: keras.Model, folder: Path) -> None:
    model.save(folder / MODEL)


def load(folder: Path, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> keras.Model:
    """The model that ``save`` wrote, in Keras's safe mode: a file that brings code of its own is refused.

    ``BaselineError`` if there is none, or none from ``inputs`` to ``outputs``, the shapes of one case.
    """
    path = folder / MODEL
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its parts happen to raise on a damaged file
        raise BaselineError(f"{path} holds no model that can be loaded: {error}") from error
    found = (model.input_shape[1:], model.output_shape[1:])
    if found != (inputs, outputs):
        raise BaselineError(
            f"{path}: a model from and to {(inputs, outputs)} was expected, this one is from and to {found}; "
            "restore it with the settings that it was trained with"
        )
    return model
