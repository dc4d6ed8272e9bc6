"""Common code of the training-free baselines: reading cases, and choosing settings on validation cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from baselines.protocol import Cases, Training, evenly_spaced, must_be
from metrics import map_scores

Setting = TypeVar("Setting", bound=Hashable)

MAP_SIZE = 128  # pixels, the width of a map
SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0)  # pixels
MAX_TRAINING_CASES = 4096  # that means and spectra are estimated from
MAX_VALIDATION_CASES = 256  # that settings are compared on
CHUNK = 16
OFFICIAL = ("wmape", "dicee", "dpeaks")  # the scores that rank
FILE = "learnt.json"
MAX_NUMBER, MAX_LISTED_NUMBER, MAX_LISTED = 100, 1e9, 10_000  # that a model may have
MAX_TOLD = 300  # characters of what is wrong with it


class Inversion:
    """Base of the mass-mapping baselines that fit a few numbers, the attribute ``learnt``."""

    track: ClassVar[str] = "mass-mapping"
    defaults: ClassVar[dict[str, Any]]  # what ``learnt`` is before `fit`

    def __init__(self) -> None:
        self.learnt = dict(self.defaults)

    def save(self, folder: Path) -> None:
        """Write ``learnt`` as JSON."""
        (folder / FILE).write_text(json.dumps(self.learnt, indent=1) + "\n", encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Read the same numbers again; `BaselineError` if one is missing."""
        path = folder / FILE
        try:
            learnt = json.loads(path.read_text(encoding="utf-8"))
            self.learnt = {name: _like(learnt[name], value) for name, value in self.learnt.items()}
            if len({len(value) for value in self.learnt.values() if isinstance(value, list)}) > 1:
                raise ValueError("lists of different lengths")
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            got = repr(error)[:MAX_TOLD]
            raise must_be(str(path), f"JSON with {', '.join(self.learnt)}", got) from error


def _like(value: Any, example: Any, limit: float = MAX_NUMBER) -> Any:
    """The value, if it is a number or a list of numbers as the example is. Raises ValueError if it is not.

    They are widths in pixels, counts of rounds and the like: much beyond them a prediction would not end.
    """
    if isinstance(example, list):
        if not (isinstance(value, list) and len(value) <= MAX_LISTED):
            raise ValueError(f"no list of {MAX_LISTED:,} numbers at most")
        return [_like(number, 0.0, MAX_LISTED_NUMBER) for number in value]
    kinds = int if isinstance(example, int) else (int, float)
    lowest = 0 if isinstance(example, int) else -limit
    if isinstance(value, bool) or not (isinstance(value, kinds) and lowest <= value <= limit):
        raise ValueError(f"no number from {lowest:g} to {limit:g}")
    return value


def components(epsilon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """e1, e2 and Δe, (n, H, W) float32 each, of ellipticity maps (n, H, W, 3) of any real type.

    Raises `BaselineError` for another shape, and for values that are not finite.
    """
    if np.ndim(epsilon) != 4 or np.shape(epsilon)[-1] != 3:
        raise must_be("ellipticity maps", "of shape (n, H, W, 3)", np.shape(epsilon))
    e1, e2, error = (np.ascontiguousarray(epsilon[..., i], np.float32) for i in range(3))
    for name, maps in (("e1", e1), ("e2", e2), ("Δe", error)):
        faulty = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))
        if len(faulty):
            raise must_be("ellipticity maps", "finite", f"other values in {name} of map {faulty[0]}")
    return e1, e2, error


def sample(cases: Cases, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Inputs and truth of at most ``most`` evenly spaced cases, in chunks; truth as float32.

    Raises `BaselineError` if there are no cases, or if a map of them is not finite.
    """
    if not len(cases):
        raise must_be("the number of cases", "1 or more", 0)
    rows = evenly_spaced(len(cases), most)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        truth = np.asarray(cases.truth[chunk], np.float32)
        check_convergence(truth, chunk)
        yield cases.inputs[chunk], truth


def check_convergence(kappa: np.ndarray, rows: np.ndarray) -> None:
    """Raise `BaselineError` unless the maps (n, H, W) of these rows of the data are finite."""
    faulty = rows[~np.isfinite(kappa).all(axis=(1, 2))]
    if len(faulty):
        raise must_be("maps of κ", "finite", f"other values in map {faulty[0]}")


def mean_convergence(train: Cases) -> float:
    """The mean κ of training cases: the best guess of what shear cannot tell (mass-sheet degeneracy)."""
    means = [kappa.mean(axis=(1, 2)) for _, kappa in sample(train, MAX_TRAINING_CASES)]
    return float(np.concatenate(means).mean())


def choose(
    validation: Cases,
    attempts: Callable[[np.ndarray], Iterator[tuple[Setting, np.ndarray]]],
    training: Training,
) -> tuple[Setting, dict[str, Any]]:
    """The setting with the best maps of the validation cases, and its scores.

    ``attempts`` yields every setting with its maps (n, H, W) of some inputs. The best has the lowest mean of
    WMAPE, DICEE and DPEAKS, each divided by the score of the first setting on the same cases, so that none
    outweighs the others by its units. The earlier of equals wins.
    """
    totals: dict[Setting, np.ndarray] = {}
    done, cases = 0, min(len(validation), MAX_VALIDATION_CASES)
    for inputs, truth in sample(validation, MAX_VALIDATION_CASES):
        for setting, maps in attempts(inputs):
            scores = np.array([np.sum(each) for each in map_scores(truth, maps, OFFICIAL).values()])
            totals[setting] = totals.get(setting, 0.0) + scores
        done += len(truth)
        training.progress(done, cases, "validation cases")
    first = next(iter(totals.values()))
    best = min(totals, key=lambda setting: np.sum(totals[setting] / np.where(first > 0, first, 1.0)))
    means = dict(zip(OFFICIAL, (totals[best] / cases).tolist(), strict=True))
    return best, {"validation": means, "validation_cases": cases}
