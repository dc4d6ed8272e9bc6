import copy
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions import Code, Finding, Findings, SubmissionError, ValidationReport, check_case_id, limits
from submissions.formats import stamps
from submissions.kinds import FIRST_BYTES, first_bytes, kind_of
from submissions.report import LISTED, WARNINGS, must, printable

WHO = ("us", "cnn")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "submission-codes.md").read_text()


def test_all_codes_are_documented_with_what_to_do():
    row = r"^\| `([a-z-]+)` \| (fault|warning) \| .* \| (.*) \|$"
    documented = {code: rest for code, *rest in re.findall(row, DOCUMENT, re.MULTILINE)}
    severities = {code: "warning" if code in WARNINGS else "fault" for code in Code}
    assert {code: kind for code, (kind, _) in documented.items()} == severities
    assert {code: advice.replace("`", "") for code, (_, advice) in documented.items()} == {
        code: code.advice for code in Code
    }
    assert list(documented) == list(Code)


def test_a_cause_of_all_faults_comes_first():
    report = ValidationReport("stamps", 30, *WHO)
    for number in range(30):
        report.add(Code.MISSING_CASE, f"a{number}", "no row")
        report.add(Code.UNKNOWN_CASE, f"b{number}", "ignored")
    report.add(Code.WRONG_FINGERPRINT, "manifest.json", "another")
    assert report.lines()[:4] == [
        "refused: stamps, team us, method cnn, 0 of 30 cases valid",
        "cause: none of the cases match: this submission was made for another data set",
        "warning wrong-fingerprint: 1. Check that the inputs file is the right one",
        "  manifest.json: another",
    ]
    assert len(report.lines()) == 4 + 2 * 5
    assert report.to_json()["cause"] in report.lines()[1]
    report.found = 1
    assert report.cause() == ""


def test_documented_limits_are_those_of_the_code():
    for limit in (
        f"{limits.MAX_ENTRIES:,} files",
        f"{limits.MAX_DIRECTORY_BYTES >> 20} MiB of directory",
        f"{limits.MAX_TOTAL_BYTES >> 30} GiB unpacked",
        f"{limits.MAX_MAP_BYTES >> 10} KiB for a map",
        f"{limits.MAX_TABLE_BYTES >> 20} MiB or {limits.MAX_TABLE_ROWS:,} rows",
        f"{limits.MAX_MANIFEST_BYTES >> 20} MiB for the manifest",
        f"more than {limits.MAX_NAME} characters",
        f"header of more than {limits.MAX_NPY_HEADER:,} bytes",
        f"more than {limits.MAX_TABLE_LINE:,} characters",
        f"{limits.MAX_MANIFEST_VALUES:,} values or {limits.MAX_MANIFEST_CONTAINERS} objects",
        f"within {stamps.SUM_TOLERANCE}",
        ",".join(stamps.COLUMNS),
    ):
        assert limit in DOCUMENT


def test_report_counts_all_and_lists_the_first():
    findings = Findings()
    for number in range(LISTED + 5):
        findings.add(Code.MISSING_CASE, str(number), "no row")
    findings.add(Code.IGNORED_FILE, "x", "ignored")
    report = ValidationReport("stamps", 100, *WHO)
    report.extend(findings)
    assert report.counts == {Code.MISSING_CASE: LISTED + 5, Code.IGNORED_FILE: 1}
    assert [fault.member for fault in report.faults] == [str(number) for number in range(LISTED)]
    assert report.warnings == [Finding(Code.IGNORED_FILE, "x", "ignored")]
    assert not report.accepted
    assert report.summary() == "25 missing-case"
    lines = report.lines()
    assert lines[0] == "refused: stamps, team us, method cnn, 0 of 100 cases valid"
    assert lines[1] == "cause: no case has a prediction"
    assert lines[2] == "fault missing-case: 25. Predict every case of the inputs file"
    assert "  and 22 more" in lines
    report.found = 75
    assert "  and 5 more" in report.lines()


@given(st.lists(st.sampled_from([Code.MISSING_CASE, Code.NOT_FINITE, Code.IGNORED_FILE])), st.data())
def test_findings_of_several_checks_are_those_of_one(codes, data):
    once, parts, numbered = Findings(), [], list(enumerate(codes))
    for number, code in numbered:
        once.add(code, str(number), "wrong")
    while numbered:
        size = data.draw(st.integers(1, len(numbered)))
        parts.append(Findings(found=size))
        for number, code in numbered[:size]:
            parts[-1].add(code, str(number), "wrong")
        numbered = numbered[size:]
    report = ValidationReport("stamps", 9, *WHO)
    for part in parts:
        report.extend(part)
    assert report == ValidationReport("stamps", 9, *WHO, **vars(once) | {"found": len(codes)})
    assert list(report.counts) == list(once.counts)


