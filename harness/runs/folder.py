"""The folder of a run: unfinished beside its name, then under it, with its record ``run.json``."""

from __future__ import annotations

import fcntl
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.files import HarnessError, json_text, read_json, write_text
from harness.schemas import RUN

RECORDED: dict[str, type | tuple[type, ...]] = {
    "baseline": str, "track": str, "settings": dict, "seed": int, "versions": dict, "hardware": list,
    "cases": int, "seconds": (int, float), "outcome": dict,
}  # fmt: skip
"""The fields that ``run.json`` must have."""


@contextmanager
def unfinished(run: Path, attempted: dict[str, Any]) -> Iterator[Path]:
    """The folder of a run that is not complete, renamed to ``run`` when the block ends without an error.

    It holds the checkpoints of an earlier attempt at the same run, of which ``attempted`` says all that it
    depends on. After an error it stays if there are checkpoints to resume from.
    """
    outer = run.with_name(f".{run.name}.unfinished")
    note, folder = outer / "attempted.json", outer / "run"
    outer.mkdir(parents=True, exist_ok=True)
    with (outer / "lock").open("w") as lock:  # which the system releases when the process is killed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HarnessError(f"another process is training {run}: wait for it, or end it") from error
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


def finished(run: Path) -> dict[str, Any]:
    """The record of a finished run. Raises HarnessError if it is none, or if the record is damaged."""
    if not (run / "run.json").is_file():
        raise HarnessError(f"{run} is no finished run: a folder that `astroboard train` wrote was expected")
    record = read_json(run / "run.json", RUN)
    if isinstance(record.get("hardware"), str):  # as version 0.1.0 wrote it
        record["hardware"] = record["hardware"].split(", ")
    if wrong := [name for name, kind in RECORDED.items() if not isinstance(record.get(name), kind)]:
        raise HarnessError(f"{run / 'run.json'} is damaged: it has no {', '.join(wrong)}")
    return record


def histories(runs: Path | None, submissions: Iterable[Path]) -> dict[Path, Path]:
    """The history.csv of the run in the folder ``runs`` that has a submission's name, by submission."""
    paths = {path: runs / path.stem / "history.csv" for path in submissions} if runs else {}
    return {submission: history for submission, history in paths.items() if history.is_file()}
