"""A run: a baseline trained on a split data set, and the submissions that are made of it.

A run's folder holds ``run.json`` (what was trained on what, with which versions), ``model/`` (what was
learnt) and whatever else the baseline keeps, such as the history of its training.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from baselines.presets import make, settings
from baselines.protocol import Baseline, Cases, Training, predict
from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError, json_text, read_json, write_text
from harness.progress import Report, silent
from harness.tracks import get_track
from submissions import write_submission

SCHEMA = "astroboard-run/1"
ENTRY_POINTS = "astroboard.baselines"
PACKAGES = ("astroboard", "numpy", "scipy", "h5py")
CHUNK = 256
RECORDED: dict[str, type | tuple[type, ...]] = {
    **{"baseline": str, "track": str, "settings": dict, "seed": int, "versions": dict, "hardware": str},
    **{"cases": int, "seconds": (int, float), "outcome": dict},
}
"""What ``run.json`` must have."""


def baseline_class(name: str) -> type[Baseline]:
    """The baseline of that name, of this package or of any other that registers one."""
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return _load(entry)
    raise HarnessError(f"there is no baseline {name!r}; there are: {', '.join(sorted(_names()))}")


def all_baselines(complain: Callable[[str], Any]) -> dict[str, type[Baseline]]:
    """Every registered baseline by name; none of them imports yet what only training needs.

    One that cannot be loaded is left out, and ``complain`` hears why.
    """
    found = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            found[entry.name] = _load(entry)
        except HarnessError as error:
            complain(str(error))
    return found


def _names() -> set[str]:
    return set(entry_points(group=ENTRY_POINTS).names)


def _load(entry: EntryPoint) -> type[Baseline]:
    try:
        loaded: type[Baseline] = entry.load()
    except (ImportError, AttributeError) as error:
        raise HarnessError(f"the baseline {entry.name} ({entry.value}) cannot be loaded: {error}") from error
    return loaded


def train(
    name: str,
    data: Path,
    run: Path,
    preset: str = "laptop",
    seed: int = 0,
    report: Report = silent,
    strategy: Literal["single", "mirrored"] = "single",
    start: Path | None = None,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit a baseline on ``train.h5`` and ``validation.h5`` of a folder, and write the run's folder.

    ``changes`` are settings in place of the preset's. A network begins with the weights of the run ``start``,
    if there is one: of the same baseline, with the settings that shape the network, trained on any data.

    Returns the run's record; its seconds are those of the last attempt. The folder appears under its name
    when the run is complete. Until then it grows beside, and a call with the same baseline, settings, seed,
    data and versions goes on from there; one that differs in any of these starts anew.
    """
    if run.exists():
        raise HarnessError(f"{run} exists already: name a new folder, or remove that one first")
    kind = baseline_class(name)
    track = get_track(kind.track)
    chosen = settings(preset, name) | dict(changes or {})
    baseline = make(kind, chosen)
    if start and "keras" not in getattr(kind, "packages", ()):
        raise HarnessError(f"{name} is no network: it cannot start from the weights of {start}")
    origin = finished(start) if start else None
    if origin and origin["baseline"] != name:
        raise HarnessError(f"{start} is a run of {origin['baseline']}: one of {name} was expected")
    with (
        open_dataset(data / "train.h5", track) as training_data,
        open_dataset(data / "validation.h5", track) as validation_data,
    ):
        attempted = {
            "schema": SCHEMA,
            "baseline": name,
            "track": track.name,
            "settings": chosen,
            "seed": seed,
            "strategy": strategy,
            "start": origin,
            "data": training_data.fingerprint,
            "validation": validation_data.fingerprint,
            "versions": versions(baseline),
        }
        with unfinished(run, attempted) as folder:
            started = time.perf_counter()
            training = Training(seed, folder, report, strategy, start / "model" if start else None)
            outcome = baseline.fit(_cases(training_data), _cases(validation_data), training)
            (folder / "model").mkdir()
            baseline.save(folder / "model")
            record = attempted | {
                "preset": Path(preset).name,
                "folder": str(data.absolute()),
                "cases": len(training_data),
                "outcome": outcome,
                "hardware": hardware(baseline),
                "seconds": round(time.perf_counter() - started, 3),
            }
            if (folder / "history.csv").is_file():
                from harness.report.figures import curves_figure, save_figure  # slow to import, seldom needed

                title = f"{name}, {preset}, seed {seed}"
                save_figure(curves_figure(folder / "history.csv", title), folder / "history.png")
            write_text(folder / "run.json", json_text(record))
    return record


