"""Alert stamps as the challenge hands them out: a pickled dictionary ``images``, ``labels``, ``metadata``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.store import CHUNK, DataError, Writer
from harness.tracks import STAMPS

SHAPE = STAMPS.inputs.shape
NAMES = ("candid", "objectId", "oid")
LeaveOut = Callable[[str, DataError, bool], None]


@dataclass(frozen=True)
class Alerts:
    """Alerts as they come, after the checks that need no look at the images: columns of one length.

    ``case_id`` is the alert's ``candid`` and ``group_name`` the object's name, where they are known.
    """

    images: Sequence[np.ndarray] | np.ndarray
    labels: np.ndarray | None
    metadata: np.ndarray | None
    case_id: list[str]
    group_name: list[str]

    def rows(self, kept: list[int]) -> Alerts:
        """Those alerts alone, their images as (n, 63, 63, 3) float32, which all of them must be."""
        return Alerts(
            np.stack([self.images[row] for row in kept]).astype(np.float32, copy=False),
            None if self.labels is None else self.labels[kept],
            None if self.metadata is None else self.metadata[kept],
            [self.case_id[row] for row in kept],
            [self.group_name[row] for row in kept],
        )


def stamps_from(content: Any, name: str) -> Alerts:
    """Alerts from the dictionary ``images``, ``labels``, ``metadata`` (either capitalisation)."""
    if not isinstance(content, Mapping):
        raise DataError(
            f"{name} holds a {type(content).__name__}; a dictionary of images and labels was expected"
        )
    parts = {str(key).lower(): value for key, value in content.items()}
    if "images" not in parts:
        raise DataError(f"{name} has the keys {', '.join(map(str, content))}; images were expected")
    images = parts["images"]
    if not isinstance(images, list | tuple | np.ndarray):
        raise DataError(f"{name}: images must be a list or an array, not a {type(images).__name__}")
    labels = _labels(parts["labels"], len(images), name) if "labels" in parts else None
    metadata = _metadata(parts.get("metadata"), len(images), name)
    case_id = _texts(metadata, ("candid",)) or [f"{index:06d}" for index in range(len(images))]
    group_name = _texts(metadata, ("objectId", "oid")) or case_id
    return Alerts(images, labels, metadata, case_id, group_name)


def _labels(values: Any, cases: int, name: str) -> np.ndarray:
    labels = np.asarray(values)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{name}: labels must be whole numbers in one row, they are {labels.dtype} {labels.shape}"
        )
    if len(labels) != cases:
        raise DataError(f"{name} has {cases} images and {len(labels)} labels")
    highest = len(STAMPS.classes) - 1
    for row in np.flatnonzero((labels < 0) | (labels > highest)):
        raise DataError(f"{name}: label {labels[row]} of alert {row} is none of 0 to {highest}")
    return labels.astype(np.int8)


def _metadata(rows: Any, cases: int, name: str) -> np.ndarray | None:
    """Metadata as a structured array of numbers and bytes: from any such, or from a list for each alert."""
    if rows is None:
        return None
    if len(rows) != cases:
        raise DataError(f"{name} has {cases} images and metadata of {len(rows)}")
    if isinstance(rows, np.ndarray) and rows.dtype.names:
        columns = {key: rows[key] for key in rows.dtype.names}
    elif isinstance(rows[0], Mapping):
        columns = {str(key): [row[key] for row in rows] for key in rows[0]}
    else:
        columns = {f"feature_{index:02d}": column for index, column in enumerate(zip(*rows, strict=True))}
    plain = {
        key: _names(column) if key in NAMES else _plain(np.asarray(column)) for key, column in columns.items()
    }
    table = np.empty(cases, [(key, column.dtype) for key, column in plain.items()])
    for key, column in plain.items():
        table[key] = column
    return table if plain else None


def _names(column: Sequence[Any]) -> np.ndarray:
    """Names as whole numbers or bytes, never as floats, which hold no more than sixteen digits of them."""
    values = np.asarray(column)
    return values if values.dtype.kind in "iuS" else np.char.encode([str(one) for one in column], "utf-8")


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
            values = metadata[name].tolist()
            return [str(v, "utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    return None


def usable(alerts: Alerts, leave_out: LeaveOut) -> Iterator[Alerts]:
    """The alerts whose images are as they must be, a few at a time, ``images`` as (n, 63, 63, 3) float32.

    ``leave_out(case_id, error, damaged)`` hears of every other one: those cut off by the edge of the
    detector, as ALeRCE drops them, and damaged ones, for which it may raise.
    """
    for first in range(0, len(alerts.images), CHUNK):
        kept: list[int] = []
        for row, image in enumerate(alerts.images[first : first + CHUNK], first):
            if isinstance(image, np.ndarray) and image.shape == SHAPE and image.dtype.kind in "fiu":
                kept.append(row)
            else:
                reason, damaged = _unfit(image)
                leave_out(alerts.case_id[row], DataError(f"alert {alerts.case_id[row]}: {reason}"), damaged)
        if kept:
            yield alerts.rows(kept)


def append_stamps(writer: Writer, alerts: Alerts, numbers: dict[str, int]) -> None:
    """Add `usable` alerts to a dataset file; ``numbers`` holds the group of each object, and learns more."""
    columns = {STAMPS.inputs.name: np.asarray(alerts.images)}
    if alerts.labels is not None:
        columns[STAMPS.truth.name] = alerts.labels
    if alerts.metadata is not None:
        columns["metadata"] = alerts.metadata
    groups = [numbers.setdefault(name, len(numbers)) for name in alerts.group_name]
    writer.append(alerts.case_id, groups, **columns)


def _unfit(image: Any) -> tuple[str, bool]:
    """Why an image cannot be used, and whether that means damage."""
    expected = f"numbers of shape {SHAPE} were expected"
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__} came; {expected}", True
    cut = image.ndim == 3 and image.shape[2] == 3 and 0 < min(image.shape) <= max(image.shape) <= 63
    if cut and image.dtype.kind in "fiu" and image.shape[0] == image.shape[1]:
        return f"{image.shape[0]} by {image.shape[1]} pixels; {expected}", False
    if cut and image.dtype.kind in "fiu":
        return f"cut off by the edge of the detector, {image.shape[0]} by {image.shape[1]} pixels", False
    return f"a {image.dtype} array of shape {image.shape} came; {expected}", True
