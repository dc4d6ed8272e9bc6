"""A mass-mapping submission: ``<team>/<case_id>.npy``, each a convergence map, float16, (128, 128)."""

import io
from collections.abc import Iterator, Sequence

import numpy as np

from submissions import limits
from submissions.archive import Files
from submissions.formats.base import Batches, Format, finite_cases
from submissions.npy import read_npy
from submissions.report import Code, Findings, SubmissionError, must

SHAPE = (128, 128)
PIXELS = SHAPE[0] * SHAPE[1]


_BUFFER = io.BytesIO()
np.save(_BUFFER, np.zeros(SHAPE, "<f2"))
HEADER = _BUFFER.getvalue()[: -2 * PIXELS]
"""The header that ``numpy.save`` gives a map: files that begin with it need no parsing."""


def read(files: Files, case_ids: Sequence[str]) -> tuple[np.ndarray, Findings]:
    """The maps (n, 128, 128) float16 of the files; one that cannot be read is all NaN."""
    maps, findings = np.empty((len(case_ids), *SHAPE), np.float16), Findings()
    with files.open() as content:
        for row, name in enumerate(files.names):
            try:
                values = parse(content(name, limits.MAX_MAP_BYTES))
            except SubmissionError as error:
                findings.add(error.code, name, str(error))
                maps[row] = np.nan
                continue
            maps[row] = values.reshape(SHAPE)
            if values.shape != SHAPE:
                findings.add(Code.SQUEEZED_SHAPE, name, f"{values.shape}, taken for {SHAPE}")
            if values.dtype != np.float16:
                findings.add(Code.CONVERTED_DTYPE, name, f"{values.dtype}, converted to float16")
    return maps, findings


def parse(data: bytes) -> np.ndarray:
    """The map (128, 128) in an ``.npy`` file: float16, or other numbers that float16 holds exactly.

    It may have one or two more axes, of length 1. Any byte order, C or Fortran order, NaN too. Raises
    SubmissionError for all else.
    """
    if data.startswith(HEADER) and len(data) == len(HEADER) + 2 * PIXELS:
        return np.frombuffer(data, "<f2", offset=len(HEADER)).reshape(SHAPE)
    values = read_npy(data, SHAPE, squeeze=True)
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    if (beyond := np.isinf(halves) & np.isfinite(values)).any():
        message = must("the values", "be within ±65,504, where float16 ends", f"{values[beyond][0]:g}")
        raise SubmissionError(message, Code.WRONG_DTYPE)
    if not np.array_equal(values, halves, equal_nan=True):
        advice = "save predictions.astype(numpy.float16)"
        message = must("the values", "be ones that float16 holds exactly", values.dtype, advice)
        raise SubmissionError(message, Code.WRONG_DTYPE)
    return values.astype(values.dtype.newbyteorder("="))


def write(batches: Batches, folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, for batches of case ids and finite maps (n, 128, 128).

    Raises SubmissionError, naming the case, for values beyond ±65,504, where float16 ends.
    """
    for case_ids, maps in batches:
        with np.errstate(over="ignore"):
            halves = maps.astype(np.float16)
        for case_id, half, finite in zip(case_ids, halves, finite_cases(halves), strict=True):
            if not finite:
                message = must(f"{case_id}: the values", "be within ±65,504, where float16 ends")
                raise SubmissionError(message, Code.WRONG_DTYPE)
            yield f"{folder}/{case_id}.npy", HEADER + half.astype("<f2").tobytes()


FORMAT = Format("mass-mapping", "<team>/<case_id>.npy", SHAPE, read, write)
