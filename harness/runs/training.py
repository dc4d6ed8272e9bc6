"""A run: a baseline trained on a split data set, and the submissions made with its model.

The folder of a run holds ``run.json`` (the data, settings and versions of the training), ``model/`` and
whatever else the baseline keeps, such as the history of its training.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib.metadata import packages_distributions, version
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from baselines import presets
from baselines.network import chosen_backend
from baselines.protocol import CHUNK, Baseline, Cases, Training, View, no_note, predict
from harness.data.store import Dataset, open_dataset
from harness.extras import require
from harness.files import HarnessError, check_new, json_text, write_text
from harness.progress import ProgressCallback, no_progress
from harness.runs.folder import finished, unfinished
from harness.runs.registry import baseline_class
from harness.schemas import RUN
from harness.tracks import Track, get_track, load
from submissions import write_submission
from submissions.limits import MAX_TEXT
from submissions.report import printable

LOADING = "loading Keras and its backend"
SECONDS_BETWEEN_PICTURES = 30.0
PACKAGES = ("astroboard", "numpy", "scipy", "h5py")
_providers = cache(packages_distributions)
"""The packages that each module may come from; TensorFlow has several. Listing them takes long."""


def train(
    name: str, data: str | PathLike[str], run: str | PathLike[str], preset: str = "laptop", seed: int = 0,
    progress: ProgressCallback = no_progress, strategy: Literal["single", "mirrored"] = "single",
    start: Path | None = None, settings: Mapping[str, Any] | None = None, tensorboard: bool = False,
    tell: Callable[[str], None] = no_note, force: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Train a baseline on ``train.h5`` and ``validation.h5`` of a folder, and write the folder of the run.

    The folder gets its name when the run is complete. Until then it is a hidden folder beside it, and a call
    with the same baseline, settings, seed and data resumes the training. It warns if versions of packages
    have changed.

    Parameters
    ----------
    name : name of a baseline
    data : path of the folder with ``train.h5`` and ``validation.h5``
    run : path of the folder to write
    preset : name of a preset, or path of a TOML file
    seed : int
    progress : callable, optional
    strategy : "single" or "mirrored", which distributes each batch over all GPUs
    start : path of a run of the same baseline and network, whose weights a network starts from
    settings : settings that replace those of the preset
    tensorboard : whether a network writes logs for TensorBoard, to the folder ``tensorboard`` of the run
    tell : callable that receives the lines for the user, such as one per epoch
    force : whether to delete an unfinished run, and to replace ``run`` once the new one is complete

    Returns
    -------
    dict
        The record of the run, as in ``run.json``. Its seconds include epochs before an interruption.

    Raises
    ------
    HarnessError
        If ``run`` exists, an unfinished run differs, or an option does not apply to the baseline.
    BaselineError
        If the settings or the data do not suit the baseline.
    """
    data, run = Path(data), Path(run)
    check_new(run, force=force)
    kind = baseline_class(name)
    track = get_track(kind.track)
    chosen = presets.updated(presets.settings(preset, name), settings or {})
    baseline = presets.make(kind, chosen, name)
    if (tensorboard or strategy != "single") and not is_network(baseline):
        raise HarnessError(f"{name} is no network: it takes neither --strategy nor --tensorboard")
    if tensorboard:
        require("--tensorboard", "tensorflow")
    if is_network(baseline):
        progress(0, 0, LOADING)
    origin = _origin(name, baseline, start) if start else None
    with open_split(data, track) as (training_data, validation_data):
        attempted = {
            "schema": RUN, "baseline": name, "track": track.name, "settings": chosen, "seed": seed,
            "strategy": strategy, "start": origin, "data": training_data.fingerprint,
            "validation": validation_data.fingerprint, "versions": versions(baseline),
        }  # fmt: skip
        with unfinished(run, attempted, force) as folder:
            started = time.perf_counter()
            title, history = f"{name}, {Path(preset).name}, seed {seed}", folder / "history.csv"
            checked, shown = (
                time.monotonic(),
                0.0,
            )  # when an epoch was last looked for; the one in the picture

            def told(done: float, total: int, text: str) -> None:
                nonlocal checked, shown
                progress(done, total, text)
                if time.monotonic() - checked >= SECONDS_BETWEEN_PICTURES and history.is_file():
                    if (epoch := history.stat().st_mtime) != shown:  # by the clock of the disk alone
                        draw_curves(folder, title, track)
                        shown = epoch
                    checked = time.monotonic()

            training = Training(seed, folder, told, strategy, start and start / "model", tensorboard, tell)
            outcome = baseline.fit(cases_of(training_data), cases_of(validation_data), training)
            (folder / "model").mkdir()
            baseline.save(folder / "model")
            in_epochs = sum(float(row["seconds"]) for row in epochs_of(folder))
            record = attempted | {
                "preset": Path(preset).name, "folder": str(data.absolute()), "cases": len(training_data),
                "outcome": outcome, "hardware": hardware(baseline),
                "seconds": round(max(time.perf_counter() - started, in_epochs), 3),
            }  # fmt: skip
            draw_curves(folder, title, track)
            write_text(folder / "run.json", json_text(record))
    return record


