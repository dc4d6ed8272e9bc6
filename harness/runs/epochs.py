"""The number of epochs of a network: that of the best mean over several trainings.

So Castillo & Foix (2020) chose theirs: 40 epochs, four runs, the epoch of the best mean validation accuracy.
"""

from __future__ import annotations

import csv
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from baselines import presets
from baselines.protocol import Training
from harness.files import HarnessError, check_new, json_text, write_csv, write_text
from harness.progress import ProgressCallback, no_progress
from harness.runs.folder import unfinished
from harness.runs.registry import baseline_class
from harness.runs.training import cases_of, hardware, open_split, versions
from harness.schemas import EPOCHS
from harness.tracks import get_track

FIXED = {"patience": 0, "keep": "last"}  # settings that would make the number of epochs mean something else


def find_epochs(
    name: str, data: Path, out: Path, preset: str = "laptop", runs: int = 4, epochs: int = 40, seed: int = 0,
    progress: ProgressCallback = no_progress, force: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Train a network ``runs`` times for ``epochs`` epochs, and return the record with the best number.

    The runs differ in their seeds alone: ``seed``, ``seed`` + 1 and so on. The best number is that of the
    epoch with the highest mean validation accuracy, or with the lowest mean validation loss if there is no
    accuracy; of equals, the earliest. The new folder ``out`` gets the record, ``epochs.json``, the curve of
    the means, ``epochs.csv``, the histories of the runs, and the settings with the best number of epochs as a
    preset, ``best.toml``. It appears when all runs are complete; until then the same call resumes them.

    A schedule that depends on the number of epochs, ``cosine``, is replaced by a constant learning rate.
    Raises `HarnessError` if ``out`` exists and is not to be replaced (``force``), or if the baseline has no
    epochs.
    """
    check_new(out, force=force)
    kind = baseline_class(name)
    known = signature(kind).parameters
    if "epochs" not in known:
        raise HarnessError(f"--epochs-only must be for a network, which has epochs, got {name}")
    track = get_track(kind.track)
    fixed = {key: value for key, value in FIXED.items() if key in known}
    chosen = presets.settings(preset, name) | fixed | {"epochs": epochs}
    if getattr(presets.make(kind, chosen), "schedule", "") == "cosine":
        chosen["schedule"] = "constant"  # the rates of a cosine depend on the number of epochs
    with open_split(data, track) as (train_data, validation_data):
        baseline = presets.make(kind, chosen)
        attempted = {
            "schema": EPOCHS, "baseline": name, "track": track.name, "preset": Path(preset).name,
            "seed": seed, "runs": runs, "epochs": epochs, "settings": chosen, "data": train_data.fingerprint,
            "validation": validation_data.fingerprint, "versions": versions(baseline),
        }  # fmt: skip
        with unfinished(out, attempted, force) as folder:
            for run in range(runs):

                def told(done: float, total: int, text: str, run: int = run) -> None:
                    progress(run, runs, f"runs; number {run + 1}: {int(done)} of {total}, {text}")

                run_folder = folder / f"run-{run}"
                run_folder.mkdir(exist_ok=True)
                training = Training(seed + run, run_folder, told)
                presets.make(kind, chosen).fit(cases_of(train_data), cases_of(validation_data), training)
            progress(runs, runs, "runs")
            curves = best_epoch([folder / f"run-{run}" / "history.csv" for run in range(runs)])
            record = attempted | {"hardware": hardware(baseline)} | curves
            write_text(folder / "best.toml", _preset(record, preset))
            header = ("epoch", "mean", *(f"seed-{seed + run}" for run in range(runs)))
            write_csv(folder / "epochs.csv", header, table(record))
            write_text(folder / "epochs.json", json_text(record))
    return record


def best_epoch(files: list[Path]) -> dict[str, Any]:
    """What was watched in histories of equally many epochs, its mean by epoch, and the best of these."""
    histories = [list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) for file in files]
    monitor = "val_accuracy" if "val_accuracy" in histories[0][0] else "val_loss"
    values = np.array([[float(row[monitor]) for row in history] for history in histories])
    means = values.mean(axis=0)
    best = int(np.argmax(means) if monitor == "val_accuracy" else np.argmin(means))
    curve = [
        {"epoch": epoch, "mean": float(mean), "runs": of_runs}
        for epoch, (mean, of_runs) in enumerate(zip(means, values.T.tolist(), strict=True), 1)
    ]
    return {"monitor": monitor, "best": {"epochs": best + 1, "mean": float(means[best])}, "curve": curve}


def table(record: dict[str, Any]) -> list[tuple[float, ...]]:
    """The curve as rows: epoch, mean, and the value of each run."""
    return [(point["epoch"], point["mean"], *point["runs"]) for point in record["curve"]]


def _preset(record: dict[str, Any], preset: str) -> str:
    best = record["best"]
    command = (
        "astroboard tune {baseline} --epochs-only --preset {preset} --runs {runs} --epochs {epochs} "
        "--seed {seed}"
    ).format_map(record)
    comment = f"The best epoch of `{command}`: mean {record['monitor']} {best['mean']:.6g}."
    chosen = record["settings"] | {"epochs": best["epochs"]}
    return presets.preset_text(record["baseline"], chosen, comment, preset)
