"""The trainings that claims and boards are made of: their data, their names on the disk, and their scores.

A training is named after all that it depends on, so that it is done once and never taken for another.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.presets import make, settings
from harness.claims.diagnostics import MEASURED
from harness.claims.spec import REAL, TRACKS, Side
from harness.data.split import TEST, TRAIN, VALIDATION, Shares, fold_parts, group_parts, split, write_parts
from harness.data.store import open_dataset
from harness.evaluation.scoring import Scored, score
from harness.files import HarnessError, write_text
from harness.parallel import executor, in_order
from harness.progress import ProgressCallback, no_progress
from harness.runs.training import baseline_class, finished, submit, train, versions
from harness.tracks import MASS_MAPPING, STAMPS, get_track
from submissions import SubmissionError, ValidationReport

TEAM = "astroboard"
SEED = 0  # of the data and of their split; the runs have seeds 0, 1, … of their own
# Of the maps: what decides is how many clusters are tested.
SHARES = Shares(validation_part=0.05, test_part=0.25)
PARTS = ("train.h5", "validation.h5", "test-inputs.h5", "test-truth.h5")
FOLDS = 5  # of real alerts, which are too few to spare some for a test
SMALLER = {"half": 2, "quarter": 4, "eighth": 8}
"""Splits whose training set has that part of the clusters."""


class Size(NamedTuple):
    """Cases of each track, and seeds."""

    cases: dict[str, int]
    seeds: int


SIZES = {
    "smoke": Size({MASS_MAPPING.name: 160, STAMPS.name: 600}, 2),
    "laptop": Size({MASS_MAPPING.name: 1600, STAMPS.name: 6000}, 3),
    "paper": Size({MASS_MAPPING.name: 60000, STAMPS.name: 52244}, 5),
}


@dataclass(frozen=True)
class Run:
    """One training, in the folder whose name depends on all that it does; ``start`` comes before it."""

    folder: Path
    data: Path = field(compare=False)
    baseline: str = field(compare=False)
    settings: dict[str, Any] = field(compare=False)
    seed: int = field(compare=False)
    start: Run | None = field(default=None, compare=False)

    @property
    def submission(self) -> Path:
        return self.folder.with_suffix(".zip")

    def seconds(self) -> float | None:
        """What the training took, if it is complete."""
        return float(finished(self.folder)["seconds"]) if self.folder.is_dir() else None


Parts = tuple[Run, ...]
"""The runs that predict all cases of a test together: one, or one for each fold."""


@dataclass(frozen=True)
class Place:
    """Where and on what is trained: the folder for all of it, the preset, and a data set of real alerts."""

    out: Path
    preset: str
    real: Path | None = None
    progress: ProgressCallback = no_progress

    def parts(self, data: str, side: Side, seed: int) -> Parts:
        """The runs of a side from one seed, on simulated ``data`` or on the real alerts."""
        folder = self._data(data, side.split)
        folds = [folder / f"fold-{fold}" for fold in range(FOLDS)] if data == REAL else [folder]
        start = self.parts(side.start, replace(side, start=""), seed)[0] if side.start else None
        return tuple(self._run(each, side, seed, start) for each in folds)

    def _run(self, data: Path, side: Side, seed: int, start: Run | None) -> Run:
        chosen = all_settings(self.preset, side)
        depends_on = [side.baseline, chosen, seed, _fingerprints(data), versions_of(side.baseline)]
        depends_on += [start.folder.name] if start else []
        key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
        return Run(self.out / "runs" / f"{side.baseline}-{key}", data, side.baseline, chosen, seed, start)

    def _data(self, data: str, part: str) -> Path:
        """The folder with the parts of the data set, or with the folds of it."""
        if data == REAL:
            return self._folds()
        cases = SIZES[self.preset].cases[TRACKS[data]]
        folder = self.out / "data" / f"{data}-{cases}-{version('astroboard')}"
        full = folder / "data.h5"
        if not full.is_file():
            from harness.data.simulate.dataset import simulate

            noise = {} if TRACKS[data] == STAMPS.name else {"noise": data}
            with executor() as pool:
                track = get_track(TRACKS[data])
                simulate(track, full, cases, seed=SEED, progress=self.progress, executor=pool, **noise)
        if not _complete(folder):
            split(full, folder, SEED, SHARES, self.progress)
        if part and not _complete(folder / part):
            if part in SMALLER:
                _split_smaller(full, folder / part, SMALLER[part], self.progress)
            else:
                _split_within_clusters(full, folder, self.progress)
        return folder / part

    def _folds(self) -> Path:
        if self.real is None:
            raise HarnessError("real alerts are needed: name a data set of such with --stamps")
        with open_dataset(self.real, STAMPS) as data:
            lacking = {STAMPS.inputs.name, STAMPS.truth.name, "metadata"} - data.columns.keys()
            if lacking:
                lacks = " or ".join(sorted(lacking))
                raise HarnessError(f"{self.real} has no {lacks}: labelled alerts with metadata were expected")
            folder = self.out / "data" / f"{REAL}-{data.fingerprint[:16]}"
            labels, groups = data.truth[:].astype(int), data.groups()
            parts = fold_parts(labels, groups, FOLDS, SEED)
            for fold in range(FOLDS):
                if not _complete(folder / f"fold-{fold}"):
                    part = np.where(parts == fold, TEST, TRAIN)
                    # An eighth of the rest, drawn like the folds, tells which epoch is best.
                    inner = fold_parts(labels, groups, 8, SEED + 1 + fold)
                    part[(part == TRAIN) & (inner == 0)] = VALIDATION
                    write_parts(data, part, folder / f"fold-{fold}", SEED, self.progress)
        return folder


def all_settings(preset: str, side: Side) -> dict[str, Any]:
    """All settings of a side's baseline: the preset's, as far as it has such, but for the side's own."""
    kind = baseline_class(side.baseline)
    names = inspect.signature(kind).parameters
    shared = {key: value for key, value in settings(preset, side.like).items() if key in names}
    baseline = make(kind, shared | side.settings)
    return {name: getattr(baseline, name) for name in names}


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in PARTS)


