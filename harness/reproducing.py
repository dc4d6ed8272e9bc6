"""Putting claims to the test: the runs that each compares, their scores, and a verdict with its interval.

docs/claims.md explains what is in the folder, how the verdicts are made, and what is taken from the disk.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from math import ceil, exp, inf, isfinite, log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.presets import make, settings
from harness.claims import EPOCH_SECONDS, Claim, Side, claims
from harness.data.split import TEST, TRAIN, Shares, group_parts, split, write_parts
from harness.data.store import open_dataset
from harness.executors import executor
from harness.experiment import SCHEMA as RUN_SCHEMA
from harness.experiment import baseline_class, submit, train, versions
from harness.files import HarnessError, json_text, read_json, write_text
from harness.judging import Difference, difference, needed, together, verdict
from harness.measuring import EPOCH, MEASURED
from harness.progress import Report, silent
from harness.ranking import check_one_truth
from harness.resampling import bootstrap
from harness.scoring import Scored, score
from harness.tracks import MASS_MAPPING, STAMPS, Score, get_track

SCHEMA = "astroboard-claims/1"
TEAM = "astroboard"
SEED = 0  # of the data and of their split; the runs have seeds 0, 1, … of their own
SHARES = Shares(test_part=0.2)  # of the maps twice the usual: what decides is how many clusters are tested
PARTS = ("train.h5", "validation.h5", "test-inputs.h5", "test-truth.h5")


class Size(NamedTuple):
    """Cases of each track, and seeds."""

    cases: dict[str, int]
    seeds: int


SIZES = {
    "smoke": Size({MASS_MAPPING.name: 160, STAMPS.name: 600}, 2),
    "laptop": Size({MASS_MAPPING.name: 2400, STAMPS.name: 6000}, 3),
    "paper": Size({MASS_MAPPING.name: 60000, STAMPS.name: 52244}, 5),
}


@dataclass(frozen=True)
class Run:
    """One training, in the folder whose name depends on all that it does."""

    folder: Path
    data: Path = field(compare=False)
    baseline: str = field(compare=False)
    settings: dict[str, Any] = field(compare=False)
    seed: int = field(compare=False)

    @property
    def submission(self) -> Path:
        return self.folder.with_suffix(".zip")

    def seconds(self) -> float | None:
        """What the training took, if it is complete."""
        note = self.folder / "run.json"
        return float(read_json(note, RUN_SCHEMA)["seconds"]) if note.is_file() else None


def reproduce(
    out: Path, preset: str, wanted: Sequence[str] = (), seeds: int | None = None, report: Report = silent,
    tell: Callable[[dict[str, Any]], Any] = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Test claims, by name, kind or track, and return the record; ``tell`` hears of each as it is ready.

    The folder ``out`` gets the record as ``claims.json`` and ``claims.html``, both anew after every claim.
    What it holds of earlier calls, also of one that was killed, is not done again.
    """
    from harness.report.claims_page import write_claims_page

    size, chosen = SIZES[preset], claims(preset, wanted)
    numbers = range(seeds or size.seeds)
    plan = {
        claim.name: [
            [_run(out, claim, side, seed, preset, size.cases[claim.track], report) for seed in numbers]
            for _, side in claim.weighted
        ]
        for claim in chosen
    }
    every = list(dict.fromkeys(run for sides in plan.values() for side in sides for run in side))
    record: dict[str, Any] = {"schema": SCHEMA, "preset": preset, "seeds": len(numbers), "claims": []}
    scored: dict[Run, Scored] = {}
    for claim in chosen:
        for run in (run for side in plan[claim.name] for run in side):
            if run not in scored:
                scored[run] = _scored(run, _telling(report, run, every))
        record["claims"].append(_judged(claim, plan[claim.name], scored))
        record["versions"] = {k: v for run in scored for k, v in _versions(run.baseline).items()}
        write_text(out / "claims.json", json_text(record))
        write_claims_page(record, out / "claims.html")
        tell(record["claims"][-1])
    return record


def all_settings(preset: str, like: str, side: Side) -> dict[str, Any]:
    """All settings of a side's baseline: the preset's, as far as it has such, but for the side's own."""
    kind = baseline_class(side.baseline)
    names = inspect.signature(kind).parameters
    shared = {key: value for key, value in settings(preset, like).items() if key in names}
    baseline = make(kind, shared | side.settings)
    return {name: getattr(baseline, name) for name in names}


def _run(out: Path, claim: Claim, side: Side, seed: int, preset: str, cases: int, report: Report) -> Run:
    chosen = all_settings(preset, claim.like, side)
    data = (
        _data(out / "data" / f"{claim.data}-{cases}-{version('astroboard')}", claim, cases, report)
        / side.split
    )
    depends_on = [side.baseline, chosen, seed, _fingerprints(data), _versions(side.baseline)]
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
    return Run(out / "runs" / f"{side.baseline}-{key}", data, side.baseline, chosen, seed)


def _data(folder: Path, claim: Claim, cases: int, report: Report) -> Path:
    """The folder with the simulated data, their parts and, in folders of it, those of the other splits."""
    from harness.data.simulate.dataset import simulate

    full = folder / "data.h5"
    if not full.is_file():
        noise = {} if claim.track == STAMPS.name else {"noise": claim.data}
        with executor() as pool:
            simulate(get_track(claim.track), full, cases, seed=SEED, report=report, executor=pool, **noise)
    if not _complete(folder):
        split(full, folder, SEED, SHARES, report)
    wanted = {side.split for _, side in claim.weighted} - {""}
    if not all(_complete(folder / name) for name in wanted):
        _split_within_clusters(full, folder, report)
    return folder


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in PARTS)


