"""Training networks: the one loop of both tracks, and the one door to Keras.

Modules take ``keras`` from here, so that what must be said to TensorFlow before its import is always said.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from math import ceil, isfinite
from pathlib import Path
from typing import Any, BinaryIO, Literal
from weakref import proxy
from zlib import crc32

import numpy as np

from baselines.protocol import BaselineError, Training

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its faults arrive as exceptions all the same

import keras
import tensorflow as tf

tf.get_logger().setLevel("ERROR")

MODEL, HISTORY, CHECKPOINT = "model.keras", "history.csv", "checkpoint.npz"
DRIVER = Path("/proc/driver/nvidia/version")
CUDA = {"CUDA": "cuda_version", "cuDNN": "cudnn_version"}
READ_AHEAD = 4  # batches

Schedule = Literal["constant", "cosine"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

Scores = Callable[[np.ndarray, np.ndarray], dict[str, float]]
"""Takes truth and predictions of a batch, returns the means of some scores over its cases."""


class Batches:
    """Batches whose order in an epoch follows from the seed and the epoch's number alone.

    ``order(rng)`` draws the rows of an epoch, always as many; ``read(rows)`` returns their inputs and truth.
    They are made a multiple of ``devices``, by leaving out the last ones, so that each has its share.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        order: Callable[[np.random.Generator], np.ndarray],
        batch_size: int,
        seed: int,
    ) -> None:
        self.read, self.order, self.batch_size, self.seed = read, order, batch_size, seed
        self.fault: Exception | None = None
        self.begin(0)

    def begin(self, epoch: int, devices: int = 1) -> None:
        rows = self.order(np.random.default_rng(np.random.SeedSequence([self.seed, epoch])))
        self.rows = rows[: len(rows) // devices * devices]

    def __len__(self) -> int:
        return ceil(len(self.rows) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        return self.read(self.rows[number * self.batch_size : (number + 1) * self.batch_size])

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        try:
            yield from map(self.__getitem__, range(len(self)))
        except Exception as error:
            self.fault = error  # TensorFlow will raise another one in its place
            raise

    def dataset(self) -> tf.data.Dataset:
        """The batches of whatever epoch has begun, read ahead while the network computes."""
        kinds = tuple(tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in self[0])
        these = proxy(self)  # TensorFlow keeps the graph of a fit for ever, which must not keep its cases
        batches = tf.data.Dataset.from_generator(lambda: iter(these), output_signature=kinds)
        return batches.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(READ_AHEAD)


class Fit(keras.callbacks.Callback):
    """The state of one fit between its epochs, in memory and in the training's folder.

    ``alone`` is the network itself, or, where several devices train it, its twin outside their strategy.
    ``arguments`` are those that tell this fit from others: a checkpoint of another one is not resumed.
    """

    def __init__(
        self, train: Batches, validation: Batches, arguments: dict[str, Any], training: Training,
        alone: keras.Model, scores: Scores | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.train, self.validation, self.training, self.scores = train, validation, training, scores
        self.alone = alone
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
        self.train.begin(epoch, self.arguments["devices"])

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        losses = {key: float(logs[key]) for key in sorted(logs)}
        if not (isfinite(losses["loss"]) and isfinite(losses["val_loss"])):
            raise BaselineError(f"the loss is no longer finite in epoch {epoch + 1}: lower the learning_rate")
        if self.alone is not self.model:
            self.alone.set_weights(self.model.get_weights())
        scored = mean_scores(self.alone, self.validation, self.scores) if self.scores else {}
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
    precision: Precision = "float32",
    jit: bool = False,
) -> tuple[keras.Model, dict[str, Any]]:
    """Train the compiled model that ``build`` makes; return it as it was when its validation loss was least.

    Ends early when ``patience`` epochs in a row, if it is not 0, have not lessened the validation loss.
    ``history.csv`` in the training's folder has a row an epoch, with the means of ``scores`` over the
    validation cases. The second value says how many epochs there were, which was best, and its row.

    The same seed on the same machine gives the same weights, byte for byte, also if the process is killed on
    the way and the call repeated: it goes on after the last epoch that was complete, from a checkpoint in the
    folder. That stays when the fit is complete, and the same call then returns at once: remove it when the
    network is safe elsewhere. ``OSError`` if it cannot be written; the last one stays.

    If the training has a ``start``, the weights of the model there take the place of the first ones.

    The layers that ``build`` makes compute in ``precision``. ``jit`` has XLA compile a step of the training,
    on a single device. Several devices share each batch, whose size must be a multiple of their number.
    """
    keras.utils.clear_session()  # layers are named by counting, and their names are saved
    seed = int(np.random.SeedSequence(training.seed).generate_state(1)[0])
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    strategy = _mirrored() if training.strategy == "mirrored" else None
    devices = strategy.num_replicas_in_sync if strategy else 1
    if train.batch_size % devices:
        raise BaselineError(f"batch_size must be a multiple of the {devices} devices, got {train.batch_size}")
    keras.config.set_dtype_policy(precision)
    try:
        with _seeds_of_layers(seed):
            with strategy.scope() if strategy else nullcontext():
                model = build()
                model.optimizer.build(model.trainable_variables)
            alone = build() if strategy else model
    finally:
        keras.config.set_dtype_policy("float32")
    # TensorFlow's remapper fails on the gradient of this layer, says so to the user, and changes nothing.
    leaky = any(isinstance(layer, keras.layers.LeakyReLU) for layer in model.layers)
    tf.config.optimizer.set_experimental_options({"remapping": not leaky})
    if training.start:
        first = load(training.start, model.input_shape[1:], model.output_shape[1:])
        if [each.shape for each in first.weights] != [each.shape for each in model.weights]:
            raise BaselineError(f"{training.start}: the network there has other layers than this one")
        model.set_weights(first.get_weights())
    if jit and devices == 1:  # Keras itself refuses to beside op determinism, whatever the network
        step = partial(type(model).train_step, model)
        model.train_step = tf.function(step, autograph=False, jit_compile=True)
    for batches in (train, validation):
        batches.begin(0, devices)
    arguments = {
        **{"seed": training.seed, "epochs": epochs, "patience": patience, "batch_size": train.batch_size},
        "rows": [len(train.rows), len(validation.rows)],
        "data": [crc32(part.tobytes()) for batches in (train, validation) for part in batches[0]],
        **{"precision": precision, "jit": jit, "devices": devices},
        "start": crc32((training.start / MODEL).read_bytes()) if training.start else None,
        **{name: _described(getattr(model, name)) for name in ("optimizer", "loss")},
        "shapes": [list(variable.shape) for variable in model.variables],
    }
    state = Fit(train, validation, arguments, training, alone, scores)
    state.set_model(model)
    state.resume()
    done = len(state.history)
    training.progress(done, epochs, f"resuming after epoch {done}" if done else "first epoch")
    if not state.complete:
        try:
            model.fit(
                train.dataset(), validation_data=validation.dataset(), initial_epoch=done, epochs=epochs,
                callbacks=[state], shuffle=False, verbose=0,
            )  # fmt: skip
        except tf.errors.OpError as error:
            fault = f"TensorFlow cannot go on: {error.message.strip().splitlines()[0]}"
            hint = "lower batch_size if memory is short, set jit = false if XLA cannot compile the network"
            raise train.fault or validation.fault or BaselineError(f"{fault}; {hint}") from error
    alone.set_weights(state.best_weights)
    best = {key: value for key, value in state.best.items() if key not in ("epoch", "seconds")}
    return alone, {"epochs": len(state.history), "best_epoch": state.best["epoch"], **best}


@contextmanager
def _seeds_of_layers(seed: int) -> Iterator[None]:
    """Lets Keras draw what layers start from, as from Python's generator of this seed, in any company.

    It draws from the global one, from which other threads draw, too, such as those of a Dask worker.
    """
    module: Any = sys.modules["keras.src.random.seed_generator"]
    shared, module.python_random = module.python_random, random.Random(seed)
    try:
        yield
    finally:
        module.python_random = shared


def accelerators() -> list[str]:
    """The GPUs that TensorFlow sees, with the versions of driver, CUDA and cuDNN; empty if it sees none."""
    found = tf.config.list_physical_devices("GPU")
    if not found:
        return []
    details = [tf.config.experimental.get_device_details(device) for device in found]
    names = Counter(str(each.get("device_name", "GPU of unknown name")) for each in details)
    build = tf.sysconfig.get_build_info()
    driver = DRIVER.read_text() if DRIVER.is_file() else ""
    version = re.search(r"\d+\.[\d.]+", driver)
    return [
        *(f"{count} × {name}" for name, count in names.items()),
        f"driver {version.group() if version else 'unknown'}",
        *(f"{label} {build.get(key, 'unknown')}" for label, key in CUDA.items()),
    ]


@cache  # two in one process would number what they exchange alike, and mix it up
def _mirrored() -> tf.distribute.Strategy:
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in found])


def adam(learning_rate: float, schedule: Schedule, steps: int) -> keras.optimizers.Adam:
    """Adam at that rate, or with one that falls from it to 0 over all ``steps`` along half a cosine."""
    if schedule == "cosine":
        return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))
    return keras.optimizers.Adam(learning_rate)


def _described(part: Any) -> Any:
    """The settings of an optimizer or a loss as JSON values, without names, in which Keras counts."""
    text = json.dumps(keras.saving.serialize_keras_object(part), default=str)
    return json.loads(text, object_hook=lambda table: {k: v for k, v in table.items() if k != "name"})


def mean_scores(model: keras.Model, batches: Batches, scores: Scores) -> dict[str, float]:
    """Means of the scores over the cases of all batches, whatever the sizes of the batches."""
    totals: dict[str, float] = {}
    cases = 0
    for inputs, truth in batches:
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
