"""Facts of a training, from the folder of its run: epochs, steps, times, and the decrease of its loss."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median

from harness.claims.diagnostics import BEST_EPOCH, EPOCH
from harness.evaluation.records import Record
from harness.files import HarnessError
from harness.runs.folder import finished
from harness.tracks import ScoreInfo

MIN_EPOCHS = 4
"""With fewer there is no last quarter."""


@dataclass(frozen=True)
class TrainingFacts(Record):
    """How a run was trained.

    ``cases`` is the size of its training set, ``images`` how many it saw, each as often as it came. ``steps``
    are updates of the weights. ``late_gain`` is defined by `late_gain`. These are 0 or None for a method that
    is not trained by epochs. ``parameters`` are the weights of a network.
    """

    baseline: str
    preset: str
    seed: int
    parameters: int | None
    cases: int
    epochs: int
    steps: int
    images: int
    seconds: float
    late_gain: float | None
    hardware: str


def training_facts(run: Path, start: Path | None = None) -> TrainingFacts:
    """The facts of a finished run. Raises HarnessError if its record or its history is damaged.

    A run that has fine-tuned the network of the run ``start`` has that one's late gain.
    """
    record = finished(run)
    outcome, histories = record["outcome"], sorted(run.rglob("history.csv"))
    learnt = next((each for each in (run, start) if each and (each / "history.csv").is_file()), run)
    seconds = [second for path in histories for second in _column(path, "seconds")]
    per_epoch = outcome.get("cases_an_epoch", record["cases"])
    steps = ceil(per_epoch / record["settings"].get("batch_size", 1))
    return TrainingFacts(
        record["baseline"], record["preset"], record["seed"], outcome.get("weights"), record["cases"],
        epochs=len(seconds), steps=len(seconds) * steps, images=len(seconds) * per_epoch,
        seconds=round(max(sum(seconds), record["seconds"]), 1),  # its record has those of the last attempt
        late_gain=late_gain(_column(learnt / "history.csv", "val_loss")) if histories else None,
        hardware=", ".join(record["hardware"]),
    )  # fmt: skip


def late_gain(losses: Sequence[float]) -> float | None:
    """The share of the decrease in validation loss that came in the last quarter of the epochs.

    The gain is by how much the best loss is below that of the first epoch. The last quarter of n epochs are
    the last n // 4. None with fewer than 4 epochs. A loss times a constant, or plus one, has the same share.
    """
    if len(losses) < MIN_EPOCHS:
        return None
    best, best_before = min(losses), min(losses[: -(len(losses) // 4)])
    return (best_before - best) / (losses[0] - best) if best < losses[0] else 0.0


def epoch_seconds(run: Path) -> float:
    """The median over the epochs of a run, in seconds: the first epoch also builds the graph."""
    return median(_column(run / "history.csv", "seconds"))


def best_epoch(run: Path) -> float:
    """The number of the epoch with the highest validation accuracy, the first of equals."""
    accuracies = _column(run / "history.csv", "val_accuracy")
    return float(1 + accuracies.index(max(accuracies)))


MEASURES: Mapping[ScoreInfo, Callable[[Path], float]] = {EPOCH: epoch_seconds, BEST_EPOCH: best_epoch}
"""Functions of a run's folder that measure its training, not its submission: no case belongs to the value."""


def _column(path: Path, name: str) -> list[float]:
    """A column of a history; HarnessError if there is none."""
    try:
        with path.open(encoding="utf-8") as file:
            values = [float(row[name]) for row in csv.DictReader(file)]
        if not values:
            raise ValueError("it has no epochs")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise HarnessError(f"{path} must have {name} by epoch, got none; remove the run: {error}") from error
    return values