def _split_within_clusters(full: Path, folder: Path, report: Report) -> None:
    """Two training sets of one size for one test: without its clusters, and with other crops of them."""
    with open_dataset(full) as data:
        part = group_parts(data.groups(), SHARES, SEED)
        spare = np.flatnonzero(part == TEST)[1::2]
        part[spare] = -1
        write_parts(data, part, folder / "cluster", SEED, report)
        rest = np.flatnonzero(part == TRAIN)
        part[np.random.default_rng(SEED).choice(rest, min(len(spare), len(rest)), replace=False)] = -1
        part[spare] = TRAIN
        write_parts(data, part, folder / "random", SEED, report)


@cache
def _fingerprints(folder: Path) -> list[str]:
    found = []
    for name in PARTS:
        with open_dataset(folder / name) as data:
            found.append(data.fingerprint)
    return found


@cache
def _versions(baseline: str) -> dict[str, str]:
    return versions(make(baseline_class(baseline), {}))


def _scored(run: Run, report: Report) -> Scored:
    """Train, submit and score, as far as this has not been done."""
    if not run.folder.exists():
        preset = run.folder.with_suffix(".toml")
        rows = (f"{name} = {_toml(value)}\n" for name, value in run.settings.items())
        write_text(preset, f"[{run.baseline}]\n" + "".join(rows))
        train(run.baseline, run.data, run.folder, str(preset), run.seed, report)
    if not run.submission.is_file():
        submit(run.folder, run.data / "test-inputs.h5", TEAM, run.submission, report=report)
    with open_dataset(run.data / "test-truth.h5") as truth:
        found = score(run.submission, replace(truth, track=MEASURED[truth.track.name]), report)
    if not found.report.accepted:
        raise HarnessError(f"{run.submission} is damaged, remove it: {found.report.summary()}")
    return found


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)  # what TOML and JSON write alike


def _telling(report: Report, run: Run, every: Sequence[Run]) -> Report:
    """A report that says which of all runs is at work, and how long those that are left will take."""
    taken = {one: one.seconds() for one in every}
    done, left = sum(seconds is not None for seconds in taken.values()), seconds_left(taken)
    about = "" if left is None else f", about {ceil(left / 60)} min left"
    title = f"runs{about}; {run.baseline}, seed {run.seed}"
    return lambda step, steps, text: report(done, len(every), f"{title}: {step} of {steps} {text}")


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


def _judged(claim: Claim, sides: list[list[Run]], scored: dict[Run, Scored]) -> dict[str, Any]:
    """The claim's part of the record."""
    every = [scored[run] for side in sides for run in side]
    check_one_truth(every)
    track, weights, seeds = MEASURED[claim.track], [weight for weight, _ in claim.weighted], len(sides[0])
    sums = [one.sums() for one in every]
    values = np.stack([one.values() for one in every]).reshape(len(sides), seeds, -1)
    drawn = bootstrap(track, sums)
    drawn = drawn.reshape(len(drawn), len(sides), seeds, len(track.scores))
    by_seed, resampled = np.tensordot(weights, values, 1), np.einsum("k,rksm->rsm", weights, drawn)
    groups, cases = sums[0].shape[0], len(every[0].case_ids)
    rows = []
    for key, expected in claim.expected.items():
        if key == EPOCH_SECONDS:
            seconds = np.array([[_epoch_seconds(run) for run in side] for side in sides])
            found = difference(np.tensordot(weights, np.log(seconds), 1))
            rows.append(_row(EPOCH, seconds.mean(axis=1), found, expected, cases))
        else:
            place = [one.key for one in track.scores].index(key)
            found = difference(by_seed[:, place], resampled[:, :, place], groups)
            rows.append(_row(track.scores[place], values[:, :, place].mean(axis=1), found, expected, cases))
    return {
        **{name: getattr(claim, name) for name in ("name", "kind", "says", "source", "track", "data")},
        "verdict": together([row["verdict"] for row in rows]),
        "sides": [
            {"weight": weight, "text": str(side), "runs": [run.folder.name for run in runs]}
            for (weight, side), runs in zip(claim.weighted, sides, strict=True)
        ],
        **{"cases": cases, "groups": groups, "seeds": seeds, "scores": rows},
    }


def _row(
    one: Score, means: np.ndarray, found: Difference, expected: tuple[float, float], cases: int
) -> dict[str, Any]:
    """A line of the record, with the mean over the seeds of each side. Of times the logarithm was judged."""
    as_shown: Callable[[float], float] = exp if one is EPOCH else float
    bounds = _logarithms(expected) if one is EPOCH else expected
    low, high = found.interval()
    judged = verdict(low, high, bounds)
    decided_by = needed(found, bounds) if judged == "undecided" else {}
    return {
        **{"key": one.key, "title": one.title, "digits": one.digits, "ratio": one is EPOCH},
        "expected": [end if isfinite(end) else None for end in expected],
        "sides": means.tolist(),
        "difference": as_shown(found.value),
        "low": as_shown(low) if isfinite(low) else None,
        "high": as_shown(high) if isfinite(high) else None,
        "verdict": judged,
        "decided_by": {
            way: {"seeds": seeds} | ({"groups": groups, "cases": round(groups * cases / found.groups)}
                                     if found.groups else {})
            for way, (groups, seeds) in decided_by.items()
        },
    }  # fmt: skip


def _logarithms(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    return log(low) if low > 0 else -inf, log(high)


def _epoch_seconds(run: Run) -> float:
    """The median over the epochs of a run: the first one builds the graph."""
    with (run.folder / "history.csv").open(encoding="utf-8") as file:
        return float(np.median([float(row["seconds"]) for row in csv.DictReader(file)]))
