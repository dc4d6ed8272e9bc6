"""A submission as Codabench's worker hands it over: an unzipped folder, with a file of the worker's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from submissions.archive import list_folder
from submissions.formats.base import Format
from submissions.reading import check_files
from submissions.report import Code, SubmissionError, ValidationReport

WORKERS_FILE = "metadata"
"""What the worker adds. An upload with a file of that name, or ``.yaml``, is code to it, and not copied."""


def check(
    folder: Path, track: Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> ValidationReport:
    """The report of ``validate`` on a submission, without the worker's own file.

    The folder's name is no team's. Raises SubmissionError when there is no other file.
    """
    if not any(path.name != WORKERS_FILE for path in folder.iterdir()):
        message = (
            "the zip holds no files, or has `metadata` or `metadata.yaml` at its root: Codabench takes such "
            "a zip for code, and hands over nothing of it. Leave that file out"
        )
        raise SubmissionError(message, Code.MISSING_FILE)
    files = list_folder(folder)
    entries = {name: entry for name, entry in files.entries.items() if name != WORKERS_FILE}
    submission = check_files(replace(files, entries=entries), "", track, case_ids, fingerprint)
    return submission.report(chunk.read()[1] for chunk in submission.chunks())
