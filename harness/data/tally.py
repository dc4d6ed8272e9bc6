"""Counts over the cases of a data set, taken a chunk at a time: classes, shapes, missing values, ranges."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.tracks import Track

LARGEST_USABLE = 1e10  # some stamps hold −3.4e38 where there is no value


def rounded(value: float) -> float:
    """A number with six digits."""
    return float(f"{value:.6g}")


@dataclass
class ImageTally:
    """Exact counts over the images of one column."""

    shapes: Counter[str] = field(default_factory=Counter)
    nan: Counter[int] = field(default_factory=Counter)  # by channel
    zeros: Counter[int] = field(default_factory=Counter)  # by channel
    not_square: int = 0
    with_nan: int = 0
    values: int = 0
    usable: int = 0
    total: float = 0.0
    total_of_squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def add(self, images: np.ndarray) -> None:
        """Count images (n, H, W) or (n, H, W, channels)."""
        if not images.size:
            return
        self.shapes["×".join(map(str, images.shape[1:]))] += len(images)
        with np.errstate(over="ignore"):  # beyond what float32 holds is as infinite
            images = images.reshape(*images.shape[:3], -1).astype(np.float32, copy=False)
        nan, usable = np.isnan(images), np.abs(images) < LARGEST_USABLE
        by_case = nan.sum(axis=(1, 2))  # and channel
        self.not_square += len(images) * (images.shape[1] != images.shape[2])
        self.nan.update(dict(enumerate(by_case.sum(axis=0).tolist())))
        self.with_nan += int(by_case.any(axis=1).sum())
        self.values += images.size
        self.zeros.update(dict(enumerate((images == 0).sum(axis=(0, 1, 2)).tolist())))
        self.usable += int(usable.sum())
        kept = images[usable].astype(np.float64)
        if kept.size:
            self.total += kept.sum()
            self.total_of_squares += kept @ kept
            self.low, self.high = min(self.low, kept.min()), max(self.high, kept.max())

    def to_json(self) -> dict[str, Any]:
        """The counts, with shares of zeros and of unusable values (NaN, infinite, or beyond 1e10).

        In channel 3 of sparse maps zeros are the pixels without noise.
        """
        in_channel = self.values / len(self.zeros)
        summary: dict[str, Any] = {
            "shapes": dict(self.shapes.most_common()),
            "not_square": self.not_square,
            "nan": self.nan.total(),
            "nan_by_channel": list(self.nan.values()),
            "cases_with_nan": self.with_nan,
            "zeros_by_channel": [rounded(count / in_channel) for count in self.zeros.values()],
        }
        shares = {"zeros": self.zeros.total() / self.values, "unusable": 1 - self.usable / self.values}
        if self.usable:
            mean = self.total / self.usable
            variance = max(self.total_of_squares / self.usable - mean**2, 0.0)
            shares |= {"min": self.low, "max": self.high, "mean": mean, "std": variance**0.5}
        return summary | {key: rounded(value) for key, value in shares.items()}


@dataclass
class Tally:
    """Counts of the cases of a track, from their columns: of labels by class, of images by their values."""

    track: Track
    labels: Counter[int] = field(default_factory=Counter)
    images: dict[str, ImageTally] = field(default_factory=dict)

    def add(self, columns: Mapping[str, np.ndarray]) -> None:
        """Count some cases by those of the track's inputs and truth that there are."""
        for column in (self.track.inputs, self.track.truth):
            if column.name not in columns:
                continue
            if len(column.shape) in (2, 3):
                self.images.setdefault(column.name, ImageTally()).add(columns[column.name])
            elif self.track.classes and not column.shape:
                self.labels.update(columns[column.name].tolist())

    def to_json(self) -> dict[str, Any]:
        """The counts by class, where labels were counted, and those of each column of images."""
        summary: dict[str, Any] = {}
        if self.labels:  # which in a file of others may be no class at all
            summary["classes"] = {name: self.labels[label] for label, name in enumerate(self.track.classes)}
        return summary | {name: images.to_json() for name, images in self.images.items() if images.values}


@dataclass
class Counted(Tally):
    """In place of a `Writer`, to be filled by the same functions: what comes is counted, and not kept.

    ``columns`` has the rows that have a value, by the name of the column.
    """

    role: str = "full"
    rows: dict[str, int] = field(default_factory=dict)
    columns: dict[str, set[int]] = field(default_factory=dict)

    def append(self, case_id: Sequence[str], _group: Sequence[int | str], **columns: np.ndarray) -> None:
        """Count cases, with all or some of their columns."""
        start = len(self.rows)
        self.rows.update(zip(case_id, range(start, start + len(case_id)), strict=True))
        for name, values in columns.items():
            self.put(name, slice(start, len(self.rows)), values)

    def put(self, name: str, rows: slice, values: np.ndarray) -> None:
        """Count a column's values for rows that `append` made."""
        self.columns.setdefault(name, set()).update(range(rows.start, rows.stop))
        self.add({name: values})

    def has(self, name: str, row: int) -> bool:
        """Whether a value of this row of a column was counted."""
        return row in self.columns.get(name, ())

    def drop(self, rows: Collection[int]) -> None:
        """Count these rows no more as cases; their values stay counted."""
        self.rows = {case_id: row for case_id, row in self.rows.items() if row not in rows}