@contextmanager
def unfinished(run: Path, attempted: dict[str, Any]) -> Iterator[Path]:
    """The folder of a run that is not complete, renamed to ``run`` when the block ends well.

    It holds what the fit of an earlier attempt at the same run left, and stays if that of this one left any.
    """
    outer = run.with_name(f".{run.name}.unfinished")
    note, folder = outer / "attempted.json", outer / "run"
    outer.mkdir(parents=True, exist_ok=True)
    with _locked(outer / "lock", run):
        try:
            if not note.is_file() or note.read_bytes() != json_text(attempted).encode():
                shutil.rmtree(folder, ignore_errors=True)
                write_text(note, json_text(attempted))
            folder.mkdir(exist_ok=True)
            shutil.rmtree(folder / "model", ignore_errors=True)  # killed or failed while it was written
            if any(folder.iterdir()):
                print(f"resuming the run that was left unfinished in {outer}", file=sys.stderr)
            yield folder
            folder.replace(run)
            for checkpoint in run.rglob("checkpoint.*"):
                checkpoint.unlink()
        finally:
            if not folder.is_dir() or {path.name for path in folder.iterdir()} <= {"model"}:
                shutil.rmtree(outer)


@contextmanager
def _locked(path: Path, run: Path) -> Iterator[None]:
    """Holds a lock that the system takes back from a process that was killed."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HarnessError(f"another process is training {run}: wait for it, or end it") from error
        yield


def _cases(data: Dataset) -> Cases:
    return Cases(data.inputs, data.truth, data.groups(), data.metadata)


def submit(
    run: Path, inputs: Path, team: str, out: Path, method: str | None = None, report: Report = silent
) -> dict[str, Any]:
    """Predict every case of an inputs file with a run's model, write the submission, return its manifest."""
    record, baseline = restored(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_dataset(inputs, get_track(record["track"])) as data:
        manifest = write_submission(
            out,
            data.track.format,
            team=team,
            method=method or record["baseline"],
            case_ids=data.case_ids(),
            chunks=_predictions(baseline, data, report),
            manifest_fields={
                "dataset_fingerprint": data.fingerprint,
                "seed": record["seed"],
                "versions": record["versions"],
                "hardware": record["hardware"],
            },
        )
    return asdict(manifest)


def restored(run: Path) -> tuple[dict[str, Any], Baseline]:
    """The record of a finished run, and its baseline as it was trained."""
    record = finished(run)
    baseline = make(baseline_class(record["baseline"]), record["settings"])
    baseline.restore(run / "model")
    return record, baseline


def finished(run: Path) -> dict[str, Any]:
    """The record of a finished run."""
    if not (run / "run.json").is_file():
        raise HarnessError(f"{run} is no finished run: a folder that `astroboard train` wrote was expected")
    record = read_json(run / "run.json", SCHEMA)
    if wrong := [name for name, kind in RECORDED.items() if not isinstance(record.get(name), kind)]:
        raise HarnessError(f"{run / 'run.json'} is damaged: it has no {', '.join(wrong)}")
    return record


def _predictions(baseline: Baseline, data: Dataset, report: Report) -> Iterator[np.ndarray]:
    for start in range(0, len(data), CHUNK):
        part = slice(start, start + CHUNK)
        yield predict(baseline, data.inputs[part], None if data.metadata is None else data.metadata[part])
        report(min(start + CHUNK, len(data)), len(data), "cases")


def versions(baseline: Baseline) -> dict[str, str]:
    """Versions of what the predictions depend on: these packages, and those that the baseline names."""
    named = getattr(baseline, "packages", ())
    providers = packages_distributions() if named else {}  # tensorflow comes from any of several
    theirs = {name: version(providers[name][0]) for name in named if name in providers}
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **theirs}


def hardware(baseline: Baseline) -> str:
    """What it was trained on: processors, GPUs with their software, and the precision of a network."""
    parts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} processors"]
    if "tensorflow" in getattr(baseline, "packages", ()):
        from baselines.training import accelerators

        parts += [*accelerators(), getattr(baseline, "precision", "float32")]
    return ", ".join(parts)
