"""Writing files so that nothing half-written is ever left under its final name."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from submissions import strict_json
from submissions.report import STEERING


class HarnessError(Exception):
    """A fault of the data, of a file or of a run; the message says what to do."""


def check_new(*paths: Path, force: bool = False) -> None:
    """Raise HarnessError for the first of the paths that exists, unless what exists is to be replaced."""
    for path in paths:
        if not force and os.path.lexists(path):
            raise HarnessError(
                f"{path} must be new, got one that exists already; name another, or replace it with --force"
            )


def check_own(folder: Path, record: str, schema: str, names: Iterable[str], force: bool = False) -> None:
    """Raise HarnessError where an update of a folder would replace files of others, unless they may be.

    The files with these names are ours where the folder has a ``record`` of the schema. Elsewhere they must
    be new.
    """
    if force or not (folder / record).exists():
        check_new(*(folder / name for name in names), force=force)
    else:
        read_json(folder / record, schema)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A new file in the folder of ``path``, renamed to it when the block ends well and removed when not."""
    if path.is_dir():
        raise HarnessError(f"{path} must be a file to write, got a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private, as no other output is
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a file that appears under its name when it is complete."""
    with beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV in UTF-8; None is an empty cell."""
    write_text(path, csv_text(header, rows))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; None is an empty cell."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(chain([header], rows))
    return file.getvalue()


def json_text(value: Any) -> str:
    """JSON for files and for ``--json``: indented, UTF-8, never NaN (which is no JSON).

    What can steer a terminal is an escape of JSON, which tells the same.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return STEERING.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def read_json(path: Path, *schemas: str) -> dict[str, Any]:
    """The JSON object in a file of the project. Raises HarnessError if its ``schema`` is none of these."""
    try:
        value = strict_json.loads(path.read_bytes())
    except ValueError as error:
        raise HarnessError(f"{path} holds no JSON: {error}") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema not in schemas:
        raise HarnessError(f"{path} must have the schema {' or '.join(map(repr, schemas))}, got {schema!r}")
    assert isinstance(value, dict)
    return value