def test_the_first_of_two_checks_are_listed_first():
    first, second = Findings(valid=1), Findings(valid=2)
    for number in range(15):
        first.add(Code.BAD_ROW, f"a{number}", "wrong")
        second.add(Code.BAD_ROW, f"b{number}", "wrong")
    first.extend(second)
    expected = [*(f"a{number}" for number in range(15)), *(f"b{number}" for number in range(5))]
    assert [fault.member for fault in first.faults] == expected
    assert (first.counts, first.valid) == ({Code.BAD_ROW: 30}, 3)


def test_warnings_refuse_nothing():
    findings = Findings()
    findings.add(Code.UNKNOWN_CASE, "x", "ignored")
    report = ValidationReport("stamps", 0, *WHO)
    report.extend(findings)
    assert report.accepted
    assert report.summary() == ""
    assert report.lines()[0].startswith("accepted: ")


def test_report_is_json():
    findings = Findings(found=1)
    findings.add(Code.MISSING_CASE, "a", "no row")
    report = ValidationReport("stamps", 2, *WHO)
    report.extend(findings)
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert values["accepted"] is False
    assert (values["expected"], values["found"]) == (2, 1)
    assert values["counts"] == {"missing-case": 1}
    assert values["faults"] == [{"code": "missing-case", "member": "a", "message": "no row"}]
    assert values["warnings"] == []
    assert values["what_to_do"] == {"missing-case": "Predict every case of the inputs file"}


def test_a_message_says_what_must_be_and_what_is():
    assert must("the seed", "be 0 or more", -1, "choose another") == (
        "the seed must be 0 or more, got -1; choose another"
    )
    assert must("the name", "be relative") == "the name must be relative"


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202e", "\ud800", "\0" * 1000, "x" * 1000])
def test_names_of_others_do_not_steer_the_terminal(text):
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_an_error_comes_from_another_process_as_it_was():
    error = copy.copy(SubmissionError("no", Code.BAD_ROW))  # which asks it as pickling does
    assert (str(error), error.code) == ("no", Code.BAD_ROW)


@pytest.mark.parametrize(
    ("text", "shown"), [("é \x1b", "é \\x1b"), ("a\u00a0b", "a\\xa0b"), ("\ue000", "\\ue000"), ("ñ", "ñ")]
)
def test_what_is_not_seen_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown


def test_long_texts_are_cut():
    assert printable("x" * 300) == "x" * 300
    assert printable("x" * 301) == "x" * 300 + "…"


def test_kinds_of_files():
    assert kind_of(bytes(257) + b"ustar") == "a tar archive"
    assert kind_of(b"") == "an empty file"
    assert kind_of(bytes(40)) == "a file that begins with zeros, such as a download that was interrupted"
    assert (
        kind_of("é".encode() * 9 + b"\xc3") == "a text that starts with " + "é" * 9
    )  # cut within a character
    assert kind_of(b"y" * 40) == "a text that starts with " + "y" * 32
    for kind, start in {"bzip2": b"BZh9", "FITS": b"SIMPLE  =", "Parquet": b"PAR1", "RAR": b"Rar!",
                        "Arrow": b"ARROW1", "PDF": b"%PDF-1.7"}.items():  # fmt: skip
        assert kind in kind_of(start)
    for start in ("BZ", "SIMPLE  text", "PARIS", "Rare", "ARROWS", "%PD"):
        assert kind_of(start.encode()) == f"a text that starts with {start}"
    assert kind_of(b"\xff" * 40) == f"a file of an unknown kind, which starts with {bytes([255] * 16)!r}"


@pytest.mark.parametrize("content", [b"", b"PK", bytes(FIRST_BYTES) + b"PK"])
def test_first_bytes_of_several_lengths(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert first_bytes(tmp_path / "file") == content[:FIRST_BYTES]
    assert first_bytes(tmp_path) == b""
    with pytest.raises(FileNotFoundError):
        first_bytes(tmp_path / "nothing")


def test_limits_of_data_sets_and_pickles():
    """Those that no page tells; the challenge has 612,834 cases to train on."""
    assert (limits.MAX_CASES, limits.MAX_COLUMNS, limits.MAX_FIELDS) == (1_000_000, 32, 256)
    assert (limits.MAX_CASE_BYTES, limits.MAX_SOURCE) == (2**20, 2**20)


@pytest.mark.parametrize("case_id", ["a", "00087_00323", "ZTF18abc.1-2", "x" * 64])
def test_case_id(case_id):
    check_case_id(case_id)


@pytest.mark.parametrize("case_id", ["", ".a", "_a", "a/b", "a b", "a,b", "é", "a\n", "x" * 65, "../a"])
def test_no_case_id(case_id):
    with pytest.raises(SubmissionError, match="case id"):
        check_case_id(case_id)
