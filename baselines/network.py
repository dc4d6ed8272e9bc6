"""Common code of the networks of both tracks: prediction and storage."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from baselines.protocol import BaselineError, must_be, untrained

MODEL = "model.keras"
BACKENDS = ("tensorflow", "jax", "torch")
"""What Keras can compute with; the first that is installed is taken."""
Keep = Literal["last", "best"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
Schedule = Literal["constant", "cosine", "plateau"]


def chosen_backend() -> str:
    """The one that the environment variable ``KERAS_BACKEND`` names, or else the first that is installed.

    Raises `BaselineError` if Keras, or the backend, is not installed.
    """
    installed = [name for name in BACKENDS if find_spec(name)]
    if not (find_spec("keras") and installed):
        raise BaselineError("networks need Keras and a backend: run pip install 'astroboard[cpu]'")
    chosen = os.environ.get("KERAS_BACKEND") or installed[0]
    if chosen not in installed:
        raise must_be("KERAS_BACKEND", f"installed, {' or '.join(installed)}", repr(chosen))
    return chosen


class Network:
    """A baseline whose ``model`` is a Keras network. Keras is imported when the first network is built."""

    packages: ClassVar[tuple[str, ...]] = ("keras",)  # and its backend
    layers: ClassVar[str]  # the module whose layers a file of the model names; its import registers them
    prediction_batch: ClassVar[int]  # cases
    model: Any

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one case at the input and at the output of the network."""
        raise NotImplementedError

    def outputs(self, cases: int, read: Callable[[slice], np.ndarray]) -> np.ndarray:
        """The network's outputs (cases, …), float32, of the inputs that ``read`` returns for a batch.

        Raises `BaselineError` before `fit`.
        """
        if self.model is None:
            raise untrained("the network")
        outputs = np.empty((cases, *self.shapes[1]), np.float32)
        for start in range(0, cases, self.prediction_batch):
            batch = slice(start, start + self.prediction_batch)
            outputs[batch] = self.model.predict_on_batch(read(batch))
        return outputs

    def save(self, folder: Path) -> None:
        """Write the network as ``model.keras``, without the optimizer, whose state is twice as large."""
        optimizer, self.model.optimizer = self.model.optimizer, None
        try:
            self.model.save(folder / MODEL)
        finally:
            self.model.optimizer = optimizer

    def restore(self, folder: Path) -> None:
        """Read it again; `BaselineError` if it takes other inputs."""
        import_module(self.layers)
        self.model = load(folder, *self.shapes)


def load(folder: Path, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Any:
    """The model in ``model.keras``, read in Keras's safe mode, which refuses a file that brings its own code.

    Raises `BaselineError` if there is none, or none from ``inputs`` to ``outputs``, the shapes of one case.
    """
    from baselines.backend import keras

    path = folder / MODEL
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds of errors on a damaged file
        raise BaselineError(f"{path} holds no model that can be loaded: {error}") from error
    shapes = (model.input_shape[1:], model.output_shape[1:])
    if shapes != (inputs, outputs):
        expected, actual = (" to ".join(map(str, pair)) for pair in ((inputs, outputs), shapes))
        advice = "restore it with the settings that it was trained with"
        raise must_be(f"{path}: the model", f"from {expected}", actual, advice)
    return model
