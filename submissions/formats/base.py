"""The format of a track's submissions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from submissions.archive import Files
from submissions.report import Findings

CASE = "<case_id>"
Batches = Iterable[tuple[Sequence[str], np.ndarray]]


def finite_cases(predictions: np.ndarray) -> np.ndarray:
    """Which cases of predictions (n, ...) are finite, (n,) bool."""
    axes = tuple(range(1, predictions.ndim))
    if predictions.dtype != np.float16:
        return np.asarray(np.isfinite(predictions).all(axis=axes))
    # NaN and infinity are the numbers whose exponent is all ones: five times as fast as np.isfinite.
    exponents: np.ndarray = predictions.view(np.uint16) & 0x7C00
    return np.asarray(exponents.max(axis=axes) < 0x7C00)


@dataclass(frozen=True)
class Format:
    """How the predictions of a track are stored in the files of a submission.

    A format defines the content of the files. `open_submission` checks everything else, which is the same for
    every track: names, limits, the manifest, and which cases have a file.

    Parameters
    ----------
    track : str
        The name of the track.
    pattern : str
        The name of the files. If every case has its own file, it ends in ``<case_id>`` and a suffix, as in
        ``<team>/<case_id>.npy``; otherwise it is the name of the only file, such as ``predictions.csv``.
    shape : tuple of int
        The shape of the prediction of a case.
    read : function of a module
        ``read(files, case_ids) -> (predictions, findings)``. ``predictions`` is an array (n, \\*shape) of
        floats in the order of ``case_ids``. All values of a missing or invalid case are NaN, and
        ``findings``, a `Findings`, has the reason; NaN and infinity in other cases are reported by
        `Chunk.read`. If every case has its own file, ``files.names`` are the files of ``case_ids``, in the
        same order, and a call is for some of the cases. Otherwise it is the only file, a call is for all
        cases, and ``findings.found`` is the number of cases in the file. It is called in several threads or
        processes.
    write : function
        ``write(batches, folder)`` yields the name and the content of every file, for batches of case ids and
        finite predictions (n, \\*shape). ``folder`` is the team's name as a folder name. Raises
        SubmissionError with the case's id for predictions that ``read`` would refuse.
    """

    track: str
    pattern: str
    shape: tuple[int, ...]
    read: Callable[[Files, Sequence[str]], tuple[np.ndarray, Findings]]
    write: Callable[[Batches, str], Iterator[tuple[str, bytes]]]

    @property
    def file_per_case(self) -> bool:
        """Whether every case has its own file."""
        return CASE in self.pattern

    @property
    def suffix(self) -> str:
        """The part of a file's name after the case id."""
        return self.pattern.rpartition(CASE)[2]

    def matches(self, name: str) -> bool:
        """Whether a file of this name, in any folder, contains predictions."""
        return name.endswith(self.suffix) if self.file_per_case else f"/{name}".endswith(f"/{self.pattern}")
