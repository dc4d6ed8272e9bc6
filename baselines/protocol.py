"""What a baseline must offer, and what it is given.

A baseline never sees a data file: it gets arrays, or HDF5 data sets that are read like arrays, by slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

CHUNK = 256


ProgressCallback = Callable[[int, int, str], None]
"""Called with what is done, the total (0 where it is unknown) and a few words."""


def no_progress(done: int, total: int, text: str) -> None:
    """A progress callback that does nothing."""


class BaselineError(Exception):
    """A fault of the data or of the settings that a baseline was given; the message is for the user."""


@dataclass(frozen=True)
class Cases:
    """Cases to learn from: columns of equal length, each a NumPy array or an HDF5 data set.

    mass-mapping: inputs ``epsilon`` (N, 128, 128, 3), truth ``kappa`` (N, 128, 128), metadata None.
    stamps: inputs ``images`` (N, 63, 63, 3), truth ``labels`` (N,), metadata structured (N,) or None.
    ``group`` (N,) int32 names what cases have in common: the cluster, or the object.
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
    """The circumstances of one fit.

    ``folder`` is the baseline's own, for checkpoints and histories; a file ``checkpoint.*`` in it is removed
    when the run is complete. ``progress`` tells how far it is. ``mirrored`` shares the batches among all GPUs
    of the machine, or all logical processors of TensorFlow if it has none. ``start`` is the folder of a model
    of the same baseline and settings, from whose weights a network begins.
    """

    seed: int
    folder: Path
    progress: ProgressCallback = no_progress
    strategy: Literal["single", "mirrored"] = "single"
    start: Path | None = None


@runtime_checkable
class Baseline(Protocol):
    """A method: its settings are the arguments of its constructor, all with defaults.

    It may name ``packages``, a tuple of modules whose versions belong into the record of a run. One that sets
    ``needs_metadata`` to True gets ``predict(inputs, metadata)``, with the metadata of the same cases.
    """

    track: ClassVar[str]
    summary: ClassVar[str]

    def fit(self, train: Cases, validation: Cases, training: Training) -> dict[str, Any]:
        """Learn from the cases, and return what was chosen or reached, as JSON values for its record."""

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """A chunk of inputs in; (n, 128, 128) maps or (n, 5) class probabilities out, float32, finite."""

    def save(self, folder: Path) -> None:
        """Write what was learnt into a folder that exists and is empty."""

    def restore(self, folder: Path) -> None:
        """Read what ``save`` wrote, into a baseline made with the same settings."""


def predict(baseline: Baseline, inputs: np.ndarray, metadata: Any) -> np.ndarray:
    """What a baseline predicts for a chunk, given its metadata, or None, if it needs them."""
    if not getattr(baseline, "needs_metadata", False):
        return baseline.predict(inputs)
    if metadata is None:
        raise BaselineError(f"{type(baseline).__name__} predicts from metadata, and these data have none")
    with_metadata: Callable[[np.ndarray, np.ndarray], np.ndarray] = baseline.predict  # type: ignore[assignment]
    return with_metadata(inputs, metadata)
