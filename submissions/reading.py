"""Reading of submissions, for ``validate`` and for scoring: a valid submission can be scored."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from submissions import limits, manifest
from submissions.archive import Files, list_files
from submissions.formats.base import Format, finite_cases
from submissions.formats.registry import FORMATS, format_of
from submissions.ids import explain, lookup
from submissions.report import UNKNOWN, UNSAFE, Code, Findings, SubmissionError, ValidationReport, must

_NUMBER = re.compile("[0-9]{1,9}")  # a candid, which is the same in all data sets, has 18 digits


@dataclass(frozen=True)
class Chunk:
    """The predictions of some cases, unread. It pickles: any thread or process can read it.

    ``start`` is the index of the first case in the submission. ``rows`` are the indices, in the chunk, of the
    cases that have a file; ``files`` are theirs, or the only file.
    """

    format: Format
    start: int
    case_ids: Sequence[str]
    rows: Sequence[int]
    files: Files

    def read(self) -> tuple[np.ndarray, Findings]:
        """Predictions (n, ...) of the cases, NaN where one is missing or wrong, and what was found."""
        if not self.files.entries:
            return np.full((len(self.case_ids), *self.format.shape), np.nan, np.float16), Findings()
        read, findings = _read_finite(self.format, self.files, [self.case_ids[row] for row in self.rows])
        if len(self.rows) == len(self.case_ids):
            return read, findings
        predictions = np.full((len(self.case_ids), *read.shape[1:]), np.nan, read.dtype)
        predictions[self.rows] = read
        return predictions, findings


@dataclass(frozen=True)
class Submission:
    """A submission whose files are listed, and whose predictions are not yet read.

    ``findings`` are those about the manifest and the names of the files. ``names`` are the files of
    predictions: one per case, or the only one; "" for a file that is missing or cannot be read.
    """

    format: Format
    case_ids: Sequence[str]
    files: Files
    names: Sequence[str]
    team: str
    method: str
    manifest: manifest.Manifest | None
    findings: Findings

    def sha256(self) -> str:
        """The SHA-256 of the zip or folder."""
        return self.files.sha256()

    def chunks(self, size: int = 256) -> Iterator[Chunk]:
        """Unread predictions in the order of the case ids: ``size`` cases at a time, or all in one chunk.

        mass-mapping: maps (n, 128, 128) float16. stamps: all probabilities (n, 5) float64, in the order of
        ``stamps.CLASSES``.
        """
        if not self.format.file_per_case:
            files = self.files.subset(filter(None, self.names))
            yield Chunk(self.format, 0, self.case_ids, range(len(self.case_ids)), files)
            return
        for start in range(0, len(self.case_ids), size):
            case_ids, names = self.case_ids[start : start + size], self.names[start : start + size]
            rows = [index for index, name in enumerate(names) if name]
            yield Chunk(self.format, start, case_ids, rows, self.files.subset(filter(None, names)))

    def read(self) -> tuple[np.ndarray, ValidationReport]:
        """All predictions, NaN if missing or invalid, and the report."""
        results = [chunk.read() for chunk in self.chunks()]
        report = self.report(findings for _, findings in results)
        return np.concatenate([predictions for predictions, _ in results]), report

    def report(self, findings: Iterable[Findings]) -> ValidationReport:
        """The report, from the findings of all chunks in their order."""
        report = ValidationReport(self.format.track, len(self.case_ids), self.team, self.method)
        for of_check in (self.findings, *findings):
            report.extend(of_check)
        return report


def open_submission(
    path: str | PathLike[str], track: str | Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> Submission:
    """List the files of a submission and check their names and the manifest; predictions are read later.

    Without a manifest, the team is named after the folder of the predictions, or else after the zip.

    Parameters
    ----------
    path : path of a zip, or of an unzipped folder
    track : name of a track, or Format
    case_ids : ids of the cases to predict
    fingerprint : str, optional
        Fingerprint of the data set, to compare with that of the manifest.

    Returns
    -------
    Submission
        Its ``findings`` list all faults so far.

    Raises
    ------
    SubmissionError
        If no file can be listed: the path does not exist, is not a zip, or exceeds the limits.
    """
    path = Path(path)
    return check_files(list_files(path), path.stem, format_of(track), case_ids, fingerprint)


def validate(
    path: str | PathLike[str], track: str | Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> ValidationReport:
    """Check a submission completely, including its predictions.

    The parameters are those of `open_submission`. Returns a report of all faults and warnings; nothing is
    raised for a faulty submission.
    """
    try:
        submission = open_submission(path, track, case_ids, fingerprint)
    except SubmissionError as error:
        report = ValidationReport(format_of(track).track, len(case_ids))
        report.add(error.code, "", str(error))
        return report
    return submission.report(chunk.read()[1] for chunk in submission.chunks())


def check_files(
    files: Files, stem: str, track: Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> Submission:
    """The submission that these files are. ``stem`` is the team's name for want of a better one."""
    findings = files.findings()
    names = _names_of_predictions(files, track, findings)
    folders = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
    for folder in folders:
        if len(folders) > 1 or "/" in folder:
            findings.add(Code.UNEXPECTED_FOLDER, folder, must("the files", f"be {track.pattern}"))
    team, method = _clean("".join(folders[:1]).rpartition("/")[2]) or _clean(stem) or UNKNOWN, UNKNOWN
    described = _read_manifest(files, track, case_ids, fingerprint, findings)
    if described:
        files, team, method = replace(files, checksums=described.files), described.team, described.method
    check_names = _file_of_each_case if track.file_per_case else _only_file
    checked = check_names(names, track, case_ids, findings)
    readable = [name if name in files.entries else "" for name in checked]
    return Submission(track, case_ids, files, readable, team, method, described, findings)


