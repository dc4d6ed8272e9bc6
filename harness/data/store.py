"""The dataset file, HDF5 with schema ``astroboard-dataset/1``.

Columns of equal length: the track's inputs and truth (either may be absent), ``case_id``, ``group`` and,
where there is any, ``metadata``. Attributes: ``schema``, ``track``, ``role``, ``fingerprint`` and ``source``
(JSON). The fingerprint is a SHA-256 over the cases in the order of their ids: it tells what a file holds, not
how it was made, so the same cases packed in any order have the same one.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from harness import child
from harness.data.screening import screen, trust
from harness.files import HarnessError, beside
from harness.schemas import DATASET
from harness.tracks import Column, Track, get_track
from submissions import SubmissionError, check_case_id
from submissions.kinds import HDF5, first_bytes, kind_of
from submissions.limits import MAX_CASE_BYTES, MAX_CASES, MAX_COLUMNS, MAX_FIELDS, MAX_SOURCE, MAX_TEXT
from submissions.report import printable

FOREIGN_HDF5 = "save its cases as files that `astroboard pack` reads, and pack those"
ROLES = ("full", "train", "validation", "inputs", "truth")
CASE_ID_BYTES = 64
CHUNK = 256  # cases
DIGEST = hashlib.sha256().digest_size
# With one image a chunk, archives can be written in the order of their members, and batches read shuffled.
ROWS_PER_IMAGE_CHUNK, ROWS_PER_SCALAR_CHUNK = 1, 4096
GROWTH_ROWS = 4096  # that a column gets beyond those needed, whenever it is full
INPUTS_FINGERPRINT = "inputs_fingerprint"


class DataError(HarnessError):
    """A fault of a data set or of its source."""


@dataclass
class Writer:
    """An open dataset file that grows by cases; made by `create`.

    A case has a row, the same in all columns, from the moment that `append` is told its id. Its columns may
    follow one by one, in any order; of what was written the SHA-256 is kept, for the fingerprint and to know
    which rows of which columns have values.
    """

    file: h5py.File
    track: Track
    role: str
    rows: dict[str, int] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    group_numbers: dict[str, int] = field(default_factory=dict)
    columns: dict[str, h5py.Dataset] = field(default_factory=dict)
    digests: dict[str, np.ndarray] = field(default_factory=dict)  # (rows, 32), zeros where there is no value

    @cached_property
    def halves(self) -> dict[str, Column]:
        """Inputs and truth, the columns that the fingerprint is about."""
        return {column.name: column for column in (self.track.inputs, self.track.truth)}

    def append(
        self, case_id: Sequence[bytes | str], group: Sequence[int | str], **columns: np.ndarray
    ) -> None:
        """Add cases, with all or some of their columns. Groups without a number get one as they come.

        Raises DataError for an id that is there, or a column that is not as the track says.
        """
        ids = [str(name, "ascii", "replace") if isinstance(name, bytes) else str(name) for name in case_id]
        start = len(self.rows)
        if start + len(ids) > MAX_CASES:
            raise DataError(f"more than the {MAX_CASES:,} cases that a data set may have")
        for row, name in enumerate(ids, start):
            check_case_id(name)
            if name in self.rows:
                raise DataError(f"case {name} comes twice; every case id must be unique")
            self.rows[name] = row
        numbers = self.group_numbers
        groups = [
            numbers.setdefault(name, len(numbers)) if isinstance(name, str) else int(name) for name in group
        ]
        if any(abs(number) >= 2**63 for number in groups):
            raise DataError(f"groups must be integers of 64 bits, got {max(groups, key=abs)}")
        self.groups.extend(groups)
        for column, values in columns.items():
            self.put(column, slice(start, start + len(ids)), values)

    def put(self, name: str, rows: slice, values: np.ndarray) -> None:
        """Write a column's values for rows that `append` made.

        A column that the track does not describe, such as the metadata, gets a type that holds both the new
        values and those before. Raises DataError if they have another shape than the track says, or other
        fields than those before, or if no type holds both.
        """
        if len(values) != rows.stop - rows.start:
            raise DataError(f"column {name} must have {rows.stop - rows.start} values, got {len(values)}")
        column = self.columns[name] if name in self.columns else self._new_column(name, values)
        if values.shape[1:] != column.shape[1:]:
            raise DataError(f"{name} must be {column.shape[1:]} a case, got {values.shape[1:]}")
        if values.dtype.names != column.dtype.names:
            raise DataError(f"{name} must have the fields {column.dtype.names}, got {values.dtype.names}")
        if name not in self.halves and values.dtype != column.dtype:
            dtype = _common(name, column.dtype, values.dtype)
            if dtype != column.dtype:
                self._rewrite(name, dtype)
            _check_exact(name, values, dtype)
        self._write(name, rows, values)

    def _write(self, name: str, rows: slice, values: np.ndarray) -> None:
        column = self.columns[name]
        if len(column) < rows.stop:
            column.resize(rows.stop + GROWTH_ROWS, axis=0)
            self.digests[name].resize((len(column), DIGEST), refcheck=False)
        values = np.ascontiguousarray(values, column.dtype)
        if corner := (0,) * (values.ndim - 1):
            for row, value in enumerate(values, rows.start):  # each is one chunk, which needs no selection
                column.id.write_direct_chunk((row, *corner), value)
        else:
            column[rows] = values
        digests = b"".join(hashlib.sha256(value.tobytes()).digest() for value in values)
        self.digests[name][rows] = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST)

    def _rewrite(self, name: str, dtype: np.dtype) -> None:
        """Give a column another type, which HDF5 does not allow, by a copy of its values."""
        before, earlier = self.columns.pop(name), f"{name} before"
        had_value = np.any(self.digests[name][: len(self.rows)], axis=1)
        self.file.move(name, earlier)
        self._new_column(name, np.empty((0, *before.shape[1:]), dtype))
        for start in range(0, len(had_value), CHUNK):
            values = before[start : min(start + CHUNK, len(had_value))]
            _check_exact(name, values, dtype)
            self._write(name, slice(start, start + len(values)), values)
        self.digests[name][: len(had_value)][~had_value] = 0  # the copy hashed rows without a value, too
        del self.file[earlier]

    def has(self, name: str, row: int) -> bool:
        """Whether a value was written to this row of a column."""
        return any(self.digest(name, row))

    def digest(self, name: str, row: int) -> bytes:
        """The SHA-256 of a value that was written; zeros, or nothing, if none was."""
        return self.digests[name][row : row + 1].tobytes() if name in self.digests else b""

    def _new_column(self, name: str, values: np.ndarray) -> h5py.Dataset:
        dtype, shape = values.dtype, values.shape[1:]
        if name in self.halves:
            dtype, shape = np.dtype(self.halves[name].dtype), self.halves[name].shape
        chunks = (ROWS_PER_IMAGE_CHUNK if shape else ROWS_PER_SCALAR_CHUNK, *shape)
        self.digests[name] = np.zeros((0, DIGEST), np.uint8)
        self.columns[name] = self.file.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=chunks, track_times=False
        )
        return self.columns[name]

    def drop(self, rows: Collection[int]) -> None:
        """Remove rows: the last of those that stay move into the gaps."""
        staying = sorted(set(self.rows.values()).difference(rows))
        gaps = sorted(row for row in rows if row < len(staying))
        moving = staying[len(staying) - len(gaps) :]
        names = {row: case_id for case_id, row in self.rows.items()}
        for gap, row in zip(gaps, moving, strict=True):
            names[gap], self.groups[gap] = names[row], self.groups[row]
            for name, column in self.columns.items():
                if self.has(name, row):
                    column[gap], self.digests[name][gap] = column[row], self.digests[name][row]
                else:
                    self.digests[name][gap : gap + 1] = 0
        self.rows = {names[row]: row for row in range(len(staying))}
        del self.groups[len(staying) :]

    def close(self, source: Mapping[str, Any]) -> None:
        """Write what is known only at the end: ids, groups, attributes."""
        for name, column in self.columns.items():
            having = np.count_nonzero(self.digests[name][: len(self.rows)].any(axis=1))
            if having < len(self.rows):
                raise DataError(f"all {len(self.rows)} cases must have {name}, got {having} that do")
            column.resize(len(self.rows), axis=0)
        ids = np.array(list(self.rows), dtype=f"S{CASE_ID_BYTES}")
        self.file.create_dataset("case_id", data=ids, track_times=False)
        small = all(abs(number) < 2**31 for number in self.groups)
        groups = np.array(self.groups, np.int32 if small else np.int64)
        self.file.create_dataset("group", data=groups, track_times=False)
        self.file.attrs.update(
            schema=DATASET,
            track=self.track.name,
            role=self.role,
            fingerprint=self.fingerprint(),
            source=json.dumps(source, sort_keys=True),
        )

    def fingerprint(self) -> str:
        """SHA-256 over names, ids and values of inputs and truth, in the order of the ids."""
        digest = hashlib.sha256()
        for name in sorted(self.halves.keys() & self.columns.keys()):
            for case_id, row in sorted(self.rows.items()):
                digest.update(f"{name} {case_id} ".encode() + self.digest(name, row))
        return digest.hexdigest()


def _fields(dtype: np.dtype) -> dict[Any, np.dtype]:
    """The type of each field, by what selects it; without fields, the type itself, by what selects all."""
    return {name: dtype[name] for name in dtype.names} if dtype.names else {...: dtype}


def _common(name: str, before: np.dtype, now: np.dtype) -> np.dtype:
    """A type that holds the values of both, which have the same fields. Raises DataError if none does."""
    common = {}
    for key, new in _fields(now).items():
        old = _fields(before)[key]
        if not (old == new or {old.kind, new.kind} <= set("fiub") or old.kind == new.kind == "S"):
            raise DataError(
                f"{_shown(name, key)} must be of one kind everywhere, numbers or text, got {old} before and "
                f"{new} now; write both as numbers or both as text"
            )
        common[key] = np.promote_types(old, new)  # by field: of whole structures it keeps titles and gaps
    return np.dtype(list(common.items())) if now.names else common[...]


def _check_exact(name: str, values: np.ndarray, dtype: np.dtype) -> None:
    """Raise DataError where a whole number would be rounded, as 64 bits have no float that holds them all."""
    for key, target in _fields(dtype).items():
        part = values[key]
        if part.dtype.kind in "iu" and target.kind == "f" and part.size:
            exact = 2 ** (np.finfo(target).nmant + 1)
            if int(part.min()) < -exact or int(part.max()) > exact:
                raise DataError(
                    f"{_shown(name, key)} has whole numbers beyond {exact:,}, got {part.dtype} that "
                    f"{target}, which holds all other values, would round; write them as one type everywhere"
                )


def _shown(name: str, key: Any) -> str:
    return name if key is ... else f"{name} {printable(repr(key))}"


@contextmanager
def located(where: object) -> Iterator[None]:
    """Put in front of the message of a fault where it is."""
    try:
        yield
    except (DataError, SubmissionError) as error:
        raise DataError(f"{where}: {error}") from error


@contextmanager
def create(path: Path, track: Track, role: str, source: Mapping[str, Any]) -> Iterator[Writer]:
    """A new dataset file, there under its name only when the block ends well.

    ``source`` says how it was made; the block may add to it until the end.
    """
    with beside(path) as temporary, h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        writer = Writer(file, track, role)
        yield writer
        if not writer.rows:
            raise DataError(f"{path} would hold no case at all; nothing was written")
        writer.close(source)
    trust(path)


@dataclass(frozen=True)
class Dataset:
    """An open dataset file; its columns are read like arrays, slice by slice."""

    path: Path
    track: Track
    role: str
    fingerprint: str
    source: dict[str, Any]
    columns: dict[str, h5py.Dataset]

    def __len__(self) -> int:
        return len(self.columns["case_id"])

    @property
    def inputs(self) -> h5py.Dataset:
        """The inputs of the methods. Raises DataError if the file has none."""
        return self._need(self.track.inputs.name, "inputs")

    @cached_property
    def truth(self) -> h5py.Dataset:
        """The target of the predictions. Raises DataError if the file has none, or labels of no class."""
        truth, classes = self._need(self.track.truth.name, "the truth"), self.track.classes
        if classes:
            labels = truth[:]
            unknown = np.flatnonzero((labels < 0) | (labels >= len(classes)))
            if len(unknown):
                case_id = printable(self.columns["case_id"][unknown[0]].decode("ascii", "replace"))
                must = f"{self.track.truth.name} must be 0 to {len(classes) - 1}, for {', '.join(classes)}"
                raise DataError(f"{self.path}: {must}, got {labels[unknown[0]]} of case {case_id}")
        return truth

    @property
    def metadata(self) -> h5py.Dataset | None:
        """The metadata of the cases, or None."""
        return self.columns.get("metadata")

    @property
    def submissions_fingerprint(self) -> str | None:
        """The fingerprint in the manifests of submissions for these cases; None if it is not known.

        It is the fingerprint of the test inputs, which `split` stores in the file of truth.
        """
        if self.role != "truth":
            return self.fingerprint
        noted = self.source.get(INPUTS_FINGERPRINT)
        return noted if isinstance(noted, str) else None

    def _need(self, name: str, what: str) -> h5py.Dataset:
        if name not in self.columns:
            raise DataError(
                f"{self.path} must be a file with {what}, in a column {name!r}, got one with the role "
                f"{self.role!r} and the columns {', '.join(self.columns)}"
            )
        return self.columns[name]

    def case_ids(self) -> list[str]:
        """The ids in the order of the file. Raises DataError if one is not allowed or not unique."""
        return self._case_ids

    @cached_property
    def _case_ids(self) -> list[str]:
        ids = [str(case_id, "ascii", "replace") for case_id in self.columns["case_id"][:]]
        with located(self.path):
            for case_id in ids:
                check_case_id(case_id)
            if len(set(ids)) < len(ids):
                raise DataError(f"case {Counter(ids).most_common(1)[0][0]} comes twice")
        return ids

    def groups(self) -> np.ndarray:
        """The group of each case (N,): the cluster, or the object."""
        return np.asarray(self.columns["group"][:])

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """All columns, ``CHUNK`` cases at a time."""
        for start in range(0, len(self), CHUNK):
            yield {name: column[start : start + CHUNK] for name, column in self.columns.items()}


@contextmanager
def open_dataset(path: str | PathLike[str], track: Track | None = None) -> Iterator[Dataset]:
    """Open a dataset file for reading, as a context manager. Everything but the cases is checked.

    A file from elsewhere is first opened in a child process, because a corrupt byte can make HDF5 hang.
    Raises DataError if the file is not a valid data set, or if it does not belong to ``track``.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} must be a dataset file (.h5), got no file")
    try:
        screen(path, f"{__name__}:walk")
    except HarnessError as error:
        raise DataError(str(error)) from error
    with _opened(path) as dataset:
        if track is not None and dataset.track.name != track.name:
            raise DataError(f"{path} must be of the track {track.name!r}, got one of {dataset.track.name!r}")
        yield dataset


