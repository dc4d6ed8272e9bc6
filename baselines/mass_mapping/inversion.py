"""What the training-free baselines share: how they read cases, and how they choose their settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from baselines.protocol import BaselineError, Cases, Training
from metrics import dicee, dpeaks, wmape

Setting = TypeVar("Setting", bound=Hashable)

SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0)  # pixels
MOST_TRAINING = 4096  # cases that means and spectra are estimated from
MOST_VALIDATION = 256  # cases that settings are compared on
CHUNK = 16
OFFICIAL = {"wmape": wmape, "dicee": dicee, "dpeaks": dpeaks}
FILE = "learnt.json"


class TunedInversion:
    """A baseline of the mass-mapping track that learns a few numbers, its attribute ``learnt``."""

    track: ClassVar[str] = "mass-mapping"
    learnt: dict[str, Any]

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(self.learnt, indent=1) + "\n", encoding="utf-8")

    def restore(self, folder: Path) -> None:
        path = folder / FILE
        try:
            learnt = json.loads(path.read_text(encoding="utf-8"))
            self.learnt = {name: learnt[name] for name in self.learnt}
        except (OSError, ValueError, TypeError, KeyError) as error:
            expected = ", ".join(self.learnt)
            raise BaselineError(f"{path}: expected JSON with {expected}. Received: {error!r}") from error


def components(epsilon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """e1, e2 and Δe, (n, H, W) float32 each, of ellipticity maps (n, H, W, 3) of any real type.

    Raises ``BaselineError`` for another shape, and for values that are not finite.
    """
    if np.ndim(epsilon) != 4 or np.shape(epsilon)[-1] != 3:
        raise BaselineError(f"expected ellipticity maps (n, H, W, 3). Received: shape={np.shape(epsilon)}")
    e1, e2, error = (np.ascontiguousarray(epsilon[..., i], np.float32) for i in range(3))
    for name, maps in (("e1", e1), ("e2", e2), ("Δe", error)):
        faulty = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))
        if len(faulty):
            raise BaselineError(f"expected finite maps. Received: {name} of {len(faulty)}, first {faulty[0]}")
    return e1, e2, error


def spread(cases: Cases, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs and truth of at most ``most`` cases, evenly over the file and so over its groups."""
    if not len(cases):
        raise BaselineError("expected at least one case to learn from. Received: 0 cases")
    rows = np.linspace(0, len(cases) - 1, min(len(cases), most)).astype(int)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        yield cases.inputs[part], np.asarray(cases.truth[part], np.float32)


def mean_convergence(train: Cases) -> float:
    """The mean κ of training cases: the best guess of what shear cannot tell (mass-sheet degeneracy)."""
    return float(
        np.concatenate([kappa.mean(axis=(1, 2)) for _, kappa in spread(train, MOST_TRAINING)]).mean()
    )


def choose(
    validation: Cases,
    attempts: Callable[[np.ndarray], Iterator[tuple[Setting, np.ndarray]]],
    training: Training,
) -> tuple[Setting, dict[str, Any]]:
    """The setting that makes the best maps of validation cases, and what it scored there.

    ``attempts`` yields every setting with its maps (n, H, W) of some inputs, plain KS93 first. The best has
    the lowest mean of WMAPE, DICEE and DPEAKS, each divided by what plain KS93 scores on the same cases, so
    that none outweighs the others by its units. The earlier of equals wins.
    """
    totals: dict[Setting, np.ndarray] = {}
    done, cases = 0, min(len(validation), MOST_VALIDATION)
    for inputs, truth in spread(validation, MOST_VALIDATION):
        for setting, maps in attempts(inputs):
            scores = np.array([np.sum(score(truth, maps)) for score in OFFICIAL.values()])
            totals[setting] = totals.get(setting, 0.0) + scores
        done += len(truth)
        training.progress(done, cases, "validation cases")
    plain = next(iter(totals.values()))
    best = min(totals, key=lambda setting: np.sum(totals[setting] / np.where(plain > 0, plain, 1.0)))
    reached = dict(zip(OFFICIAL, (totals[best] / cases).tolist(), strict=True))
    return best, {"validation": reached, "validation_cases": cases}
