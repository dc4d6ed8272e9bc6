"""What all sources of alerts have in common: which of their stamps can be used."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.data.sources.base import Cases, Problem
from harness.data.store import CHUNK, DataError
from harness.tracks import STAMPS

SHAPE = STAMPS.inputs.shape
SIZE = SHAPE[0]


def usable_alerts(
    stamps: Sequence[Any] | np.ndarray,
    labels: np.ndarray | None,
    metadata: np.ndarray | None,
    candids: Sequence[str],
    object_names: Sequence[str],
) -> Iterator[Cases | Problem]:
    """The alerts whose stamps are arrays of numbers (63, 63, 3), a chunk at a time, as float32.

    All others are problems: alerts cut off by the edge of the detector, which are left out, as ALeRCE does,
    and damaged ones. The arguments have one entry for each alert, or are None.
    """
    rest = {STAMPS.truth.name: labels, "metadata": metadata}
    for start in range(0, len(stamps), CHUNK):
        usable: list[int] = []
        for index, stamp in enumerate(stamps[start : start + CHUNK], start):
            if isinstance(stamp, np.ndarray) and stamp.shape == SHAPE and stamp.dtype.kind in "fiu":
                usable.append(index)
            else:
                yield _problem(candids[index], stamp, None if labels is None else labels[index])
        if usable:
            images = np.stack([stamps[index] for index in usable]).astype(np.float32, copy=False)
            others = {name: values[usable] for name, values in rest.items() if values is not None}
            yield Cases(
                [candids[index] for index in usable],
                [object_names[index] for index in usable],
                {STAMPS.inputs.name: images} | others,
            )


def _problem(candid: str, stamp: Any, label: Any) -> Problem:
    """Why a stamp cannot be used, and whether that means damage."""
    reason, damaged = f"expected numbers of shape {SHAPE}, got a {type(stamp).__name__}", True
    columns = {} if label is None else {STAMPS.truth.name: np.array([label])}
    if isinstance(stamp, np.ndarray):
        reason += f" of {stamp.dtype} and shape {stamp.shape}"
        image = stamp.ndim == 3 and stamp.shape[2] == 3 and stamp.dtype.kind in "fiu"
        if image and 0 < min(stamp.shape) <= max(stamp.shape) <= SIZE:
            damaged = False
            columns[STAMPS.inputs.name] = stamp[None]
            if stamp.shape[0] != stamp.shape[1]:
                reason = f"cut off by the edge of the detector, {stamp.shape[0]} by {stamp.shape[1]} pixels"
    return Problem(candid, DataError(f"alert {candid}: {reason}"), damaged, columns)
