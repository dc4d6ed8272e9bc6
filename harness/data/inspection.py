"""Summaries of the project's files, for `astroboard inspect`."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.pack import Packing, add, drop_incomplete, is_fatal
from harness.data.sources.base import Problem, description, matching_sources, read_source
from harness.data.store import CHUNK, Dataset, open_dataset
from harness.data.tally import Counted, Tally
from harness.files import HarnessError, read_json
from harness.progress import ProgressCallback, no_progress
from harness.schemas import JSON_FILES, LEADERBOARD, RUN
from harness.tracks import Track
from submissions import limits, manifest, strict_json
from submissions.archive import Files, list_zip
from submissions.kinds import HDF5, first_bytes
from submissions.report import printable


def inspect(path: Path, progress: ProgressCallback = no_progress) -> dict[str, Any]:
    """A summary of a dataset file, a submission, a run's folder, or what a command found.

    Of a dataset file, and of what one can be packed from, all cases are read: counts are exact.
    """
    if (path / "run.json").is_file():
        return {"kind": "run"} | read_json(path / "run.json", RUN)
    start = first_bytes(path)
    if start.startswith(HDF5):
        with open_dataset(path) as dataset:
            return inspect_dataset(dataset, progress)
    if start.startswith(b"PK"):
        return _zip(path, progress)
    if start.lstrip().startswith(b"[") and (boards := _boards(path)):
        return {"kind": "leaderboard", "boards": boards}
    if start.lstrip().startswith(b"{"):  # as no source begins
        value = read_json(path, *JSON_FILES)
        return {"kind": value["schema"].split("/")[0].removeprefix("astroboard-")} | value
    for track in _tracks(path):
        return _source(track, path, progress)[0]
    if path.is_dir():
        raise HarnessError(
            f"{path} must be a run that has finished or a folder that can be packed, got one without "
            "run.json and without maps or alerts"
        )
    raise HarnessError(
        f"{path} must be a data set (.h5), a submission (.zip), a run's folder, what a data set can be "
        f"packed from, or JSON that astroboard wrote, got {description(path)}"
    )


def _tracks(path: Path) -> Iterable[Track]:
    """The tracks that have a source for a path."""
    return {track.name: track for track, _ in matching_sources(path)}.values()


def inspect_dataset(dataset: Dataset, progress: ProgressCallback = no_progress) -> dict[str, Any]:
    """A summary of an open dataset file; all its inputs and truth are read, a chunk at a time."""
    tally = Tally(dataset.track)
    names = {dataset.track.inputs.name, dataset.track.truth.name} & dataset.columns.keys()
    for start in range(0, len(dataset), CHUNK):
        tally.add({name: dataset.columns[name][start : start + CHUNK] for name in names})
        progress(min(start + CHUNK, len(dataset)), len(dataset), "cases")
    return {
        "kind": "dataset",
        "track": dataset.track.name,
        "role": dataset.role,
        "cases": len(dataset),
        "groups": len(np.unique(dataset.groups())),
        "first_case": dataset.case_ids()[0],
        "columns": {
            name: f"{len(column.dtype)} fields" if column.dtype.names else f"{column.dtype} {column.shape}"
            for name, column in dataset.columns.items()
        },
        "fingerprint": dataset.fingerprint,
        "source": dataset.source,
        **tally.to_json(),
    }


def _source(track: Track, path: Path, progress: ProgressCallback) -> tuple[dict[str, Any], Counted]:
    """The cases that `pack` would take from a file or folder, and those that it would leave out.

    The values of cases of which only a half came are counted, too: they are gone when that is known.
    """
    counted, packing = Counted(track), Packing(True, Tally(track))
    damaged: list[str] = []

    def note(problem: Problem) -> None:
        packing.note(problem)
        if is_fatal(problem, skip_damaged=False):
            damaged.append(str(problem.error))

    for item in read_source(track.sources, path):
        for problem in [item] if isinstance(item, Problem) else add(counted, item, path):
            note(problem)
        progress(len(counted.rows), 0, "cases")
    for problem in drop_incomplete(counted):
        note(problem)
    reasons = [reason for _, reason in packing.left_out]
    return {
        "kind": "source",
        "track": track.name,
        "cases": len(counted.rows),
        **counted.to_json(),
        "left_out": {"cases": len(reasons), "first": reasons[:1], **packing.counts.to_json()},
        "damaged": {"cases": len(damaged), "first": damaged[:1]},  # at which `pack` stops
        "ignored": len(packing.ignored),
    }, counted


def _zip(path: Path, progress: ProgressCallback) -> dict[str, Any]:
    """A submission, or a source.

    Maps of the truth are stored as predictions are. So without a manifest it is a source that tells: one that
    finds whole cases with inputs, or that reads a zip in which no file is named as predictions are.
    """
    archive = list_zip(path)
    for track in () if manifest.NAME in archive.names else _tracks(path):
        summary, counted = _source(track, path, progress)
        predictions = any(track.format.matches(name) for name in archive.names)
        if (counted.rows and track.inputs.name in counted.columns) or not predictions:
            return summary
    return _submission(archive)


def _submission(files: Files) -> dict[str, Any]:
    stated = None
    if manifest.NAME in files.names:
        with files.open() as content:
            stated = manifest.parse(content(manifest.NAME, limits.MAX_MANIFEST_BYTES))
    names = [name for name in files.names if name != manifest.NAME]
    return {
        "kind": "submission",
        "files": len(names),
        "first_file": min(names, default=None),
        "manifest": asdict(stated) | {"files": len(stated.files)} if stated else None,
        "refused": [fault.message for fault in files.findings().faults],
    }


def _boards(path: Path) -> list[dict[str, Any]]:
    """The leaderboards of several tracks in one file; empty where it holds anything else."""
    try:
        boards = strict_json.loads(path.read_bytes())
    except ValueError:
        return []
    own = all(isinstance(board, dict) and board.get("schema") == LEADERBOARD for board in boards)
    return boards if own else []


def lines(summary: dict[str, Any], indent: str = "") -> list[str]:
    """The summary as indented lines of text."""
    text: list[str] = []
    for key, value in summary.items():
        if isinstance(value, dict) and value:
            text += [f"{indent}{key}:", *lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            text.append(f"{indent}{key}: {len(value)} entries")
            text += [f"{indent}  {shown}" for shown in map(_entry, value) if shown]
        else:
            text.append(printable(f"{indent}{key}: {value}"))
    return text


def _entry(entry: Any) -> str:
    """The verdict on a claim that was put to the test, and what it lacks, or the size of a leaderboard.

    Empty for any other entry.
    """
    if not isinstance(entry, dict):
        return ""
    if entry.get("schema") == LEADERBOARD and isinstance(rows := entry.get("rows"), list):
        return printable(f"{entry.get('track')}: {len(rows)} rows, {entry.get('cases')} cases")
    if "verdict" not in entry:
        return ""
    lacking = entry.get("lacking")
    verdict = [entry["verdict"], *(lacking if isinstance(lacking, list) else [])]
    return printable(f"{entry.get('name')}: {'; '.join(map(str, verdict))}")
