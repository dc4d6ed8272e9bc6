"""A mass-mapping submission: ``<team>/<case_id>.npy``, each a convergence map, float16, (128, 128)."""

import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from submissions import limits
from submissions.archive import Files, Located
from submissions.npy import read_npy
from submissions.report import Code, SubmissionError, ValidationReport

TRACK = "mass-mapping"
FILES = "<team>/<case_id>.npy"
SUFFIX = ".npy"
SHAPE = (128, 128)
PIXELS = SHAPE[0] * SHAPE[1]


def _standard_header() -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f2", "fortran_order": False, "shape": SHAPE})
    return buffer.getvalue()


HEADER = _standard_header()


def read(files: Files, located: Located, report: ValidationReport) -> np.ndarray:
    """Maps (n, 128, 128) float16 of files; one that is absent or wrong is all NaN."""
    maps = np.zeros((len(located), *SHAPE), np.float16)
    wrong = np.ones(len(located), bool)
    faults: dict[int, tuple[Code, str]] = {}
    for row, name in enumerate(located):
        try:
            if name in files.entries:
                values = parse(files.read(name, limits.MAX_MAP_BYTES))
                maps[row], wrong[row] = values, False
                if values.dtype != np.float16:
                    report.add(Code.CONVERTED_DTYPE, name, f"expected float16, converted {values.dtype}")
        except SubmissionError as error:
            faults[row] = error.code, str(error)
    for row in np.flatnonzero(~_finite(maps)).tolist():
        faults[row] = Code.NOT_FINITE, "the map holds NaN or infinite values"
    for row, (code, message) in sorted(faults.items()):
        report.add(code, located[row], message)
        wrong[row] = True
    maps[wrong] = np.nan
    return maps


def parse(data: bytes) -> np.ndarray:
    """The map (128, 128) in an ``.npy`` file: float16, or other numbers that float16 holds exactly.

    Any byte order, C or Fortran order, NaN too. Raises SubmissionError for all else.
    """
    if data.startswith(HEADER) and len(data) == len(HEADER) + 2 * PIXELS:
        return np.frombuffer(data, "<f2", offset=len(HEADER)).reshape(SHAPE)
    values = read_npy(data, SHAPE)
    with np.errstate(over="ignore"):
        if not np.array_equal(values, values.astype(np.float16), equal_nan=True):
            message = f"float16 cannot hold these {values.dtype} values: save predictions.astype(np.float16)"
            raise SubmissionError(message, Code.WRONG_DTYPE)
    return values.astype(values.dtype.newbyteorder("="))


def write(batches: Iterable[tuple[Sequence[str], np.ndarray]], folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, for batches of case ids and finite maps (n, 128, 128).

    Raises SubmissionError, naming the case, for values beyond ±65,504, where float16 ends.
    """
    for case_ids, maps in batches:
        with np.errstate(over="ignore"):
            halves = maps.astype(np.float16)
        for case_id, half, finite in zip(case_ids, halves, _finite(halves), strict=True):
            if not finite:
                message = f"{case_id}: the map has values beyond ±65,504, where float16 ends"
                raise SubmissionError(message, Code.WRONG_DTYPE)
            yield f"{folder}/{case_id}.npy", HEADER + half.astype("<f2").tobytes()


def locate(
    _files: Files, names: Sequence[str], case_ids: Sequence[str], report: ValidationReport
) -> list[str]:
    """The file of each case, "" where there is none, or more than one."""
    files = dict.fromkeys(case_ids, "")
    twice = set()
    for name in names:
        case_id = name.rpartition("/")[2].removesuffix(SUFFIX)
        if case_id not in files:
            report.add(Code.UNKNOWN_CASE, name, "ignored: the inputs have no such case")
        elif files[case_id]:
            report.add(Code.DUPLICATE_CASE, name, f"the same case as {files[case_id]}")
            twice.add(case_id)
        else:
            files[case_id] = name
    for case_id in (case_id for case_id in case_ids if not files[case_id]):
        report.add(Code.MISSING_CASE, case_id, "no file for this case")
    report.found = sum(map(bool, files.values()))
    return ["" if case_id in twice else files[case_id] for case_id in case_ids]


def _finite(maps: np.ndarray) -> np.ndarray:
    """Which maps of float16 are finite: an exponent of all ones is not. Five times as fast as np.isfinite."""
    exponents: np.ndarray = maps.view(np.uint16) & 0x7C00
    return np.asarray(exponents.max(axis=(1, 2)) < 0x7C00)
