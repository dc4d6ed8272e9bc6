"""A run: a baseline trained on a split data set, and the submissions that are made of it.

A run's folder holds ``run.json`` (what was trained on what, with which versions), ``model/`` (what was
learnt) and whatever else the baseline keeps, such as the history of its training.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from typing import Any

import numpy as np

from baselines.presets import make, settings
from baselines.protocol import Baseline, Cases, Training
from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError, json_text, read_json, write_text
from harness.progress import Report, silent
from harness.tracks import get_track
from submissions import write_submission

SCHEMA = "astroboard-run/1"
ENTRY_POINTS = "astroboard.baselines"
PACKAGES = ("astroboard", "numpy", "scipy", "h5py")
CHUNK = 256


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
    name: str, data: Path, run: Path, preset: str = "laptop", seed: int = 0, report: Report = silent
) -> dict[str, Any]:
    """Fit a baseline on ``train.h5`` and ``validation.h5`` of a folder, and write the run's folder.

    Returns the run's record. The folder appears under its name when the run is complete.
    """
    if run.exists():
        raise HarnessError(f"{run} exists already: name a new folder, or remove that one first")
    kind = baseline_class(name)
    track = get_track(kind.track)
    chosen = settings(preset, name)
    baseline = make(kind, chosen)
    with (
        open_dataset(data / "train.h5", track) as training_data,
        open_dataset(data / "validation.h5", track) as validation_data,
        _folder_beside(run) as folder,
    ):
        started = time.perf_counter()
        training = Training(seed, folder, report)
        outcome = baseline.fit(_cases(training_data), _cases(validation_data), training)
        (folder / "model").mkdir()
        baseline.save(folder / "model")
        record = {
            "schema": SCHEMA,
            "baseline": name,
            "track": track.name,
            "preset": Path(preset).name,
            "settings": chosen,
            "seed": seed,
            "data": training_data.fingerprint,
            "validation": validation_data.fingerprint,
            "cases": len(training_data),
            "outcome": outcome,
            "versions": versions(baseline),
            "hardware": hardware(),
            "seconds": round(time.perf_counter() - started, 3),
        }
        write_text(folder / "run.json", json_text(record))
    return record


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside ``path``, renamed to it when the block ends well and removed when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as temporary:
        folder = Path(temporary, path.name)
        folder.mkdir()
        yield folder
        folder.replace(path)


def _cases(data: Dataset) -> Cases:
    return Cases(data.inputs, data.truth, data.groups(), data.metadata)


def submit(
    run: Path, inputs: Path, team: str, out: Path, method: str | None = None, report: Report = silent
) -> dict[str, Any]:
    """Predict every case of an inputs file with a run's model, write the submission, return its manifest."""
    record = read_run(run)
    baseline = make(baseline_class(record["baseline"]), record["settings"])
    baseline.restore(run / "model")
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


def read_run(run: Path) -> dict[str, Any]:
    if not (run / "run.json").is_file():
        raise HarnessError(f"{run} is no finished run: a folder that `astroboard train` wrote was expected")
    return read_json(run / "run.json", SCHEMA)


def _predictions(baseline: Baseline, data: Dataset, report: Report) -> Iterator[np.ndarray]:
    for start in range(0, len(data), CHUNK):
        yield baseline.predict(data.inputs[start : start + CHUNK])
        report(min(start + CHUNK, len(data)), len(data), "cases")


def versions(baseline: Baseline) -> dict[str, str]:
    """Versions of what the predictions depend on: these packages, and those that the baseline names."""
    imported = {name: import_module(name).__version__ for name in getattr(baseline, "packages", ())}
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **imported}


def hardware() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
