"""The one door for submissions: what ``validate`` accepts can be scored, since scorers come through here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np

from submissions import limits, manifest
from submissions.archive import Archive, Files, Folder, Located
from submissions.formats.registry import FORMATS, Format, format_of
from submissions.report import UNKNOWN, Code, SubmissionError, ValidationReport


@dataclass(frozen=True)
class Part:
    """Some cases of a submission; pickled, it takes along what the zip's directory says of their files."""

    files: Files
    located: Located
    reader: Callable[[Files, Located, ValidationReport], np.ndarray]

    def read(self, report: ValidationReport) -> np.ndarray:
        with self.files.opened():
            return self.reader(self.files, self.located, report)


class Submission:
    """An open submission; its ``report`` is complete once all chunks were read.

    Without a manifest the team is the folder of the predictions, or else the name of the zip.
    """

    def __init__(
        self, files: Files, stem: str, track: Format, case_ids: Sequence[str], report: ValidationReport
    ) -> None:
        self.report = report
        self.manifest: manifest.Manifest | None = None
        self._case_ids = case_ids
        self._format = track
        self._archive = files
        self._names = self._predictions()
        folders = list(dict.fromkeys(name.rpartition("/")[0] for name in self._names))
        for folder in folders:
            if len(folders) > 1 or "/" in folder:
                report.add(Code.UNEXPECTED_FOLDER, folder, f"expected {self._format.FILES}")
        report.team = _clean("".join(folders[:1]).rpartition("/")[2]) or _clean(stem) or UNKNOWN
        if manifest.NAME in self._archive.entries:
            self._read_manifest()
        self.team, self.method = report.team, report.method

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the zip or folder; to be asked for while it is open."""
        return self._archive.sha256()

    def chunks(self, size: int = 256) -> Iterator[tuple[int, np.ndarray]]:
        """Start and predictions of ``size`` cases at a time, in the order of the case ids; to be read once.

        mass-mapping: maps (n, 128, 128) float16. stamps: probabilities (n, 5) float64 in the order of
        ``stamps.CLASSES``. A case that is absent or wrong is all NaN, and the report tells of it.
        """
        for start, part in self.parts(size):
            yield start, part.read(self.report)

    def parts(self, size: int) -> Iterator[tuple[int, Part]]:
        """What `chunks` reads, unread: start, and what another process can read with a report of its own.

        The parts' findings, in the order of the parts, come after those of this submission's report.
        """
        located = self._format.locate(self._archive, self._names, self._case_ids, self.report)
        for start in range(0, len(self._case_ids), size):
            chunk = located[start : start + size]
            names = chunk if isinstance(chunk, list) else []
            yield start, Part(self._archive.part(names), chunk, self._format.read)

    def _predictions(self) -> list[str]:
        """The names of the predictions, after telling the report of the other files."""
        names, others = [], []
        for name in [*self._archive.entries, *sorted(self._archive.refused)]:
            hidden = "/__MACOSX/" in "/" + name or name.rpartition("/")[2].startswith(".")
            if ("/" + name).endswith(self._format.SUFFIX) and not hidden:
                names.append(name)
            elif name != manifest.NAME:
                others.append(name)
                self.report.add(Code.IGNORED_FILE, name, f"not {self._format.FILES} or {manifest.NAME}")
        for other in FORMATS.values():
            if not names and any(("/" + name).endswith(other.SUFFIX) for name in others):
                self.report.add(Code.WRONG_TRACK, "", f"{other.FILES} is a submission to {other.TRACK}")
        return names

    def _read_manifest(self) -> None:
        report = self.report
        try:
            found = manifest.parse(self._archive.read(manifest.NAME, limits.MAX_MANIFEST_BYTES))
        except SubmissionError as error:
            report.add(error.code, manifest.NAME, str(error))
            return
        if found.track != report.track:
            report.add(Code.WRONG_TRACK, manifest.NAME, f"made for {found.track}, expected {report.track}")
        self.manifest, report.team, report.method = found, found.team, found.method
        self._archive.checksums = found.files


@contextmanager
def open_submission(
    path: str | PathLike[str], track: str | Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> Iterator[Submission]:
    """Open a submission for the cases of a data set, and compare the data set's fingerprint if it is given.

    ``path`` is a zip, or the folder that somebody made of one. Raises SubmissionError when nothing can be
    listed: no such file, no zip, a zip beyond all limits. The report tells of all other faults.
    """
    path, track = Path(path), format_of(track)
    if not path.is_file() and not path.is_dir():
        raise SubmissionError(f"{path}: expected a zip file, found none", Code.NOT_A_ZIP)
    report = ValidationReport(track.TRACK, len(case_ids))
    with nullcontext() if path.is_dir() else path.open("rb") as file:
        files: Files = Archive(file, report) if file else Folder(path, report)
        submission = Submission(files, path.stem, track, case_ids, report)
        made_for = submission.manifest and submission.manifest.dataset_fingerprint
        if fingerprint and made_for and made_for != fingerprint:
            message = f"made for the data set {made_for}, this one is {fingerprint}"
            report.add(Code.WRONG_FINGERPRINT, manifest.NAME, message)
        yield submission


def validate(
    path: str | PathLike[str], track: str | Format, case_ids: Sequence[str], fingerprint: str | None = None
) -> ValidationReport:
    """All that is wrong with a submission."""
    try:
        with open_submission(path, track, case_ids, fingerprint) as submission:
            for _ in submission.chunks():
                pass
            return submission.report
    except SubmissionError as error:
        report = ValidationReport(format_of(track).TRACK, len(case_ids))
        report.add(error.code, "", str(error))
        return report


def _clean(name: str) -> str:
    return "".join(filter(str.isprintable, name))[: limits.MAX_TEXT].strip()
