"""What a track must say about its submissions. A module that has these names is a format."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from submissions import mass_mapping, stamps
from submissions.archive import Archive
from submissions.checks import Report

Array = np.ndarray[Any, Any]


class Format(Protocol):
    """The track's name, its files for a person and for a program, and the shape of a prediction."""

    @property
    def TRACK(self) -> str: ...
    @property
    def FILES(self) -> str: ...
    @property
    def SUFFIX(self) -> str: ...
    @property
    def SHAPE(self) -> tuple[int, ...]: ...

    def read(
        self, archive: Archive, names: Sequence[str], case_ids: Sequence[str], size: int, report: Report
    ) -> Iterator[tuple[int, Array]]:
        """Start and predictions in the order of ``case_ids``; NaN where the report tells of a fault."""

    def write(
        self, batches: Iterable[tuple[Sequence[str], Array]], folder: str
    ) -> Iterator[tuple[str, bytes]]:
        """Name and content of every file, for batches of case ids and finite predictions."""


FORMATS: dict[str, Format] = {mass_mapping.TRACK: mass_mapping, stamps.TRACK: stamps}


def format_of(track: str | Format) -> Format:
    """A format by the name of its track, or the format itself, which need not be one of these."""
    return FORMATS[track] if isinstance(track, str) else track