def draw_curves(run: Path, title: str, track: Track) -> None:
    """Draw the learning curves in the folder of a run, if it has any: a second, for ``history.png``."""
    if (file := run / "history.csv").is_file():
        from harness.report.figures import curves_figure, save_figure  # slow to import, seldom needed

        save_figure(curves_figure(file, title, track.scores), file.with_suffix(".png"))


def is_network(baseline: Baseline) -> bool:
    """Whether a baseline is one of Keras."""
    return "keras" in getattr(baseline, "packages", ())


def _origin(name: str, baseline: Baseline, start: Path) -> dict[str, Any]:
    """The record of the run whose weights a network begins with. Raises HarnessError if it cannot.

    The run of another baseline (``starts_from``) must have the settings that ``same_as_start`` names: they
    make the network what it is.
    """
    if not is_network(baseline):
        raise HarnessError(f"{name} is no network: it cannot start from the weights of {start}")
    origin, expected = finished(start), getattr(baseline, "starts_from", name)
    if origin["baseline"] != expected:
        raise HarnessError(f"{start} must be a run of {expected}, got one of {origin['baseline']}")
    first = presets.make(baseline_class(expected), origin["settings"], expected)
    for setting in getattr(baseline, "same_as_start", ()):
        if (wanted := getattr(baseline, setting)) != (has := getattr(first, setting)):
            raise HarnessError(
                f"{start} must have {setting} = {json.dumps(wanted)}, as {name} here, got {json.dumps(has)}; "
                f"name its preset, or --set {setting}={json.dumps(has)}"
            )
    return origin


@contextmanager
def open_split(data: Path, track: Track) -> Iterator[tuple[Dataset, Dataset]]:
    """The training and the validation data in a folder that `split` wrote."""
    with (
        open_dataset(data / "train.h5", track) as train_data,
        open_dataset(data / "validation.h5", track) as validation_data,
    ):
        yield train_data, validation_data


def cases_of(data: Dataset) -> Cases:
    """The columns of a data set as a baseline is given them, unread."""
    return Cases(data.inputs, data.truth, data.groups(), data.metadata)


