"""The folder of a run: unfinished beside its name, then under it, with its record ``run.json``."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.files import HarnessError, check_new, json_text, read_json, write_text
from harness.schemas import RUN
from submissions import strict_json
from submissions.report import printable

RECORDED: dict[str, type | tuple[type, ...]] = {
    "baseline": str, "track": str, "settings": dict, "seed": int, "versions": dict, "hardware": list,
    "cases": int, "data": str, "seconds": (int, float), "outcome": dict,
}  # fmt: skip
"""The fields that ``run.json`` must have."""
RECORDS = ("run.json", "tuning.json", "epochs.json")
EARLIER = "earlier_versions"


@contextmanager
def unfinished(run: Path, attempted: dict[str, Any], force: bool = False) -> Iterator[Path]:
    """The folder of a run that is not complete, renamed to ``run`` when the block ends without an error.

    It holds the checkpoints of an earlier attempt at the same run, of which ``attempted`` says all that it
    depends on. After an error it stays if there are checkpoints to resume from. An attempt with other
    versions of the same packages is resumed, too; those become ``earlier_versions`` of ``attempted``.

    Raises HarnessError if ``run`` exists, or if what is unfinished is another run. With ``force`` these are
    replaced: a run that exists when the new one is complete.
    """
    check_new(run, force=force)
    if run.exists() and not any((run / name).is_file() for name in RECORDS):
        raise HarnessError(f"{run} must be a run to be replaced, got none; name a new folder")
    outer = run.with_name(f".{run.name}.unfinished")
    note, folder = outer / "attempted.json", outer / "run"
    outer.mkdir(parents=True, exist_ok=True)
    with (outer / "lock").open("w") as lock:  # which the system releases when the process is killed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HarnessError(f"another process is training {run}: wait for it, or end it") from error
        try:
            shutil.rmtree(folder / "model", ignore_errors=True)  # killed or failed while it was written
            if folder.is_dir() and any(folder.iterdir()):
                _resume(outer, attempted, force)
            folder.mkdir(exist_ok=True)
            write_text(note, json_text(attempted))
            yield folder
            if run.exists():
                run.replace(outer / "replaced")
            folder.replace(run)
            for checkpoint in run.rglob("checkpoint.*"):
                checkpoint.unlink()
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C, and what SIGTERM is made
            kept = f"what is done{_epochs(folder)} is kept in {outer}: the same command resumes it"
            empty = "nothing was complete yet, and nothing is kept"
            print(f"stopped: {kept if _holds(folder) else empty}", file=sys.stderr)
            raise
        finally:
            if not _holds(folder):
                shutil.rmtree(outer)


def _holds(folder: Path) -> bool:
    """Whether there is anything to resume from."""
    return folder.is_dir() and not {path.name for path in folder.iterdir()} <= {"model"}


def _resume(outer: Path, attempted: dict[str, Any], force: bool) -> None:
    """Compare what is unfinished with what is attempted; empty its folder if that is to be replaced."""
    try:
        before = strict_json.loads((outer / "attempted.json").read_bytes())
    except (OSError, ValueError):
        before = {}
    earlier = before.pop(EARLIER, [])
    changed = {
        name: (old, new)
        for name, (old, new) in differences(before, attempted).items()
        if not (name.startswith("versions.") and old is not None and new is not None)
    }
    if changed and force:
        print(f"removing what was unfinished in {outer}", file=sys.stderr)
        shutil.rmtree(outer / "run")
        return
    if changed:
        listed = ", ".join(f"{name.removeprefix('settings.')} {_brief(old)} → {_brief(new)}"
                           for name, (old, new) in changed.items())  # fmt: skip
        raise HarnessError(
            f"{outer} must be of the same run to be resumed, got another: {listed}; repeat the command that "
            "began it, name another folder for this one, or remove the unfinished one"
        )
    print(f"resuming the run that was left unfinished in {outer}", file=sys.stderr)
    if updated := differences(before["versions"], attempted["versions"]):
        listed = ", ".join(f"{name} {old} → {new}" for name, (old, new) in updated.items())
        effect = "the last digits of its weights may depend on that"
        print(f"warning: it began with other versions ({listed}); {effect}", file=sys.stderr)
        earlier = [*earlier, before["versions"]]
    if earlier:
        attempted[EARLIER] = earlier


def differences(before: Any, after: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """The values in which two nested dictionaries differ, by dotted name; None for one that lacks it."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return {} if before == after else {name: (before, after)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*before, *after]):
        found |= differences(before.get(key), after.get(key), f"{name}.{key}".lstrip("."))
    return found


def _brief(value: Any) -> str:
    """A value in a few characters: of a run, or of a fingerprint, its beginning."""
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return printable(text, 16)


def _epochs(folder: Path) -> str:
    """How many epochs are in the last history of the folder: `` until epoch 3``."""
    histories = sorted(folder.rglob("history.csv"), key=lambda path: path.stat().st_mtime)
    return f" until epoch {len(histories[-1].read_bytes().splitlines()) - 1}" if histories else ""


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
