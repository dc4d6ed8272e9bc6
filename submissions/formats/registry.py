"""What a track must say about its submissions. A module that has these names is a format."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from submissions.archive import Files, Located
from submissions.formats import mass_mapping, stamps
from submissions.report import ValidationReport


class Format(Protocol):
    """The track's name, its files for a person and for a program, and the shape of a prediction."""

    TRACK: str
    FILES: str
    SUFFIX: str

    @property
    def SHAPE(self) -> tuple[int, ...]: ...

    def locate(
        self, files: Files, names: Sequence[str], case_ids: Sequence[str], report: ValidationReport
    ) -> Located:
        """The file of each case, in the order of ``case_ids``, or the predictions, if one file holds all."""

    def read(self, files: Files, located: Located, report: ValidationReport) -> np.ndarray:
        """The predictions of located cases; NaN where the report tells of a fault."""

    def write(
        self, batches: Iterable[tuple[Sequence[str], np.ndarray]], folder: str
    ) -> Iterator[tuple[str, bytes]]:
        """Name and content of every file, for batches of case ids and finite predictions."""


FORMATS: dict[str, Format] = {mass_mapping.TRACK: mass_mapping, stamps.TRACK: stamps}


def format_of(track: str | Format) -> Format:
    """A format by the name of its track, or the format itself, which need not be one of these."""
    return FORMATS[track] if isinstance(track, str) else track
