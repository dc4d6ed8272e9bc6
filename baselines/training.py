"""Training networks: the one loop of both tracks, and the one door to Keras.

Modules take ``keras`` from here, so that what must be said to TensorFlow before its import is always said.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from baselines.protocol import BaselineError, Training

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its faults arrive as exceptions all the same

import keras
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

MODEL, HISTORY = "model.keras", "history.csv"


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


class Watch(keras.callbacks.Callback):
    """Between epochs: draws the next order, keeps the best weights and the history, tells how far it is."""

    def __init__(self, batches: Batches, epochs: int, training: Training) -> None:
        super().__init__()
        self.batches, self.epochs, self.training = batches, epochs, training
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {"val_loss": float("inf")}
        self.best_weights: list[np.ndarray] = []

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.training.progress(0, self.epochs, "first epoch")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.started = time.perf_counter()
        self.batches.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        seconds = round(time.perf_counter() - self.started, 3)
        now = {"epoch": epoch + 1, "seconds": seconds} | {key: float(logs[key]) for key in sorted(logs)}
        if not (isfinite(now["loss"]) and isfinite(now["val_loss"])):
            raise BaselineError(f"the loss is no longer finite in epoch {epoch + 1}: lower the learning_rate")
        self.history.append(now)
        write_history(self.training.folder / HISTORY, self.history)
        if now["val_loss"] < self.best["val_loss"]:
            self.best, self.best_weights = now, self.model.get_weights()
        text = f"loss {now['loss']:.4g}, validation {now['val_loss']:.4g}, best {self.best['val_loss']:.4g}"
        self.training.progress(epoch + 1, self.epochs, text)


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unfinished.replace(path)


def fit(
    build: Callable[[], keras.Model], train: Batches, validation: Batches, epochs: int, training: Training
) -> tuple[keras.Model, dict[str, Any]]:
    """Train the compiled model that ``build`` makes; return it as it was when its validation loss was least.

    The same seed on the same machine gives the same weights, byte for byte. ``history.csv`` in the training's
    folder has a row an epoch. The second value says which epoch was best, and its losses and metrics.
    """
    keras.utils.set_random_seed(int(np.random.SeedSequence(training.seed).generate_state(1)[0]))
    tf.config.experimental.enable_op_determinism()
    model = build()  # after the seed, on which its first weights depend
    watch = Watch(train, epochs, training)
    model.fit(train, validation_data=validation, epochs=epochs, callbacks=[watch], shuffle=False, verbose=0)
    model.set_weights(watch.best_weights)
    best = {key: value for key, value in watch.best.items() if key not in ("epoch", "seconds")}
    return model, {"epochs": epochs, "best_epoch": watch.best["epoch"], **best}


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
