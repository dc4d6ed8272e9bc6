"""Summaries of the project's files, for `astroboard inspect`."""

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

SAMPLED_CASES = 256
LARGEST_USABLE = 1e10  # some stamps hold −3.4e38 where there is no value
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
    try:
        value = read_json(path, *JSON_FILES)
    except HarnessError as error:
        raise HarnessError(
            f"{path} must be a dataset (.h5), a submission (.zip), a run's folder, or JSON that astroboard "
            f"wrote, got none of these: {error}"
        ) from error
    return {"kind": value["schema"].split("/")[0].removeprefix("astroboard-")} | value


def _dataset(dataset: Dataset) -> dict[str, Any]:
    groups = dataset.groups()
    summary: dict[str, Any] = {
        "kind": "dataset",
        "track": dataset.track.name,
        "role": dataset.role,
        "cases": len(dataset),
        "groups": len(np.unique(groups)),
        "first_case": dataset.case_ids()[0],
        "columns": {
            name: f"{len(column.dtype)} fields" if column.dtype.names else f"{column.dtype} {column.shape}"
            for name, column in dataset.columns.items()
        },
        "fingerprint": dataset.fingerprint,
        "source": dataset.source,
    }
    if dataset.track.classes and dataset.track.truth.name in dataset.columns:
        labels = dataset.truth[:]  # which in a file of others may be no class at all
        counts = {name: int((labels == label).sum()) for label, name in enumerate(dataset.track.classes)}
        summary["classes"] = counts
    for column in (dataset.track.inputs, dataset.track.truth):
        if column.name in dataset.columns and column.shape:
            summary[column.name] = _images(dataset, column.name)
    return summary


def _submission(path: Path) -> dict[str, Any]:
    files = list_zip(path)
    with files.open() as content:
        has_manifest = manifest.NAME in files.names
        stated = manifest.parse(content(manifest.NAME, limits.MAX_MANIFEST_BYTES)) if has_manifest else None
    names = [name for name in files.names if name != manifest.NAME]
    return {
        "kind": "submission",
        "files": len(names),
        "first_file": min(names, default=None),
        "manifest": asdict(stated) | {"files": len(stated.files)} if stated else None,
        "refused": [fault.message for fault in files.findings().faults],
    }


def _images(dataset: Dataset, name: str) -> dict[str, float]:
    """Range, mean, standard deviation, and shares of zeros and unusable values, in evenly spaced cases."""
    rows = np.unique(np.linspace(0, len(dataset) - 1, SAMPLED_CASES).round().astype(int))
    values = np.stack([dataset.columns[name][row] for row in rows]).astype(np.float64)
    usable = values[np.isfinite(values) & (np.abs(values) < LARGEST_USABLE)]
    summary = {"zeros": (values == 0).mean(), "unusable": 1 - usable.size / values.size}
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
