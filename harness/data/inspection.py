"""What a file of the project holds, for `astroboard inspect`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError, read_json
from harness.schemas import JSON_FILES, RUN
from submissions import limits, manifest
from submissions.archive import list_zip
from submissions.report import printable

SAMPLE = 256
HDF5_MAGIC, ZIP_MAGIC = b"\x89HDF\r\n\x1a\n", b"PK"


def inspect(path: Path) -> dict[str, Any]:
    """A summary of a dataset file, a submission, a run's folder, or what a command found."""
    if path.is_dir():
        if not (path / "run.json").is_file():
            raise HarnessError(f"{path} is a folder without run.json: no run that has finished")
        return {"kind": "run"} | read_json(path / "run.json", RUN)
    with path.open("rb") as file:
        start = file.read(8)
    if start == HDF5_MAGIC:
        with open_dataset(path) as dataset:
            return _dataset(dataset)
    if start.startswith(ZIP_MAGIC):
        return _submission(path)
    for schema in JSON_FILES:
        try:
            return {"kind": schema.split("/")[0].removeprefix("astroboard-")} | read_json(path, schema)
        except HarnessError:
            continue
    raise HarnessError(
        f"{path} is none of the files of astroboard: a dataset (.h5), a submission (.zip), "
        f"a run's folder or JSON with one of the schemas {', '.join(JSON_FILES)} was expected"
    )


def _dataset(dataset: Dataset) -> dict[str, Any]:
    groups = dataset.groups()
    summary: dict[str, Any] = {
        "kind": "dataset",
        "track": dataset.track.name,
        "role": dataset.role,
        "cases": len(dataset),
        "groups": len(np.unique(groups)),
        "first_case": dataset.case_ids()[0] if len(dataset) else None,
        "columns": {
            name: f"{column.dtype} {column.shape}"
            if column.dtype.names is None
            else f"{len(column.dtype)} fields"
            for name, column in dataset.columns.items()
        },
        "fingerprint": dataset.fingerprint,
        "source": dataset.source,
    }
    track = dataset.track
    if track.truth.name in dataset.columns and track.classes:
        labels = dataset.truth[:]
        summary["classes"] = {
            name: int(np.count_nonzero(labels == number)) for number, name in enumerate(track.classes)
        }
    for column in (track.inputs, track.truth):
        if column.shape and column.name in dataset.columns:
            summary[column.name] = _values(dataset, column.name)
    return summary


def _submission(path: Path) -> dict[str, Any]:
    files = list_zip(path)
    with files.open() as content:
        known = manifest.NAME in files.names
        found = manifest.parse(content(manifest.NAME, limits.MAX_MANIFEST_BYTES)) if known else None
    names = [name for name in files.names if name != manifest.NAME]
    return {
        "kind": "submission",
        "files": len(names),
        "first_file": min(names, default=None),
        "manifest": asdict(found) | {"files": len(found.files)} if found else None,
        "refused": [fault.message for fault in files.findings().faults],
    }


def _values(dataset: Dataset, name: str) -> dict[str, float]:
    """Range, mean, spread, and shares of zeros and NaN in a sample of cases spread evenly over the file."""
    rows = np.unique(np.linspace(0, len(dataset) - 1, SAMPLE).round().astype(int))
    values = np.stack([dataset.columns[name][row] for row in rows]).astype(np.float64)
    usable = values[np.isfinite(values) & (np.abs(values) < 1e10)]
    summary = {
        "zeros": (values == 0).mean(),
        "unusable": 1 - usable.size / values.size,
    }
    if usable.size:
        summary |= {"min": usable.min(), "max": usable.max(), "mean": usable.mean(), "std": usable.std()}
    return {"sampled_cases": len(rows)} | {key: float(f"{value:.6g}") for key, value in summary.items()}


def lines(summary: dict[str, Any], indent: str = "") -> list[str]:
    """The summary as indented lines of text."""
    text: list[str] = []
    for key, value in summary.items():
        if isinstance(value, dict) and value:
            text += [f"{indent}{key}:", *lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            text.append(f"{indent}{key}: {len(value)} entries")
        else:
            text.append(printable(f"{indent}{key}: {value}"))
    return text
