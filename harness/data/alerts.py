"""Alert stamps as the challenge hands them out: a pickled dictionary ``images``, ``labels``, ``metadata``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.store import DataError, Writer
from harness.progress import Report, silent
from harness.tracks import STAMPS

CHUNK = 256


@dataclass(frozen=True)
class Alerts:
    """Alerts as they come, after the checks that need no look at the images."""

    images: Sequence[np.ndarray]
    labels: np.ndarray | None
    metadata: np.ndarray | None
    case_id: list[str]
    group_name: list[str]


def stamps_from(content: Any, name: str) -> Alerts:
    """Alerts from the dictionary ``images``, ``labels``, ``metadata`` (either capitalisation)."""
    if not isinstance(content, Mapping):
        raise DataError(
            f"{name} holds a {type(content).__name__}; a dictionary of images and labels was expected"
        )
    parts = {str(key).lower(): value for key, value in content.items()}
    if not {"images", "labels"} <= parts.keys():
        raise DataError(
            f"{name} has the keys {', '.join(map(str, content))}; images and labels were expected"
        )
    images, labels = parts["images"], np.asarray(parts["labels"])
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{name}: labels must be whole numbers in one row, they are {labels.dtype} {labels.shape}"
        )
    if len(images) != len(labels):
        raise DataError(f"{name} has {len(images)} images and {len(labels)} labels")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(STAMPS.classes)))
    if len(wrong):
        raise DataError(
            f"{name}: label {labels[wrong[0]]} of alert {wrong[0]} is none of 0 to {len(STAMPS.classes) - 1}"
        )
    metadata = _metadata(parts.get("metadata"), len(labels), name)
    case_id = _texts(metadata, ("candid",)) or [f"{index:06d}" for index in range(len(labels))]
    group_name = _texts(metadata, ("objectId", "oid")) or case_id
    return Alerts(images, labels.astype(np.int8), metadata, case_id, group_name)


def _metadata(rows: Any, cases: int, name: str) -> np.ndarray | None:
    """Metadata as a structured array: as it came, or from a list of values for each alert."""
    if rows is None:
        return None
    if len(rows) != cases:
        raise DataError(f"{name} has {cases} labels and metadata of {len(rows)}")
    if isinstance(rows, np.ndarray) and rows.dtype.names:
        if rows.dtype.hasobject or rows.ndim != 1:
            raise DataError(f"{name}: metadata must be one row of plain values an alert, not {rows.dtype}")
        return rows
    if isinstance(rows[0], Mapping):
        names = [str(key) for key in rows[0]]
        rows = [list(row.values()) for row in rows]
    else:
        names = [f"feature_{index:02d}" for index in range(len(rows[0]))]
    if any(len(row) != len(names) for row in rows):
        raise DataError(f"{name}: metadata must have {len(names)} values for every alert, as for the first")
    columns = [_plain(np.array(column)) for column in zip(*rows, strict=True)]
    table = np.empty(cases, [(key, column.dtype) for key, column in zip(names, columns, strict=True)])
    for key, column in zip(names, columns, strict=True):
        table[key] = column
    return table


def _plain(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "iufbS":
        return column
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return np.char.encode(column.astype(str), "utf-8")


def _texts(metadata: np.ndarray | None, names: tuple[str, ...]) -> list[str] | None:
    for name in names:
        if metadata is not None and name in (metadata.dtype.names or ()):
            return [
                str(v, "utf-8", "replace") if isinstance(v, bytes) else str(v)
                for v in metadata[name].tolist()
            ]
    return None


def append_stamps(
    writer: Writer,
    alerts: Alerts,
    numbers: dict[str, int],
    leave_out: Callable[[str, DataError, bool], None] | None = None,
    report: Report = silent,
) -> None:
    """Add alerts to a dataset file, where ``numbers`` holds the group of each object so far, and learns more.

    ``leave_out(case_id, error, damaged)`` hears of every alert that is not added: those cut off by the edge
    of the detector, as ALeRCE drops them, and damaged ones, for which it may raise.
    """
    kept: list[int] = []
    for index, image in enumerate(alerts.images):
        if (
            not isinstance(image, np.ndarray)
            or image.shape != STAMPS.inputs.shape
            or image.dtype.kind not in "fiu"
        ):
            reason, damaged = _unfit(image)
            name = alerts.case_id[index]
            if leave_out:
                leave_out(name, DataError(f"alert {name} (number {index}): {reason}"), damaged)
        else:
            kept.append(index)
    for first in range(0, len(kept), CHUNK):
        chunk = kept[first : first + CHUNK]
        columns = {STAMPS.inputs.name: np.stack([alerts.images[index] for index in chunk]).astype(np.float32)}
        if alerts.labels is not None:
            columns[STAMPS.truth.name] = alerts.labels[chunk]
        if alerts.metadata is not None:
            columns["metadata"] = alerts.metadata[chunk]
        ids = [alerts.case_id[index] for index in chunk]
        groups = [numbers.setdefault(alerts.group_name[index], len(numbers)) for index in chunk]
        writer.append(ids, groups, **columns)
        report(first + len(chunk), len(kept), "alerts")


def _unfit(image: Any) -> tuple[str, bool]:
    """Why an image cannot be used, and whether that means damage."""
    expected = f"numbers of shape {STAMPS.inputs.shape} were expected"
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__} came; {expected}", True
    cut = image.ndim == 3 and image.shape[2] == 3 and 0 < min(image.shape) <= max(image.shape) <= 63
    if cut and image.dtype.kind in "fiu":
        return f"cut off by the edge of the detector, {image.shape[0]} by {image.shape[1]} pixels", False
    return f"a {image.dtype} array of shape {image.shape} came; {expected}", True
