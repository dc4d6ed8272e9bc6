"""The findings of the checks of a submission, and the report for its author."""

import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from submissions.limits import MAX_TEXT

LISTED = 20
"""How many findings of each kind a report lists; it counts all of them."""
UNKNOWN = "unknown"
"""The team or method of a submission that does not name it."""
# One line without controls, other spaces than " ", marks that change how text runs, or half characters.
# Ranges, since what `str.isprintable` says depends on the version of Python.
_UNSAFE = (
    r"\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f"
)
_SPACES = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
UNSAFE = re.compile(f"[{_UNSAFE}]")
"""A character that no name may have: it can steer a terminal, or hide."""
STEERING = re.compile(f"(?![{_SPACES}])[{_UNSAFE}]")
"""A character that is never shown: our own texts have spaces that do not break."""
TEXT = f"^(?! )[^{_UNSAFE}]+(?<! )$(?!\n)"
"""The pattern of a name or a text of a manifest."""


class Code(StrEnum):
    """The kinds of findings, each with advice; docs/submission-codes.md explains them."""

    advice: str

    def __new__(cls, value: str, advice: str) -> Self:
        """A code that is equal to the text ``value``."""
        code = str.__new__(cls, value)
        code._value_, code.advice = value, advice
        return code

    NOT_A_ZIP = "not-a-zip", "Make the zip again and upload all of it"
    TOO_LARGE = "too-large", "Leave out what is not a prediction; save maps as float16"
    UNSAFE_NAME = (
        "unsafe-name",
        "Zip plain files, from inside the parent folder; for backslashes zip with Explorer or 7-Zip, not "
        "with PowerShell 5",
    )
    ENCRYPTED = "encrypted", "Make the zip without a password"
    UNREADABLE = "unreadable", "Make the zip again with zip -r"
    WRONG_TRACK = "wrong-track", "Choose the other track or the other file"
    WRONG_FINGERPRINT = "wrong-fingerprint", "Check that the inputs file is the right one"
    MISSING_FILE = "missing-file", "Name the table predictions.csv"
    MISSING_CASE = "missing-case", "Predict every case of the inputs file"
    DUPLICATE_CASE = "duplicate-case", "Keep one prediction per case"
    NOT_AN_ARRAY = "not-an-array", "Write each map with numpy.save"
    WRONG_SHAPE = "wrong-shape", "Save one map per file, without other axes"
    WRONG_DTYPE = "wrong-dtype", "Save predictions.astype(numpy.float16), of values within ±65,504"
    NOT_FINITE = "not-finite", "Replace NaN and infinity by numbers"
    BAD_HEADER = (
        "bad-header",
        "Begin the table with case_id,AGN,SN,VS,asteroid,bogus, with commas between the columns",
    )
    BAD_ROW = "bad-row", "Write numbers with a decimal point, separated by commas"
    NOT_PROBABILITIES = "not-probabilities", "Apply a softmax"
    BAD_MANIFEST = "bad-manifest", "Correct the manifest or leave it out"
    WRONG_CHECKSUM = "wrong-checksum", "Write the submission again or leave the manifest out"
    UNKNOWN_CASE = (
        "unknown-case",
        "Check that the inputs file is the right one, and that no program has rounded the ids",
    )
    UNEXPECTED_FOLDER = "unexpected-folder", "Put the files into one folder, named after the team"
    IGNORED_FILE = "ignored-file", "Nothing to do"
    REWRITTEN_ID = "rewritten-id", "Let the program that writes the ids read them as text"
    CONVERTED_DTYPE = "converted-dtype", "Save predictions.astype(numpy.float16)"
    SQUEEZED_SHAPE = "squeezed-shape", "Save predictions[:, :, 0], or the like"


WARNINGS = frozenset({Code.UNKNOWN_CASE, Code.UNEXPECTED_FOLDER, Code.IGNORED_FILE, Code.REWRITTEN_ID,
                      Code.CONVERTED_DTYPE, Code.SQUEEZED_SHAPE, Code.WRONG_FINGERPRINT})  # fmt: skip
"""The kinds that do not refuse a submission; all others are faults."""


