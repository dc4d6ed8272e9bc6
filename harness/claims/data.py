"""The data for testing claims: simulated data or real alerts, with all splits that the claims need.

All of it is made before the first training. What is in the folder already is not made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import ceil
from pathlib import Path

import numpy as np

from harness.claims.spec import DATA_SETS, REAL, Claim, Size
from harness.data.simulate.dataset import simulate
from harness.data.split import FILES, TEST, TRAIN, UNUSED, VALIDATION, Shares, assign_folds, write_splits
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.parallel import executor
from harness.progress import ProgressCallback
from harness.tracks import STAMPS, get_track, load

SEED = 0
"""The seed of the simulations and splits. Runs have seeds 0, 1, … of their own."""
SHARES = Shares(validation_part=0.05, test_part=0.25)
"""Shares of the clusters: the number of test clusters decides how sure a verdict is."""
SMALLER = {"half": 2, "quarter": 4, "eighth": 8}
"""Splits with one in so many of the training clusters."""
VALIDATION_FOLDS = 8  # one of them tells which epoch of a cross-validated network is the best


@dataclass(frozen=True)
class SplitData:
    """The folder of a split data set, and the fingerprints of its files."""

    folder: Path
    fingerprints: tuple[str, ...]


Prepared = Mapping[tuple[str, str, str], tuple[SplitData, ...]]
"""By preset, data set and split: the split data, one for each fold of real alerts, a single one otherwise."""


def prepare(
    out: Path, specs: Sequence[Claim], sizes: Mapping[str, Size], real: Path | None,
    progress: ProgressCallback,
) -> Prepared:  # fmt: skip
    """Simulate and split everything that the claims need, as far as it is not in the folder ``out``.

    ``sizes`` are those of the presets. ``real`` is a data set of labelled alerts with metadata. Raises
    HarnessError where one is needed and missing, or lacks labels or metadata.
    """
    needed = ((spec.preset, data, side.split) for spec in specs for side in spec.sides
              for data in (spec.data, side.start) if data)  # fmt: skip
    prepared = {}
    for preset, data, name in dict.fromkeys(needed):
        if data == REAL:
            folders = _folds(out, sizes[preset], real, progress)
        else:
            folders = [_simulated(out, data, name, sizes[preset], progress)]
        prepared[preset, data, name] = tuple(
            SplitData(folder, tuple(_fingerprint(folder / file) for file in FILES)) for folder in folders
        )
    return prepared


def simulated_file(out: Path, data: str, size: Size) -> Path:
    """Where a simulated data set is kept."""
    cases = size.cases[DATA_SETS[data].track]
    return out / "data" / f"{data}-{cases}-{version('astroboard')}" / "data.h5"


def _simulated(out: Path, data: str, name: str, size: Size, progress: ProgressCallback) -> Path:
    """The folder of a split of a simulated data set."""
    track = get_track(DATA_SETS[data].track)
    full = simulated_file(out, data, size)
    folder, cases = full.parent, size.cases[track.name]
    if not full.is_file():
        with executor() as pool:
            options = DATA_SETS[data].options
            simulate(track, full, cases, seed=SEED, progress=progress, executor=pool, **options)
    if not _complete(folder / name):
        with open_dataset(full) as dataset:
            assigned, _ = load(track.splitter)(dataset, SHARES, SEED)
            write_splits(dataset, reassign(assigned, dataset.groups(), name), folder / name, SEED, progress)
    return folder / name


def reassign(assigned: np.ndarray, groups: np.ndarray, name: str) -> np.ndarray:
    """TRAIN, VALIDATION, TEST or UNUSED of each case (N,) in the split of that name, from the usual one.

    "half", "quarter" and "eighth" have that share of the training clusters, each the clusters of the next
    one too. "cluster" and "random" have training sets of one size and every other case of the usual test.
    The training set of "random" has the other half of the test cases, which are crops of the test's clusters.
    """
    assigned, rng = assigned.copy(), np.random.default_rng(SEED)
    if name in SMALLER:
        clusters = rng.permutation(np.unique(groups[assigned == TRAIN]))
        assigned[np.isin(groups, clusters[ceil(len(clusters) / SMALLER[name]) :])] = UNUSED
    elif name:
        spare = np.flatnonzero(assigned == TEST)[1::2]
        assigned[spare] = UNUSED
        if name == "random":
            train = np.flatnonzero(assigned == TRAIN)
            assigned[rng.choice(train, min(len(spare), len(train)), replace=False)] = UNUSED
            assigned[spare] = TRAIN
    return assigned


def _folds(out: Path, size: Size, real: Path | None, progress: ProgressCallback) -> list[Path]:
    """The folders of the folds of the real alerts: each tests on one of them, split by object."""
    if real is None:
        raise HarnessError("real alerts are needed: name a data set of such with --stamps")
    with open_dataset(real, STAMPS) as data:
        lacking = {STAMPS.inputs.name, STAMPS.truth.name, "metadata"} - data.columns.keys()
        if lacking:
            lacks = " or ".join(sorted(lacking))
            raise HarnessError(f"{real} has no {lacks}: labelled alerts with metadata were expected")
        folder = out / "data" / f"{REAL}-{data.fingerprint[:16]}-{size.folds}"
        labels, groups = data.truth[:].astype(int), data.groups()
        fold_of_case = assign_folds(labels, groups, size.folds, SEED)
        folders = [folder / f"fold-{fold}" for fold in range(size.folds)]
        for fold, folder in enumerate(folders):
            if not _complete(folder):
                assigned = np.where(fold_of_case == fold, TEST, TRAIN)
                inner = assign_folds(labels, groups, VALIDATION_FOLDS, SEED + 1 + fold)
                assigned[(assigned == TRAIN) & (inner == 0)] = VALIDATION
                write_splits(data, assigned, folder, SEED, progress)
    return folders


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


def _fingerprint(path: Path) -> str:
    with open_dataset(path) as data:
        return data.fingerprint