def _split_within_clusters(full: Path, folder: Path, progress: ProgressCallback) -> None:
    """Two training sets of one size for one test: without its clusters, and with other crops of them."""
    with open_dataset(full) as data:
        part = group_parts(data.groups(), SHARES, SEED)
        spare = np.flatnonzero(part == TEST)[1::2]
        part[spare] = -1
        write_parts(data, part, folder / "cluster", SEED, progress)
        rest = np.flatnonzero(part == TRAIN)
        part[np.random.default_rng(SEED).choice(rest, min(len(spare), len(rest)), replace=False)] = -1
        part[spare] = TRAIN
        write_parts(data, part, folder / "random", SEED, progress)


def _split_smaller(full: Path, folder: Path, share: int, progress: ProgressCallback) -> None:
    """The same validation and test, and one in ``share`` of the training set's clusters, nested."""
    with open_dataset(full) as data:
        groups = data.groups()
        part = group_parts(groups, SHARES, SEED)
        names = np.random.default_rng(SEED).permutation(np.unique(groups[part == TRAIN]))
        part[np.isin(groups, names[ceil(len(names) / share) :])] = -1
        write_parts(data, part, folder, SEED, progress)


@cache
def _fingerprints(folder: Path) -> list[str]:
    found = []
    for name in PARTS:
        with open_dataset(folder / name) as data:
            found.append(data.fingerprint)
    return found


@cache
def versions_of(baseline: str) -> dict[str, str]:
    """Versions of all software that the predictions of this baseline depend on."""
    return versions(make(baseline_class(baseline), {}))


def made(every: Sequence[Run], executor: Executor | None, progress: ProgressCallback) -> Iterator[Run]:
    """Train and submit what has not been; each run is told of when it is done and its turn has come.

    Runs that others start from come before all others. The folders must be the same for all workers.
    """
    telling = _telling(every, progress)
    starts = dict.fromkeys(run.start for run in every if run.start)
    for some in (starts, [run for run in every if run not in starts]):
        if executor is None:
            for run in some:
                make_run(run, telling(run))
                yield run
        else:
            for run in in_order(executor, make_run, some):
                telling(run)
                yield run


