"""A submission as Codabench's worker hands it over: an unzipped folder, with a file of the worker's own."""

from collections.abc import Sequence
from pathlib import Path

from submissions.formats.registry import Format
from submissions.reading import validate
from submissions.report import UNKNOWN, Code, SubmissionError, ValidationReport

WORKERS_FILE = "metadata"
"""What the worker adds. An upload with a file of that name, or ``.yaml``, is code to it, and not copied."""


def check(
    folder: Path, track: Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> ValidationReport:
    """All that is wrong with a submission, as ``validate`` tells it; the worker's own file does not count.

    Raises SubmissionError when there is no other file.
    """
    if not any(path.name != WORKERS_FILE for path in folder.iterdir()):
        message = (
            "the zip holds no files, or has `metadata` or `metadata.yaml` at its root: Codabench takes such "
            "a zip for code, and hands over nothing of it. Leave that file out"
        )
        raise SubmissionError(message, Code.MISSING_FILE)
    report = validate(folder, track, case_ids, fingerprint)
    if report.team == folder.name:  # for want of a better name
        report.team = UNKNOWN
    for finding in [finding for finding in report.warnings if finding.member == WORKERS_FILE]:
        report.warnings.remove(finding)
        report.counts[finding.code] -= 1
        if not report.counts[finding.code]:
            del report.counts[finding.code]
    return report
