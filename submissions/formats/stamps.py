"""A stamps submission: ``predictions.csv``, a row of five probabilities for every alert."""

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from submissions import limits
from submissions.archive import Files
from submissions.formats.base import Batches, Format
from submissions.ids import explain, lookup
from submissions.report import Code, Findings, SubmissionError, must

TABLE = "predictions.csv"
CLASSES = ("AGN", "SN", "VS", "asteroid", "bogus")
CLASS_NUMBERS = {key: number for number, name in enumerate(CLASSES) for key in (name, str(number))}
"""The number of a class by its name, and by the number as text."""
COLUMNS = ("case_id", *CLASSES)
SEPARATORS = {";": "semicolons", "\t": "tabulators", "|": "bars"}
"""What other programs, and Excel in many countries, write between columns."""
SHAPE = (len(CLASSES),)
SUM_TOLERANCE, SUM_NOISE = 3e-3, 1e-6
"""As in `metrics.checking`: room for five values of three decimals, and for the noise of floating point."""


def read(files: Files, case_ids: Sequence[str]) -> tuple[np.ndarray, Findings]:
    """Probabilities (n, 5) float64 of the table, in the order of ``CLASSES``.

    Rows are matched by case id and columns by name. A case that is absent or wrong is all NaN.
    """
    [name], findings = files.names, Findings()
    try:
        with files.open() as content:
            return _probabilities(content(name, limits.MAX_TABLE_BYTES), case_ids, findings), findings
    except SubmissionError as error:
        findings.add(error.code, name, str(error))
    return np.full((len(case_ids), *SHAPE), np.nan), findings


def _probabilities(data: bytes, case_ids: Sequence[str], findings: Findings) -> np.ndarray:
    """The probabilities in a table; raises SubmissionError where it cannot be read to its end."""
    values = np.full((len(case_ids), *SHAPE), np.nan)
    lines = np.zeros(len(case_ids), int)
    wrong = np.zeros(len(case_ids), bool)
    row_of = {case_id: row for row, case_id in enumerate(case_ids)}
    find = lookup(case_ids)
    for line, written, cells in _rows(data, findings):
        case_id = find(written)
        row = row_of.get(case_id, -1)
        if case_id and case_id != written:
            message = f"line {line} is taken for {case_id}, which has other leading zeros"
            findings.add(Code.REWRITTEN_ID, written, message)
        if row < 0:
            message = f"line {line} is ignored: the inputs have no such case" + explain(written)
            findings.add(Code.UNKNOWN_CASE, written, message)
        elif lines[row]:
            message = f"in line {lines[row]}, and again in line {line}" + explain(written)
            findings.add(Code.DUPLICATE_CASE, case_id, message)
            wrong[row] = True
        else:
            lines[row] = line
            try:
                values[row] = [_number(cell) for cell in cells]
            except ValueError:
                findings.add(Code.BAD_ROW, case_id, _improper(f"line {line}", ",".join(cells)))
                wrong[row] = True
    findings.found = int(np.count_nonzero(lines))
    for row in np.flatnonzero(lines == 0).tolist():
        findings.add(Code.MISSING_CASE, case_ids[row], "no row for this case")
    improper = ~_are_probabilities(values)
    for row in np.flatnonzero(improper & ~wrong & (lines > 0)).tolist():
        code = Code.NOT_PROBABILITIES if np.isfinite(values[row]).all() else Code.NOT_FINITE
        findings.add(code, case_ids[row], _improper(f"line {lines[row]}", values[row].tolist()))
    values[wrong | improper] = np.nan
    return values


def write(batches: Batches, _folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of ``predictions.csv``, for batches of case ids and probabilities (n, 5).

    A number has the fewest digits that tell its float32 from the next: reading it back gives the same order.
    Raises SubmissionError, naming the case, for what are no probabilities.
    """
    table = [",".join(COLUMNS)]
    for case_ids, chunk in batches:
        cells = chunk.astype(np.float32).astype(str)
        proper = _are_probabilities(cells.astype(float))
        if not proper.all():
            row = int(np.argmin(proper))
            message = _improper(case_ids[row], ", ".join(cells[row]))
            raise SubmissionError(message, Code.NOT_PROBABILITIES)
        table += [",".join((case_id, *row)) for case_id, row in zip(case_ids, cells, strict=True)]
    yield TABLE, ("\n".join(table) + "\n").encode()


def _are_probabilities(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.abs(values.sum(axis=1) - 1)
        return np.asarray((values >= 0).all(axis=1) & (apart <= SUM_TOLERANCE + SUM_NOISE))


def _improper(where: str, got: object) -> str:
    requirement = f"be five numbers of 0 or more with a sum of 1 ± {SUM_TOLERANCE}"
    return must(f"{where}: the probabilities", requirement, got)


def _number(cell: str) -> float:
    """The number in a cell, as every program reads it: Python's own takes other scripts and underscores."""
    if not cell.isascii() or "_" in cell:
        raise ValueError
    return float(cell)


def _rows(data: bytes, findings: Findings) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, case id, and the cells in the order of ``CLASSES``, of the rows that have enough cells."""
    try:
        table = csv.reader(_lines(data), strict=True)
        header = [cell.strip() for cell in next(table, [])]
        if sorted(header) != sorted(COLUMNS):
            advice = next((f"they are separated by {name}: save the table as CSV, with commas between the "
                           "columns and points in the numbers" for mark, name in SEPARATORS.items()
                           if mark in "".join(header)), "")  # fmt: skip
            message = must("the columns", f"be {','.join(COLUMNS)}", ",".join(header), advice)
            raise SubmissionError(message, Code.BAD_HEADER)
        case_column, *columns = map(header.index, COLUMNS)
        for line, row in enumerate(table, start=2):
            if len(row) == len(header):
                yield line, row[case_column].strip(), [row[column] for column in columns]
            elif row:
                message = must(f"line {line}: a row", f"have {len(header)} cells", len(row))
                findings.add(Code.BAD_ROW, "", message)
    except (UnicodeDecodeError, csv.Error) as error:
        message = must("the table", "be CSV in UTF-8", f"an error: {error}")
        raise SubmissionError(message, Code.BAD_ROW) from error


def _lines(data: bytes) -> Iterator[str]:
    """The lines of a table, which can fill the memory neither by their length nor by their number."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    for number in range(1, limits.MAX_TABLE_ROWS + 3):  # the header before them, and the end after them
        line = text.readline(limits.MAX_TABLE_LINE + 1)
        if len(line) > limits.MAX_TABLE_LINE or line.count('"') % 2:
            rule = f"have at most {limits.MAX_TABLE_LINE:,} characters and no open quote"
            raise SubmissionError(must(f"line {number}", rule), Code.BAD_ROW)
        if not line:
            return
        yield line
    raise SubmissionError(must("the table", f"have at most {limits.MAX_TABLE_ROWS:,} rows"), Code.TOO_LARGE)


FORMAT = Format("stamps", TABLE, SHAPE, read, write)