def make_run(run: Run, progress: ProgressCallback = no_progress) -> Run:
    """Train and submit one, as far as this has not been done."""
    if not run.folder.exists():
        preset = run.folder.with_suffix(".toml")
        rows = (f"{name} = {_toml(value)}\n" for name, value in run.settings.items())
        write_text(preset, f"[{run.baseline}]\n" + "".join(rows))
        start = run.start.folder if run.start else None
        train(run.baseline, run.data, run.folder, str(preset), run.seed, progress, start=start)
    if not run.submission.is_file():
        submit(run.folder, run.data / "test-inputs.h5", TEAM, run.submission, progress=progress)
    return run


def scored_parts(parts: Parts, progress: ProgressCallback) -> Scored:
    """The score of runs that are made; folds are put together to one test."""
    return joined([_scored(run, progress) for run in parts])


def _scored(run: Run, progress: ProgressCallback) -> Scored:
    with open_dataset(run.data / "test-truth.h5") as truth:
        try:
            found = score(run.submission, replace(truth, track=MEASURED[truth.track.name]), progress)
        except SubmissionError as error:
            raise HarnessError(f"{run.submission} is damaged, remove it: {error}") from error
    if not found.report.accepted:
        raise HarnessError(f"{run.submission} is damaged, remove it: {found.report.summary()}")
    return found


def joined(scored: Sequence[Scored]) -> Scored:
    """One test of several that share no case, as the folds of a cross-validation."""
    if len(scored) == 1:
        return scored[0]
    whole = hashlib.sha256("".join(one.truth_fingerprint for one in scored).encode()).hexdigest()
    columns = {name: np.concatenate([one.columns[name] for one in scored]) for name in scored[0].columns}
    return replace(
        scored[0],
        sha256=hashlib.sha256("".join(one.sha256 for one in scored).encode()).hexdigest(),
        columns=columns,
        case_ids=[case_id for one in scored for case_id in one.case_ids],
        groups=np.concatenate([one.groups for one in scored]),
        truth_fingerprint=whole,
        report=ValidationReport(scored[0].track.name, sum(one.report.expected for one in scored)),
    )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)  # what TOML and JSON write alike


def _telling(every: Sequence[Run], progress: ProgressCallback) -> Callable[[Run], ProgressCallback]:
    """A function that reports how many runs there are, which one is at work, and how long the rest will take.

    What it returns reports on that run.
    """
    begun, before = time.monotonic(), {run for run in every if run.seconds() is not None}
    known, pace = len(before), 1.0
    progress(known, len(every), "runs")

    def telling(run: Run) -> ProgressCallback:
        nonlocal known, pace
        taken = {one: one.seconds() for one in every}
        done = sum(seconds is not None for seconds in taken.values())
        if done > known:  # two at a time take half of what their seconds add up to
            here = sum(seconds for one, seconds in taken.items() if seconds and one not in before)
            known, pace = done, (time.monotonic() - begun) / max(here, 1.0)
        left = seconds_left(taken)
        about = "" if left is None else f", about {ceil(pace * left / 60)} min left"
        title = f"runs{about}; {run.baseline}, seed {run.seed}"
        progress(done, len(every), title)
        return lambda step, steps, text: progress(done, len(every), f"{title}: {step} of {steps} {text}")

    return telling


def seconds_left(taken: dict[Run, float | None]) -> float | None:
    """What runs without seconds will take if they are like those of their baseline, else of their data, else
    like any. None if there are none to tell from.
    """
    known = [(run, seconds) for run, seconds in taken.items() if seconds is not None]
    total = 0.0
    for run in (run for run, seconds in taken.items() if seconds is None):
        alike = [seconds for other, seconds in known if other.baseline == run.baseline]
        alike = alike or [seconds for other, seconds in known if other.data == run.data]
        alike = alike or [seconds for _, seconds in known]
        if not alike:
            return None
        total += sum(alike) / len(alike)
    return total