class SubmissionError(Exception):
    """A fault of a submission, or of predictions to be written; the message is for its author."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["SubmissionError"], tuple[str, Code]]:
        return type(self), (str(self), self.code)  # so that it can come from another process


@dataclass(frozen=True)
class Finding:
    """One finding: its kind, the file or case concerned ("" for the whole zip), and a message."""

    code: Code
    member: str
    message: str


@dataclass(kw_only=True)
class Findings:
    """The findings of a check: the number of each kind, and the first ``LISTED`` of each.

    ``found`` counts the cases for which there is a file or a row, right or wrong, ``valid`` those with a
    prediction that can be scored. The size is bounded: a hostile submission can have millions of faults.
    """

    found: int = 0
    valid: int = 0
    counts: dict[Code, int] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def add(self, code: Code, member: str, message: str) -> None:
        """Add a finding; it is made printable."""
        self.counts[code] = self.counts.get(code, 0) + 1
        if self.counts[code] <= LISTED:
            findings = self.warnings if code in WARNINGS else self.faults
            findings.append(Finding(code, printable(member), printable(message)))

    def extend(self, other: "Findings") -> None:
        """Add the findings of another check, as if they had been added one by one."""
        room = {code: LISTED - self.counts.get(code, 0) for code in other.counts}
        for mine, others in ((self.faults, other.faults), (self.warnings, other.warnings)):
            for finding in others:
                room[finding.code] -= 1
                if room[finding.code] >= 0:
                    mine.append(finding)
        for code, count in other.counts.items():
            self.counts[code] = self.counts.get(code, 0) + count
        self.found += other.found
        self.valid += other.valid


@dataclass
class ValidationReport(Findings):
    """The findings of all checks of a submission for ``expected`` cases; accepted if all are warnings."""

    track: str
    expected: int
    team: str = UNKNOWN
    method: str = UNKNOWN

    @property
    def accepted(self) -> bool:
        """Whether the submission can be scored."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        head = {"accepted": self.accepted, "track": self.track, "expected": self.expected}
        head |= {"team": self.team, "method": self.method, "cause": self.cause()}
        return head | asdict(self) | {"what_to_do": {code: code.advice for code in self.counts}}

    def summary(self) -> str:
        """The faults in a few words, such as "12 missing-case, 1 not-finite"; "" when there are none."""
        return ", ".join(f"{count:,} {code}" for code, count in self.counts.items() if code not in WARNINGS)

    def cause(self) -> str:
        """The reason why no case has a prediction, if it is the same for all faults; otherwise ""."""
        if Code.WRONG_TRACK in self.counts:
            return f"this is no submission to the track {self.track}"
        if self.found or not self.expected:
            return ""
        if Code.UNKNOWN_CASE in self.counts:
            return "none of the cases match: this submission was made for another data set"
        return "no case has a prediction" if Code.MISSING_CASE in self.counts else ""

    def lines(self) -> list[str]:
        """The report as text: a verdict, the cause, then each kind with its first findings.

        If one cause explains all faults, only three findings of each kind are listed.
        """
        verdict, cause = "accepted" if self.accepted else "refused", self.cause()
        who = printable(f"{self.track}, team {self.team}, method {self.method}")
        lines = [f"{verdict}: {who}, {self.valid:,} of {self.expected:,} cases valid"]
        lines += [f"cause: {cause}"] if cause else []
        most = 3 if cause else LISTED
        for code in sorted(self.counts, key=list(Code).index):
            listed = [finding for finding in (*self.faults, *self.warnings) if finding.code == code][:most]
            kind, more = "warning" if code in WARNINGS else "fault", self.counts[code] - len(listed)
            lines.append(f"{kind} {code}: {self.counts[code]:,}. {code.advice}")
            lines += [f"  {f.member}: {f.message}" if f.member else f"  {f.message}" for f in listed]
            lines += [f"  and {more:,} more"] if more else []
        return lines


def must(subject: str, requirement: str, got: object = None, advice: str = "") -> str:
    """The message "SUBJECT must REQUIREMENT, got GOT; ADVICE"; the last two only if there are any."""
    message = f"{subject} must {requirement}"
    message += f", got {printable(got)}" if got is not None else ""
    return f"{message}; {advice}" if advice else message


def printable(value: object, limit: int = 300) -> str:
    """The value on one line, cut to about ``limit`` characters: what is unsafe or unseen as escapes."""
    text = str(value)
    text = text if len(text) <= limit else text[:limit] + "…"
    return "".join(char if char.isprintable() else _escape(char) for char in _plain(text))


def plain(text: str) -> str:
    """A text of several lines, as it may be shown: what steers a terminal as escapes."""
    return "\n".join(map(_plain, text.split("\n")))


def _plain(line: str) -> str:
    return STEERING.sub(lambda found: _escape(found[0]), line)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def check_text(text: object, what: str) -> None:
    """Raise SubmissionError unless this is one line of 1 to ``MAX_TEXT`` printable characters."""
    if not (isinstance(text, str) and len(text) <= MAX_TEXT and re.search(TEXT, text)):
        rule = f"be 1 to {MAX_TEXT} printable characters without spaces at the ends"
        got = repr(printable(text)) if isinstance(text, str) else type(text).__name__
        raise SubmissionError(must(what, rule, got), Code.BAD_MANIFEST)


def check_case_id(case_id: str) -> None:
    """Raise SubmissionError unless the id can be the name of a file and a cell of a table anywhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", case_id):
        rule = "be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit"
        raise SubmissionError(must("a case id", rule, repr(case_id)), Code.UNSAFE_NAME)
