"""What a track says about its submissions."""

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

    Whatever holds for every track is checked by `open_submission`: names, limits, manifest, and which cases
    have a file. A format knows the content of the files.

    Parameters
    ----------
    track : str
        The name of the track.
    pattern : str
        The name of the files. Where every case has a file, it ends in ``<case_id>`` and a suffix, such as
        ``<team>/<case_id>.npy``; otherwise it is the name of the only file, such as ``predictions.csv``.
    shape : tuple of int
        The shape of the prediction of a case.
    read : function of a module
        ``read(files, case_ids) -> (predictions, findings)``. ``predictions`` is an array (n, \\*shape) of
        floats in the order of ``case_ids``; all of a case is NaN where it is missing or wrong. The findings,
        a `Findings`, say why; of NaN and infinity in other cases `Chunk.read` tells. Where every case has a
        file, ``files.names`` are those of the ``case_ids``, in their order, and a call gets some cases;
        otherwise it is the only file, a call gets all cases, and counts those that the file holds in
        ``findings.found``. Called in several threads or processes.
    write : function
        ``write(batches, folder)`` yields the name and the content of every file, for batches of case ids and
        finite predictions (n, \\*shape). ``folder`` is the name of the team as that of a folder. Raises
        SubmissionError, naming the case, for predictions that ``read`` would refuse.
    """

    track: str
    pattern: str
    shape: tuple[int, ...]
    read: Callable[[Files, Sequence[str]], tuple[np.ndarray, Findings]]
    write: Callable[[Batches, str], Iterator[tuple[str, bytes]]]

    @property
    def file_per_case(self) -> bool:
        """Whether every case has a file of its own."""
        return CASE in self.pattern

    @property
    def suffix(self) -> str:
        """What follows the case id in the name of a file."""
        return self.pattern.rpartition(CASE)[2]

    def matches(self, name: str) -> bool:
        """Whether a file of this name, in whatever folder, holds predictions."""
        return name.endswith(self.suffix) if self.file_per_case else f"/{name}".endswith(f"/{self.pattern}")