def submit(
    runs: Sequence[str | PathLike[str]], inputs: str | PathLike[str], team: str, out: str | PathLike[str],
    method: str | None = None,
    progress: ProgressCallback = no_progress, average_symmetries: bool = False, link: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Predict every case of an inputs file with the models of runs, and write the submission.

    Predictions are averaged over the runs and, with ``average_symmetries``, over the symmetries of the track.

    Parameters
    ----------
    runs : sequence of paths of runs
    inputs : path of a data set with inputs
    team : str
    out : path of the zip to write
    method : str, optional
        By default the name of the baseline.
    progress : callable, optional
    average_symmetries : bool
    link : str, optional
        An https address of code or paper.

    Returns
    -------
    dict
        The manifest of the submission.

    Raises
    ------
    HarnessError
        If the runs belong to different tracks, or the track has no symmetries.
    """
    out = Path(out)
    records = [finished(Path(run)) for run in runs]
    tracks = {record["track"] for record in records}
    if len(tracks) > 1:
        raise HarnessError(f"runs that are averaged must be of one track, got {' and '.join(sorted(tracks))}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_dataset(inputs, get_track(tracks.pop())) as data:
        if average_symmetries and not data.track.symmetries:
            raise HarnessError(f"the track {data.track.name} has no symmetries to average over")
        views = load(data.track.symmetries) if average_symmetries else as_they_are

        def chunks() -> Iterator[np.ndarray]:  # the models are loaded after all else is checked
            baselines = [restored(Path(run), progress) for run in runs]
            yield from predictions(baselines, data, progress, views)

        fields = {
            "dataset_fingerprint": data.fingerprint,
            "seed": records[0]["seed"] if len(records) == 1 else None,
            "versions": _joined([record["versions"] for record in records]),
            "hardware": list(dict.fromkeys(text for record in records for text in record["hardware"])),
            "link": link,
            **_training_facts(records),
        }
        manifest = write_submission(
            out, data.track.format, team=team, method=method or _method(records, average_symmetries),
            case_ids=data.case_ids(), chunks=chunks(), manifest_fields=fields,
        )  # fmt: skip
    return asdict(manifest)


def _method(records: Sequence[dict[str, Any]], average_symmetries: bool) -> str:
    """The name of a method that averages over runs: "2 × unet + unet-ks93, over symmetries"."""
    counts = Counter(record["baseline"] for record in records)
    names = " + ".join(f"{count} × {name}" if count > 1 else name for name, count in counts.items())
    return names + ", over symmetries" * average_symmetries


def epochs_of(folder: Path) -> list[dict[str, str]]:
    """The epochs of a training, of all its stages, and also those before it was interrupted."""
    texts = [history.read_text(encoding="utf-8") for history in sorted(folder.rglob("history.csv"))]
    return [row for text in texts for row in csv.DictReader(text.splitlines())]


def _training_facts(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a manifest says of the training of all runs together; None is what not all records have.

    Not how long it took: the same training must give the same zip.
    """
    data = {record["data"] for record in records}
    weights = [record["outcome"]["weights"] for record in records if "weights" in record["outcome"]]
    return {
        "training_data": data.pop() if len(data) == 1 else None,
        "parameters": sum(weights) if len(weights) == len(records) else None,
    }


def _joined(tables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The values of several tables by key, each value once."""
    keys = dict.fromkeys(key for table in tables for key in table)
    return {key: ", ".join(dict.fromkeys(t[key] for t in tables if key in t)) for key in keys}


def restored(run: Path, progress: ProgressCallback = no_progress) -> Baseline:
    """The baseline of a finished run, as it was trained."""
    record = finished(run)
    baseline = presets.make(baseline_class(record["baseline"]), record["settings"], record["baseline"])
    if is_network(baseline):
        progress(0, 0, LOADING)
    baseline.restore(run / "model")
    return baseline


def as_they_are(inputs: np.ndarray) -> Iterator[View]:
    """The one view of inputs that are not moved."""
    yield inputs, lambda predictions: predictions


def predictions(
    baselines: Sequence[Baseline], data: Dataset | Cases, progress: ProgressCallback = no_progress,
    views: Callable[[np.ndarray], Iterator[View]] = as_they_are,
) -> Iterator[np.ndarray]:  # fmt: skip
    """The mean predictions of baselines over views of all cases, in chunks as those of `Cases.chunks`."""
    for start in range(0, len(data), CHUNK):
        chunk = slice(start, start + CHUNK)
        metadata = None if data.metadata is None else data.metadata[chunk]
        moved_back = [
            restore(predict(baseline, moved, metadata))
            for moved, restore in views(data.inputs[chunk])
            for baseline in baselines
        ]
        yield moved_back[0] if len(moved_back) == 1 else np.mean(moved_back, axis=0)
        progress(min(start + CHUNK, len(data)), len(data), "cases")


def versions(baseline: Baseline) -> dict[str, str]:
    """Versions of what the predictions depend on: these packages, and those that the baseline names."""
    named = getattr(baseline, "packages", ())
    if is_network(baseline):
        named += (chosen_backend(),)
    providers = _providers() if named else {}
    theirs = {name: version(providers[name][0]) for name in named if name in providers}
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **theirs}


def hardware(baseline: Baseline) -> list[str]:
    """What it was trained on: processors, GPUs with their software, and the precision of a network.

    Each text is one that a manifest may have: the name of a GPU that is too long for one goes on in the next.
    """
    parts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} processors"]
    if is_network(baseline):
        from baselines.backend import accelerators

        parts += [*accelerators(), getattr(baseline, "precision", "float32")]
    return [line for part in parts for line in textwrap.wrap(printable(part, len(part)), MAX_TEXT)]
