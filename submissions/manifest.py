"""``manifest.json``, the description of a submission; its schema is docs/manifest.schema.json."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from submissions import limits, strict_json
from submissions.report import Code, SubmissionError, check_text, must, printable

NAME = "manifest.json"
SCHEMA = "astroboard-submission/1"
REQUIRED = ("track", "team", "method")
FACTS = ("link", "training_data", "parameters", "training_seconds")
"""Keys that are left out where nothing is known, so that older manifests keep their bytes."""


@dataclass(frozen=True)
class Manifest:
    """The author and the method of a submission; ``files`` maps each name in the zip to its SHA-256.

    ``hardware`` lists the system, processors, GPUs and drivers that made the predictions. A string, as
    written by version 0.1.0, becomes a list with one entry; None becomes an empty list. ``seconds`` is the
    duration of the predictions, or None to keep submissions reproducible. ``link`` is the https address of
    code or paper, ``training_data`` the fingerprint or the name of the training data set, ``parameters`` the
    number of trained parameters, and ``training_seconds`` the duration of the training.

    Raises SubmissionError for values that the schema does not allow.
    """

    track: str
    team: str
    method: str
    dataset_fingerprint: str | None = None
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Sequence[str] | str | None = None
    seconds: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    link: str | None = None
    training_data: str | None = None
    parameters: int | None = None
    training_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in (*REQUIRED, "dataset_fingerprint", "training_data"):
            if name in REQUIRED or getattr(self, name) is not None:
                check_text(getattr(self, name), name)
        if isinstance(self.hardware, str | None):  # as version 0.1.0 wrote it
            object.__setattr__(self, "hardware", [self.hardware] if self.hardware is not None else [])
        right = isinstance(self.hardware, list) and len(self.hardware) <= limits.MAX_HARDWARE
        _expect(right, "hardware", f"be a list of at most {limits.MAX_HARDWARE} texts", self.hardware)
        for text in self.hardware or ():
            check_text(text, "hardware")
        for name in ("seed", "parameters"):
            if (whole := getattr(self, name)) is not None:
                right = type(whole) is int and 0 <= whole < 2**63
                _expect(right, name, "be an integer from 0 to 2^63 - 1", whole)
        for name in ("seconds", "training_seconds"):
            if (seconds := getattr(self, name)) is not None:
                right = type(seconds) in (int, float) and 0 <= seconds < 1e12
                _expect(right, name, "be a number from 0 to 1e12", seconds)
        if (link := self.link) is not None:
            right = isinstance(link, str) and bool(re.fullmatch(limits.LINK, link))
            rule = f"be an address that begins with https://, of at most {limits.MAX_LINK} characters"
            _expect(right, "link", rule, printable(link) if isinstance(link, str) else link)
        for name in ("versions", "files"):
            _expect(isinstance(getattr(self, name), dict), name, "be an object", getattr(self, name))
        for text in (*self.versions, *self.versions.values()):
            check_text(text, "versions")
        for name, digest in self.files.items():
            right = isinstance(digest, str) and bool(re.fullmatch("[0-9a-f]{64}", digest))
            _expect(right, f"files, {name}:", "be a SHA-256, 64 of 0-9 a-f", digest)

    def to_bytes(self) -> bytes:
        """The content of the file, identical for equal values."""
        values = {
            name: value for name, value in asdict(self).items() if name not in FACTS or value is not None
        }
        return (json.dumps({"schema": SCHEMA, **values}, indent=1) + "\n").encode()


def parse(data: bytes) -> Manifest:
    """The manifest in a file from outside. Keys that the schema does not know are ignored.

    Raises SubmissionError when it is no manifest.
    """
    # Counted before it is parsed, since a few bytes of JSON can become many objects, or a deep recursion.
    for count, limit, what in (
        (data.count(b","), limits.MAX_MANIFEST_VALUES, "values"),
        (data.count(b"[") + data.count(b"{"), limits.MAX_MANIFEST_CONTAINERS, "objects and lists"),
        # One wide character makes all the others wide.
        (0 if data.isascii() else len(data), limits.MAX_MANIFEST_WIDE_BYTES, "bytes without \\u escapes"),
    ):
        _expect(count <= limit, "the manifest", f"have at most {limit:,} {what}", f"{count:,}")
    try:
        values = strict_json.loads(data)
    except ValueError as error:
        message = must("the manifest", "be JSON", f"an error: {error}")
        raise SubmissionError(message, Code.BAD_MANIFEST) from error
    right = isinstance(values, dict) and values.get("schema") == SCHEMA
    _expect(right, "the manifest", f'be an object with "schema": "{SCHEMA}"')
    known: dict[str, Any] = dict.fromkeys(REQUIRED)
    known |= {f.name: values[f.name] for f in fields(Manifest) if f.name in values}
    for name in ("seed", "parameters"):
        if isinstance(number := known.get(name), float) and number.is_integer():
            known[name] = int(number)  # to JSON, 7.0 is as much an integer as 7
    return Manifest(**known)


def _expect(right: bool, subject: str, requirement: str, got: object = None) -> None:
    if not right:
        shown = got if got is None or isinstance(got, str | int | float) else type(got).__name__
        raise SubmissionError(must(printable(subject), requirement, shown), Code.BAD_MANIFEST)
