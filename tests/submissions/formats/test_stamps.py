from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submissions import Code, SubmissionError, ValidationReport, open_submission
from submissions.formats.stamps import CLASSES, write
from submissions.limits import MAX_TABLE_LINE, MAX_TABLE_ROWS
from tests.submissions.zips import csv_rows, probabilities

HEADER = "case_id,AGN,SN,VS,asteroid,bogus\n"
IDS = ["a", "b", "c"]
VALUES = probabilities(3)
TABLE = HEADER + csv_rows(IDS, VALUES)


def read(text: str | bytes, case_ids=IDS) -> tuple[np.ndarray, ValidationReport]:
    """The probabilities and the report of a submission that is this table."""
    with TemporaryDirectory() as folder:
        Path(folder, "predictions.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return open_submission(folder, "stamps", case_ids).read()


def refusal(text: str | bytes) -> Code:
    """The kind of fault that makes the whole table unreadable."""
    values, report = read(text)
    assert np.isnan(values).all()
    assert report.found == 0
    assert report.faults[-1].member == "predictions.csv"
    return report.faults[-1].code


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_what_is_read(seed, count):
    values = probabilities(count, seed)
    case_ids = [f"ztf-{i}" for i in range(count)]
    [(name, data)] = write([(case_ids[:7], values[:7]), (case_ids[7:], values[7:])], "")
    assert name == "predictions.csv"
    found, report = read(data, case_ids)
    assert report.accepted
    assert report.found == count
    np.testing.assert_array_equal(found.astype(np.float32), values)
    np.testing.assert_array_equal(np.argsort(found, kind="stable"), np.argsort(values, kind="stable"))


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.rstrip("\n"),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        "\ufeff" + TABLE,
        TABLE + "\n\n",
        TABLE.replace(",", " , "),
        TABLE.replace("a,", '"a",'),
        HEADER + csv_rows(IDS[::-1], VALUES[::-1]),
        "SN,AGN,VS,asteroid,bogus,case_id\n"
        + "".join(f"{v[1]},{v[0]},{v[2]},{v[3]},{v[4]},{i}\n" for i, v in zip(IDS, VALUES, strict=True)),
    ],
    ids=["plain", "no last newline", "CRLF", "CR", "BOM", "blank", "spaces", "quotes", "rows", "columns"],
)
def test_other_ways_to_write_the_same_table(text):
    found, report = read(text)
    assert report.accepted, report.lines()
    assert not report.warnings
    np.testing.assert_array_equal(found.astype(np.float32), VALUES)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("b,nan,0,0,0,1", Code.NOT_FINITE),
        ("b,inf,0,0,0,0", Code.NOT_FINITE),
        ("b,1e999,0,0,0,0", Code.NOT_FINITE),
        ("b,-0.1,0.1,0,0,1", Code.NOT_PROBABILITIES),
        ("b,0.2,0.2,0.2,0.2,0.1", Code.NOT_PROBABILITIES),
        ("b,0.2,0.2,0.2,0.2,0.2031", Code.NOT_PROBABILITIES),
        ("b,0.2,0.2,0.2,0.2,0.2030011", Code.NOT_PROBABILITIES),
        ("b,0.2,0.2,0.2,0.2,0.1969989", Code.NOT_PROBABILITIES),
        ("b,1e308,1e308,1e308,0,0", Code.NOT_PROBABILITIES),
        ("b,0,0,0,0,0", Code.NOT_PROBABILITIES),
        ("b,SN,0,0,0,1", Code.BAD_ROW),
        ("b,,0,0,0,1", Code.BAD_ROW),
        ("b,0_0,0,0,0,1", Code.BAD_ROW),
        ("b,\u0661,0,0,0,0", Code.BAD_ROW),
        ('b,"0,2",0,0,0,1', Code.BAD_ROW),
        ("", Code.MISSING_CASE),
    ],
)
def test_one_wrong_row(row, code):
    first, _, last = csv_rows(IDS, VALUES).splitlines()
    found, report = read(f"{HEADER}{first}\n{row}\n{last}\n")
    assert [(fault.code, fault.member) for fault in report.faults] == [(code, "b")]
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]].astype(np.float32), VALUES[[0, 2]])


def test_sum_within_the_tolerance():
    for last in ("0.2009", "0.2030009", "0.1969991"):  # 3e-3, and 1e-6 for the noise of floating point
        assert read(HEADER + f"a,0.2,0.2,0.2,0.2,{last}\n", ["a"])[1].accepted


@pytest.mark.parametrize("row", ["b,1,0,0,0", "b,1,0,0,0,0,0", "b"])
def test_row_of_another_length(row):
    found, report = read(HEADER + row + "\n")
    assert report.counts == {Code.BAD_ROW: 1, Code.MISSING_CASE: 3}
    assert "line 2" in report.faults[0].message
    assert np.isnan(found).all()


def test_duplicate_case_is_no_prediction():
    found, report = read(TABLE + "a,1,0,0,0,0\n")
    assert [(fault.code, fault.member) for fault in report.faults] == [(Code.DUPLICATE_CASE, "a")]
    assert np.isnan(found[0]).all()


def test_unknown_case_is_ignored():
    found, report = read(TABLE + "d,no,numbers,at,all,here\n")
    assert report.accepted
    assert report.counts == {Code.UNKNOWN_CASE: 1}
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "case_id,AGN,SN,VS,asteroid",
        "case_id,AGN,SN,VS,asteroid,bogus,extra",
        "case_id,AGN,AGN,SN,VS,asteroid,bogus",
        "case_id;AGN;SN;VS;asteroid;bogus",
        "id,agn,sn,vs,asteroid,bogus",
        "a,1,0,0,0,0",
    ],
)
def test_bad_header(header):
    assert refusal(header + "\na,1,0,0,0,0\n") == Code.BAD_HEADER


