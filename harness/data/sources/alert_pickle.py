"""Alerts as the challenge hands them out: a pickled dictionary ``images``, ``labels``, ``metadata``."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import child
from harness.data.sources import safe_pickle
from harness.data.sources.alerts import usable_alerts
from harness.data.sources.base import Cases, Problem
from harness.data.store import DataError, located
from harness.files import HarnessError
from harness.tracks import STAMPS
from submissions.kinds import first_bytes
from submissions.report import printable

EXPECTED = "the challenge's pickle"
# What a child process may take to read a pickle: the slowest that are admitted take a third of it.
SECONDS, BYTES_A_SECOND = 60, 1 << 20
MEMORY, MEMORY_A_BYTE = 2 << 30, 8
ID_DIGITS = 16
IDENTIFIERS = ("candid", "objectId", "oid")


def matches(path: Path) -> bool:
    """Whether the file is a pickle: protocols 2 and above name themselves, 0 and 1 begin with a container."""
    start = first_bytes(path)
    return start.startswith(b"\x80") or (start[:1] in (b"(", b"}", b"]") and path.read_bytes().endswith(b"."))


def read(path: Path, labels: Mapping[str, int] | None = None) -> Iterator[Cases | Problem]:
    """The alerts of the dictionary (its keys in either capitalisation), read in a child process.

    An alert that comes again, as in a set that was oversampled, is a problem: it repeats the first of them.
    """
    if labels is not None:
        raise DataError(f"{path} is no alert packet: --labels are for those, a pickle has its own")
    size = path.stat().st_size
    seconds, memory = SECONDS + size // BYTES_A_SECOND, MEMORY + MEMORY_A_BYTE * size
    try:
        for item, arrays in child.items(f"{__name__}:sent", path, seconds, memory):
            item["columns"] = dict(zip(item["columns"], arrays, strict=True))
            if "error" in item:
                item["error"] = DataError(item["error"])
                yield Problem(**item)
            else:
                yield Cases(**item)
    except HarnessError as error:
        raise DataError(str(error)) from error


def sent(path: Path) -> Iterator[child.Item]:
    """The alerts of the dictionary, as a child process sends them."""
    for item in _read(path):
        content = vars(item) | {"columns": list(item.columns)}
        if isinstance(item, Problem):
            content["error"] = str(item.error)
        yield content, list(item.columns.values())


def _read(path: Path) -> Iterator[Cases | Problem]:
    content = safe_pickle.load(path)
    try:
        with located(path):
            images, labels, metadata, candids, object_names = _arrays(content)
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not laid out as expected: {printable(error)}") from error
    contents = _contents(images, labels, metadata)
    seen: dict[bytes, int] = {}
    first = [seen.setdefault(content, index) for index, content in enumerate(contents)]
    repeats = [index for index, original in enumerate(first) if original < index]
    for index in repeats:
        repeated = f"repeats alert {candids[first[index]]}"
        reason = f"{repeated}, as {len(repeats):,} of {len(first):,} alerts do others"
        yield Problem(candids[index], DataError(f"alert {candids[index]}: {reason}"), damaged=False)
    unique = list(seen.values())
    items = usable_alerts(
        [images[index] for index in unique],
        None if labels is None else labels[unique],
        None if metadata is None else metadata[unique],
        [candids[index] for index in unique],
        [object_names[index] for index in unique],
    )
    named = metadata is not None and "candid" in (metadata.dtype.names or ())
    key = hashlib.sha256(b"".join(contents)).digest()
    for item in items:
        if isinstance(item, Cases) and not named:
            # Alerts without a candid have a number only, which would tell the class where they are sorted.
            # The key is of all alerts in their order, so that only who has the pickle can repeat the ids.
            ids = [hashlib.sha256(key + number.encode()).hexdigest()[:ID_DIGITS] for number in item.case_id]
            item = replace(item, case_id=ids)
        yield item


def _contents(
    images: Sequence[Any] | np.ndarray, labels: np.ndarray | None, metadata: np.ndarray | None
) -> list[bytes]:
    """The SHA-256 of each alert: the same for those with the same stamp, label and metadata.

    Stamps of one value all over tell no alerts apart, so it is that of their number.
    """
    contents = []
    for index, stamp in enumerate(images):
        content = hashlib.sha256(str(index).encode())
        if isinstance(stamp, np.ndarray) and stamp.dtype.kind in "fiu":
            values = stamp.tobytes()
            if values != values[: stamp.itemsize] * stamp.size:
                content = hashlib.sha256(f"{stamp.dtype} {stamp.shape} ".encode() + values)
                for column in (labels, metadata):
                    content.update(b"" if column is None else column[index].tobytes())
        contents.append(content.digest())
    return contents


def _arrays(content: Any) -> tuple[Any, np.ndarray | None, np.ndarray | None, list[str], list[str]]:
    """The arguments of `usable_alerts`; alerts without a name have their number."""
    if not isinstance(content, Mapping):
        raise DataError(f"it must hold a dictionary of images and labels, got a {type(content).__name__}")
    entries = {str(key).lower(): value for key, value in content.items()}
    if "images" not in entries:
        raise DataError(f"it must hold images, got {', '.join(map(str, content))}")
    images = entries["images"]
    if not isinstance(images, list | tuple | np.ndarray):
        raise DataError(f"its images must be a list or an array, got a {type(images).__name__}")
    labels = _labels(entries["labels"], len(images)) if "labels" in entries else None
    metadata = _metadata(entries.get("metadata"), len(images))
    candids = _texts(metadata, ("candid",)) or [f"{index:06d}" for index in range(len(images))]
    return images, labels, metadata, candids, _texts(metadata, ("objectId", "oid")) or candids


def _labels(values: Any, cases: int) -> np.ndarray:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"its labels must be whole numbers in one row, got {labels.dtype} {labels.shape}")
    if len(labels) != cases:
        raise DataError(f"it must have a label for each image, got {cases} images and {len(labels)} labels")
    highest = len(STAMPS.classes) - 1
    for index in np.flatnonzero((labels < 0) | (labels > highest)):
        raise DataError(f"its labels must be 0 to {highest}, got label {labels[index]} of alert {index}")
    return labels.astype(np.int8)


def _metadata(rows: Any, cases: int) -> np.ndarray | None:
    """Metadata as a structured array of numbers and bytes: from any such, or from a list for each alert."""
    if rows is None:
        return None
    if len(rows) != cases:
        raise DataError(f"it must have metadata for each image, got {cases} images and {len(rows)}")
    if isinstance(rows, np.ndarray) and rows.dtype.names:
        columns = {key: rows[key] for key in rows.dtype.names}
    elif isinstance(rows[0], Mapping):
        columns = {str(key): [row[key] for row in rows] for key in rows[0]}
    else:
        columns = {f"feature_{index:02d}": column for index, column in enumerate(zip(*rows, strict=True))}
    plain = {key: _plain(column, key in IDENTIFIERS) for key, column in columns.items()}
    table = np.empty(cases, [(key, column.dtype) for key, column in plain.items()])
    for key, column in plain.items():
        table[key] = column
    return table if plain else None


def _plain(column: Sequence[Any] | np.ndarray, is_identifier: bool) -> np.ndarray:
    """Numbers as they are, others as floats or, where they are none, as UTF-8.

    Identifiers never become floats, which hold no more than sixteen digits of them.
    """
    values = np.asarray(column)
    if values.dtype.kind in ("iuS" if is_identifier else "iufbS"):
        return values
    if is_identifier:
        return np.char.encode([str(value) for value in column], "utf-8")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        return np.char.encode(values.astype(str), "utf-8")


def _texts(metadata: np.ndarray | None, names: tuple[str, ...]) -> list[str] | None:
    """The first of these columns that there is, as texts."""
    for name in names:
        if metadata is not None and name in (metadata.dtype.names or ()):
            values = metadata[name].tolist()
            return [str(v, "utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    return None