def walk(path: Path) -> Iterator[child.Item]:
    """Open a file, and look up where each of its values lies; nothing comes of it but an error, if any."""
    size = path.stat().st_size
    with _opened(path) as dataset, _said(path):
        for name, column in dataset.columns.items():
            if column.chunks:
                ends: list[int] = []
                column.id.chunk_iter(lambda chunk: ends.append(chunk.byte_offset + chunk.size))  # noqa: B023
                _require(max(ends, default=0) <= size, f"{name} has values beyond the end of the file")
            column[-1:]  # which needs all that the header says of the column
    yield from ()


@contextmanager
def _opened(path: Path) -> Iterator[Dataset]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        start = first_bytes(path)
        if start.startswith(HDF5):
            raise DataError(f"{path} cannot be read as HDF5: {error}") from error
        raise DataError(f"{path} must be a data set of astroboard (HDF5), got {kind_of(start)}") from error
    with file:
        with _said(path):
            dataset = _checked(file, path)
        yield dataset


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say which file it is that has a fault, also where h5py found it."""
    try:
        with located(path):
            yield
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as a data set: {printable(error)}") from error


def _require(fine: bool, fault: str) -> None:
    if not fine:
        raise DataError(fault)


def _checked(file: h5py.File, path: Path) -> Dataset:
    own = "schema" in file.attrs
    _require(own, f"it must be a data set of astroboard, got HDF5 of another program; {FOREIGN_HDF5}")
    schema, track_name, role, fingerprint = (
        _attribute(file, name, MAX_TEXT) for name in ("schema", "track", "role", "fingerprint")
    )
    _require(schema == DATASET, f"its schema must be {DATASET!r}, got {schema!r}")
    _require(role in ROLES, f"its role must be one of {', '.join(ROLES)}, got {role!r}")
    track = get_track(track_name)
    _require(len(file) <= MAX_COLUMNS, f"it must have {MAX_COLUMNS} columns at most, got {len(file):,}")
    columns = {name: _column(file, name) for name in file}
    for name, kinds in (("case_id", "S"), ("group", "iu")):
        _require(name in columns, f"it must have a column {name!r}, got none")
        kind, shape = columns[name].dtype, columns[name].shape[1:]
        fine = kind.kind in kinds and shape == ()
        _require(fine, f"{name} must be one of the types {kinds} a case, got {kind} {shape}")
    for expected in (track.inputs, track.truth):
        if expected.name in columns:
            column = columns[expected.name]
            fine = (column.dtype, column.shape[1:]) == (expected.dtype, expected.shape)
            needed, came = f"{expected.dtype} {expected.shape}", f"{column.dtype} {column.shape[1:]}"
            _require(fine, f"{expected.name} must be {needed} a case, got {came}")
    lengths = {name: column.shape[0] for name, column in columns.items()}
    _require(len(set(lengths.values())) == 1, f"its columns differ in length: {lengths}")
    cases = lengths["case_id"]
    _require(0 < cases <= MAX_CASES, f"it declares {cases:,} cases; 1 to {MAX_CASES:,} are allowed")
    declared = sum(math.prod(column.shape) * column.dtype.itemsize for column in columns.values())
    size = path.stat().st_size
    _require(declared <= size, f"it declares {declared:,} bytes of columns and has {size:,}")
    try:
        source = json.loads(_attribute(file, "source", MAX_SOURCE))
    except (ValueError, RecursionError) as error:
        raise DataError(f"the attribute source must be JSON: {error}") from error
    _require(isinstance(source, dict), "the attribute source must hold a JSON object")
    return Dataset(path, track, role, fingerprint, source, columns)


def _attribute(file: h5py.File, name: str, limit: int) -> str:
    """An attribute that is one text of this file, of a length that is sure before it is read if it can be."""
    stored = file.attrs.get_id(name) if name in file.attrs else None
    short = stored is not None and stored.shape == () and stored.get_storage_size() <= 4 * limit
    value = file.attrs[name] if short else None
    if not isinstance(value, str) or len(value) > limit:
        raise DataError(f"the attribute {name} must be a text of at most {limit:,} characters")
    return value


def _column(file: h5py.File, name: str) -> h5py.Dataset:
    """A column of plain values that lie in this very file.

    Links, virtual sets and external storage could show any other file. Values of variable length and
    filters are refused because a small file could become any number of bytes with them.
    """
    shown = printable(name, MAX_TEXT)
    column = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(column, h5py.Dataset):
        raise DataError(f"{shown} is no data set of this file itself")
    inside = not (column.is_virtual or column.external) and bool(column.shape)
    _require(inside, f"{shown} keeps its values outside this file, which is not accepted")
    filters = column.id.get_create_plist().get_nfilters()
    _require(not filters, f"{shown} is compressed or filtered; write it again without: h5repack -f NONE")
    fields = [column.dtype[field] for field in column.dtype.names or ()] or [column.dtype]
    plain = len(fields) <= MAX_FIELDS and all(field.kind in "fiubS" for field in fields)
    _require(plain, f"{shown} must hold numbers, texts of fixed length, or up to {MAX_FIELDS} such fields")
    size = math.prod(column.shape[1:]) * column.dtype.itemsize
    _require(
        size <= MAX_CASE_BYTES, f"{shown} must have {MAX_CASE_BYTES:,} bytes a case at most, got {size:,}"
    )
    return column