def _read_finite(track: Format, files: Files, case_ids: Sequence[str]) -> tuple[np.ndarray, Findings]:
    """What a format reads, after a look that all cases without a fault are finite, and at the checksums."""
    predictions, findings = track.read(files, case_ids)
    rows = np.flatnonzero(~finite_cases(predictions)).tolist()
    names = files.names if track.file_per_case else case_ids
    if rows and findings.faults and len(files.names) > 1:
        # Some cases have a fault, but findings do not say which cases: read alone, each one shows it.
        findings = Findings()
        for row, (name, case_id) in enumerate(zip(names, case_ids, strict=True)):
            predictions[row : row + 1], of_case = _read_finite(track, files.subset([name]), [case_id])
            findings.extend(of_case)
        return predictions, findings
    if not findings.faults:
        for row in rows:
            findings.add(Code.NOT_FINITE, names[row], must("the values", "be finite", "NaN or infinity"))
        predictions[rows] = np.nan
    for name in files.mismatched:
        findings.add(Code.WRONG_CHECKSUM, name, must("the SHA-256", "be that in manifest.json"))
        predictions[files.names.index(name) if track.file_per_case else slice(None)] = np.nan
    findings.valid = int(finite_cases(predictions).sum()) if rows or files.mismatched else len(predictions)
    return predictions, findings


def _names_of_predictions(files: Files, track: Format, findings: Findings) -> list[str]:
    """The names of the predictions; the other files are reported in the findings."""
    names, others = [], []
    for name in [*files.entries, *sorted(files.refused)]:
        hidden = "/__MACOSX/" in "/" + name or name.rpartition("/")[2].startswith(".")
        if track.matches(name) and not hidden:
            names.append(name)
        elif name != manifest.NAME:
            others.append(name)
            findings.add(Code.IGNORED_FILE, name, f"not {track.pattern} or {manifest.NAME}")
    for other in FORMATS.values():
        if not names and any(map(other.matches, others)):
            findings.add(Code.WRONG_TRACK, "", f"{other.pattern} is a submission to {other.track}")
    return names


def _read_manifest(
    files: Files, track: Format, case_ids: Sequence[str], fingerprint: str | None, findings: Findings
) -> manifest.Manifest | None:
    """The manifest, None if there is none or it is wrong."""
    if manifest.NAME not in files.entries:
        return None
    try:
        with files.open() as content:
            described = manifest.parse(content(manifest.NAME, limits.MAX_MANIFEST_BYTES))
    except SubmissionError as error:
        findings.add(error.code, manifest.NAME, str(error))
        return None
    if described.track != track.track:
        message = must("the track", f"be {track.track}", described.track)
        findings.add(Code.WRONG_TRACK, manifest.NAME, message)
    made_for = described.dataset_fingerprint
    if fingerprint and made_for and made_for != fingerprint:
        doubt = "the ids here are only numbers, which fit any data set: make sure that it is this one"
        numbered = all(map(_NUMBER.fullmatch, case_ids))
        rule = f"be {fingerprint}, that of these cases"
        message = must("dataset_fingerprint", rule, made_for, doubt if numbered else "")
        findings.add(Code.WRONG_FINGERPRINT, manifest.NAME, message)
    return described


def _file_of_each_case(
    names: Sequence[str], track: Format, case_ids: Sequence[str], findings: Findings
) -> list[str]:
    """The file of each case, "" where there is none, or more than one."""
    files, duplicates, find = dict.fromkeys(case_ids, ""), set(), lookup(case_ids)
    for name in names:
        written = name.rpartition("/")[2].removesuffix(track.suffix)
        case_id = find(written)
        if case_id and case_id != written:
            findings.add(Code.REWRITTEN_ID, name, f"taken for {case_id}, which has other leading zeros")
        if not case_id:
            findings.add(Code.UNKNOWN_CASE, name, "ignored: the inputs have no such case" + explain(written))
        elif files[case_id]:
            findings.add(Code.DUPLICATE_CASE, name, f"the same case as {files[case_id]}")
            duplicates.add(case_id)
        else:
            files[case_id] = name
    for case_id in (case_id for case_id in case_ids if not files[case_id]):
        findings.add(Code.MISSING_CASE, case_id, "no file for this case")
    findings.found = sum(map(bool, files.values()))
    return ["" if case_id in duplicates else files[case_id] for case_id in case_ids]


def _only_file(
    names: Sequence[str], track: Format, _case_ids: Sequence[str], findings: Findings
) -> Sequence[str]:
    """The only file with predictions, if there is just one."""
    if len(names) == 1:
        return names
    got = f"{len(names)}: {', '.join(names[:2])}" if names else "none"
    code = Code.DUPLICATE_CASE if names else Code.MISSING_FILE
    findings.add(code, track.pattern, must("there", "be one such file", got))
    return []


def _clean(name: str) -> str:
    """The name without what no team's name may hold. macOS stores letters and their accents apart."""
    return unicodedata.normalize("NFC", UNSAFE.sub("", name[: limits.MAX_NAME]))[: limits.MAX_TEXT].strip()
