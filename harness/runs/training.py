"""A run: a baseline trained on a split data set, and the submissions made with its model.

The folder of a run holds ``run.json`` (the data, settings and versions of the training), ``model/`` and
whatever else the baseline keeps, such as the history of its training.
"""

from __future__ import annotations

import os
import platform
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from baselines import presets
from baselines.protocol import CHUNK, Baseline, Cases, Training, predict
from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError, json_text, write_text
from harness.progress import ProgressCallback, no_progress
from harness.runs.folder import finished, unfinished
from harness.runs.registry import baseline_class
from harness.schemas import RUN
from harness.tracks import get_track
from submissions import write_submission
from submissions.limits import MAX_TEXT
from submissions.report import printable

PACKAGES = ("astroboard", "numpy", "scipy", "h5py")


def train(
    name: str, data: Path, run: Path, preset: str = "laptop", seed: int = 0,
    progress: ProgressCallback = no_progress, strategy: Literal["single", "mirrored"] = "single",
    start: Path | None = None, settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Fit a baseline on ``train.h5`` and ``validation.h5`` of a folder, and write the run's folder.

    ``settings`` replace those of the preset. A network begins with the weights of the run ``start``, if one
    is given: a run of the same baseline, with the settings that shape the network, on any data.

    Returns the run's record; its seconds are those of the last attempt. The folder appears under its name
    when the run is complete. Until then it grows beside that name, and a call with the same baseline,
    settings, seed, data and versions resumes it; one that differs in any of these starts anew.
    """
    if run.exists():
        raise HarnessError(f"{run} exists already: name a new folder, or remove that one first")
    kind = baseline_class(name)
    track = get_track(kind.track)
    chosen = presets.settings(preset, name) | dict(settings or {})
    baseline = presets.make(kind, chosen)
    origin = _origin(name, kind, start) if start else None
    with (
        open_dataset(data / "train.h5", track) as training_data,
        open_dataset(data / "validation.h5", track) as validation_data,
    ):
        attempted = {
            "schema": RUN,
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
            training = Training(seed, folder, progress, strategy, start / "model" if start else None)
            outcome = baseline.fit(cases_of(training_data), cases_of(validation_data), training)
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

                figure = curves_figure(folder / "history.csv", f"{name}, {preset}, seed {seed}", track.scores)
                save_figure(figure, folder / "history.png")
            write_text(folder / "run.json", json_text(record))
    return record


def _origin(name: str, kind: type[Baseline], start: Path) -> dict[str, Any]:
    """The record of the run whose weights a network begins with. Raises HarnessError if it cannot."""
    if "keras" not in getattr(kind, "packages", ()):
        raise HarnessError(f"{name} is no network: it cannot start from the weights of {start}")
    origin, expected = finished(start), getattr(kind, "starts_from", name)
    if origin["baseline"] != expected:
        raise HarnessError(f"{start} must be a run of {expected}, got one of {origin['baseline']}")
    return origin


def cases_of(data: Dataset) -> Cases:
    """The columns of a data set as a baseline is given them, unread."""
    return Cases(data.inputs, data.truth, data.groups(), data.metadata)


def submit(
    run: Path, inputs: Path, team: str, out: Path, method: str | None = None,
    progress: ProgressCallback = no_progress,
) -> dict[str, Any]:  # fmt: skip
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
            chunks=predictions(baseline, data, progress),
            manifest_fields={
                "dataset_fingerprint": data.fingerprint,
                **{key: record[key] for key in ("seed", "versions", "hardware")},
            },
        )
    return asdict(manifest)


def restored(run: Path) -> tuple[dict[str, Any], Baseline]:
    """The record of a finished run, and its baseline as it was trained."""
    record = finished(run)
    baseline = presets.make(baseline_class(record["baseline"]), record["settings"])
    baseline.restore(run / "model")
    return record, baseline


def predictions(
    baseline: Baseline, data: Dataset | Cases, progress: ProgressCallback = no_progress
) -> Iterator[np.ndarray]:
    """The predictions of a baseline for all cases, in chunks as those of `Cases.chunks`."""
    for start in range(0, len(data), CHUNK):
        chunk = slice(start, start + CHUNK)
        yield predict(baseline, data.inputs[chunk], None if data.metadata is None else data.metadata[chunk])
        progress(min(start + CHUNK, len(data)), len(data), "cases")


def versions(baseline: Baseline) -> dict[str, str]:
    """Versions of what the predictions depend on: these packages, and those that the baseline names."""
    named = getattr(baseline, "packages", ())
    if "keras" in named:
        from baselines.backend import BACKEND

        named += (BACKEND,)
    providers = packages_distributions() if named else {}  # tensorflow comes from any of several
    theirs = {name: version(providers[name][0]) for name in named if name in providers}
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **theirs}


def hardware(baseline: Baseline) -> list[str]:
    """What it was trained on: processors, GPUs with their software, and the precision of a network.

    Each text is one that a manifest may have: the name of a GPU that is too long for one goes on in the next.
    """
    parts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} processors"]
    if "keras" in getattr(baseline, "packages", ()):
        from baselines.backend import accelerators

        parts += [*accelerators(), getattr(baseline, "precision", "float32")]
    return [line for part in parts for line in textwrap.wrap(printable(part, len(part)), MAX_TEXT)]