@pytest.mark.parametrize(
    "text",
    [
        TABLE.encode("utf-16"),
        TABLE.encode() + b"\xff,1,0,0,0,0\n",
        TABLE + "x" * (MAX_TABLE_LINE + 1),
        TABLE + '"open,1,0,0,0,0\n',
        TABLE + '"d"x,1,0,0,0,0\n',
        TABLE + "," * (1 << 20),
    ],
    ids=["UTF-16", "Latin-1", "long line", "open quote", "stray quote", "commas"],
)
def test_no_table(text):
    assert refusal(text) in (Code.BAD_ROW, Code.BAD_HEADER)


def test_more_rows_than_any_data_set():
    assert refusal(HEADER + "\n" * (MAX_TABLE_ROWS + 1)) == Code.TOO_LARGE
    assert set(read(HEADER + "\n" * MAX_TABLE_ROWS)[1].counts) == {Code.MISSING_CASE}


def test_a_line_of_the_greatest_length():
    assert read(HEADER + "a,0.2,0.2,0.2,0.2,0.2".ljust(4095) + "\n", ["a"])[1].accepted
    assert refusal(HEADER + "a,0.2,0.2,0.2,0.2,0.2".ljust(4096) + "\n") == Code.BAD_ROW


def test_a_broken_row_of_no_case_leaves_the_others():
    found, report = read(TABLE + "1\n")
    assert [(fault.code, fault.member) for fault in report.faults] == [(Code.BAD_ROW, "")]
    np.testing.assert_array_equal(found.astype(np.float32), VALUES)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=400, deadline=None)
def test_bytes_that_changed_are_probabilities_or_a_fault(data):
    content = bytearray(TABLE.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found, report = read(bytes(content))
    if np.isfinite(found).all():  # a fault, if there is one, is of a row that is no case's
        assert {fault.member for fault in report.faults}.isdisjoint(IDS)
    else:
        assert not report.accepted
    valid = found[np.isfinite(found).all(axis=1)]
    assert (valid >= 0).all()
    assert (abs(valid.sum(axis=1) - 1) <= 3e-3 + 1e-6).all()


def test_ids_without_their_leading_zeros():
    case_ids = ["000000", "000001", "000010"]
    found, report = read(HEADER + csv_rows(["0", "1", "10"], VALUES), case_ids)
    assert report.accepted
    assert report.counts == {Code.REWRITTEN_ID: 3}
    np.testing.assert_array_equal(found.astype(np.float32), VALUES)
    _, report = read(HEADER + csv_rows(["0", "0", "10"], VALUES), case_ids)
    assert {Code.DUPLICATE_CASE, Code.MISSING_CASE} <= set(report.counts)
    _, report = read(HEADER + csv_rows(["01", "1", "10"], VALUES), ["1", "01", "0010"])
    assert report.counts == {Code.REWRITTEN_ID: 1}


@pytest.mark.parametrize(
    "written",
    [
        "1.21541E+17",
        "1,21541E+17",
        "1.2154079351513500e+17",
        "121540793515135000.0",
        "121540793515130000",
        "12.0",
    ],
)
def test_ids_that_a_spreadsheet_has_rounded_are_said(written):
    _, report = read(f'{HEADER}"{written}",0.2,0.2,0.2,0.2,0.2\n', ["121540793515135007"])
    assert set(report.counts) == {Code.UNKNOWN_CASE, Code.MISSING_CASE}
    assert "let it keep them as text" in report.warnings[0].message


def test_other_unknown_ids_are_no_spreadsheets():
    _, report = read(TABLE + "x12,0.2,0.2,0.2,0.2,0.2\n121540793515135001,0.2,0.2,0.2,0.2,0.2\n")
    assert len(report.warnings) == 2
    assert all(finding.message.endswith("the inputs have no such case") for finding in report.warnings)


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabulators")])
def test_the_separator_of_another_country_is_named(mark, name):
    _, report = read(TABLE.replace(",", mark).replace(".", ","))
    assert report.faults[-1].code == Code.BAD_HEADER
    assert f"they are separated by {name}: save the table as CSV" in report.faults[-1].message


def test_sums_of_three_decimals():
    rows = np.random.default_rng(0).dirichlet(np.ones(5), 2000).round(3).tolist()
    rows += [[0.2, 0.2, 0.2, 0.2, last] for last in (0.197, 0.199, 0.201, 0.203)]
    case_ids = [f"ztf-{row}" for row in range(len(rows))]
    _, report = read(HEADER + csv_rows(case_ids, rows), case_ids)
    assert not report.counts
    _, report = read(HEADER + csv_rows(["a"], [[0.2, 0.2, 0.2, 0.2, 0.204]]), ["a"])
    assert [fault.code for fault in report.faults] == [Code.NOT_PROBABILITIES]
    assert "a sum of 1 ± 0.003, got [0.2, 0.2, 0.2, 0.2, 0.204]" in report.faults[0].message


@pytest.mark.parametrize("row", [[0.5, 0.6, 0, 0, 0], [1.5, -0.5, 0, 0, 0], [0, 0, 0, 0, 0]])
def test_only_probabilities_are_written(row):
    with pytest.raises(SubmissionError, match=r"^b: "):
        list(write([(["a", "b"], np.array([[1, 0, 0, 0, 0], row], np.float32))], ""))


def test_classes_are_those_of_the_labels():
    assert CLASSES == ("AGN", "SN", "VS", "asteroid", "bogus")
