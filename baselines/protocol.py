"""The interface of a baseline, and the cases and options that it receives.

A baseline never sees a data file: it gets arrays, or HDF5 data sets, which are read by slices as arrays are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

CHUNK = 256  # cases read together

ProgressCallback = Callable[[float, int, str], None]
"""Called with the amount done, the total (0 if unknown) and a few words; 2.5 is half of the third."""


def no_progress(done: float, total: int, text: str) -> None:
    """A progress callback that does nothing."""


def no_note(text: str) -> None:
    """A function that ignores the line it receives."""


class BaselineError(Exception):
    """A fault of the data or of the settings that a baseline was given; the message is for the user."""


def must_be(what: str, expected: str, actual: object, advice: str = "") -> BaselineError:
    """A `BaselineError` that says: WHAT must be EXPECTED, got ACTUAL; ADVICE."""
    return BaselineError(f"{what} must be {expected}, got {actual}" + (f"; {advice}" if advice else ""))


def untrained(name: str) -> BaselineError:
    """The error of a prediction without a model."""
    return must_be(name, "trained before it predicts", "none", "train it, or restore a trained one")


def evenly_spaced(n_cases: int, most: int) -> np.ndarray:
    """Row numbers of at most ``most`` of ``n_cases`` cases, evenly over the file and so over its groups."""
    return np.linspace(0, n_cases - 1, min(n_cases, most)).astype(int)


def gather(column: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of an array or of an HDF5 data set, by slices: h5py reads lists a hundred times as slowly."""
    return np.concatenate([column[:0], *(column[row : row + 1] for row in rows)])


@dataclass(frozen=True)
class Cases:
    """Training cases: columns of equal length, each a NumPy array or an HDF5 data set.

    mass-mapping: inputs ``epsilon`` (N, 128, 128, 3), truth ``kappa`` (N, 128, 128), metadata None.
    stamps: inputs ``images`` (N, 63, 63, 3), truth ``labels`` (N,), metadata structured (N,) or None.
    ``group`` (N,) int32 or int64 numbers the cluster or the object that a case is of.
    """

    inputs: Any
    truth: Any
    group: Any
    metadata: Any = None

    def __len__(self) -> int:
        return len(self.inputs)

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and truth in the order of the file, at most ``size`` cases at a time."""
        for start in range(0, len(self), size):
            yield self.inputs[start : start + size], self.truth[start : start + size]


@dataclass(frozen=True)
class Training:
    """The options of one training.

    With the same ``seed`` on the same machine, training must be reproducible bit for bit. ``folder`` is for
    checkpoints and histories of the baseline; files ``checkpoint.*`` in it are removed when the run is
    complete. The strategy ``mirrored`` distributes each batch over all GPUs of the machine, or over all
    logical devices of TensorFlow without a GPU. ``start`` is the folder of a model whose weights a network
    starts from; it has the same settings and baseline (or the baseline named by ``starts_from``). With
    ``tensorboard``, a network writes losses and scores of each epoch for TensorBoard to the folder. ``tell``
    receives lines to keep, such as one per epoch; ``progress`` receives transient messages.
    """

    seed: int
    folder: Path
    progress: ProgressCallback = no_progress
    strategy: Literal["single", "mirrored"] = "single"
    start: Path | None = None
    tensorboard: bool = False
    tell: Callable[[str], None] = no_note


@runtime_checkable
class Baseline(Protocol):
    """A method. Its settings are the arguments of its constructor, all with defaults.

    Optional attributes of the class: ``packages``, a tuple of modules whose versions are recorded in a run;
    and ``needs_metadata``, with which the method is called as ``predict(inputs, metadata)``.

    Attributes
    ----------
    track : str
        The name of its track.
    summary : str
        One line for the list of baselines.
    """

    track: ClassVar[str]
    summary: ClassVar[str]

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Train on cases.

        Parameters
        ----------
        train, validation : Cases
            The training cases, and those for choosing settings or the best epoch.
        training : Training
            Seed, folder, callbacks and other options.

        Returns
        -------
        dict
            Chosen settings and validation scores as JSON values, stored as ``outcome`` in ``run.json``. A
            classifier adds ``class_shares``, the frequencies of the classes that its probabilities are for;
            without them `classify` takes the classes as equally frequent in training.

        Raises
        ------
        BaselineError
            If the cases are not suitable for training.
        """

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Predict a chunk of cases.

        Parameters
        ----------
        inputs : ndarray
            Inputs of n cases, as in `Cases`.

        Returns
        -------
        ndarray of float32
            Convergence maps (n, 128, 128), or class probabilities (n, 5); all finite.

        Raises
        ------
        BaselineError
            If the inputs have the wrong shape, or the baseline was neither trained nor restored.
        """

    def save(self, folder: Path) -> None:
        """Write the trained state to an existing, empty folder."""

    def restore(self, folder: Path) -> None:
        """Read what `save` wrote, into a baseline made with the same settings."""


View = tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]
"""Transformed inputs of a chunk, and the function that transforms their predictions back."""


def predict(baseline: Baseline, inputs: np.ndarray, metadata: Any) -> np.ndarray:
    """The predictions of a baseline for a chunk, with metadata if it needs them.

    Raises `BaselineError` if it does and ``metadata`` is None.
    """
    if not getattr(baseline, "needs_metadata", False):
        return baseline.predict(inputs)
    if metadata is None:
        raise BaselineError(f"{type(baseline).__name__} predicts from metadata, and these data have none")
    with_metadata: Callable[[np.ndarray, np.ndarray], np.ndarray] = baseline.predict  # type: ignore[assignment]
    return with_metadata(inputs, metadata)
