"""Reading files from outside: a zip in memory, never by extraction, or a folder; within known limits.

``zipfile`` lists the entries. They are inflated here, since ``zipfile`` does not compare what comes out with
what was declared, and takes longer for small files.
"""

import hashlib
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast

import numpy as np

from submissions import limits
from submissions.report import Code, SubmissionError, ValidationReport

_DIRECTORY_SIGNATURE, _LOCAL_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, struct.error)


Located = list[str] | np.ndarray


class Files(ABC):
    """The files of a submission: ``entries`` can be read, ``refused`` cannot, and the report was told why.

    ``checksums``, when not empty, are the SHA-256 that the files must have.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}
        self.refused: set[str] = set()
        self.checksums: Mapping[str, str] = {}

    def read(self, name: str, limit: int) -> bytes:
        """The content of an entry.

        Raises SubmissionError when it has more than ``limit`` bytes, is damaged, or has another checksum.
        """
        data = self._content(name, limit)
        if self.checksums and hashlib.sha256(data).hexdigest() != self.checksums.get(name):
            raise SubmissionError("the SHA-256 is not the one in manifest.json", Code.WRONG_CHECKSUM)
        return data

    def part(self, names: Iterable[str]) -> Self:
        """These files alone: other threads can read them, and other processes, for they can be pickled."""
        part = copy(self)
        part.entries = {name: self.entries[name] for name in names if name in self.entries}
        part.checksums = {name: self.checksums.get(name, "") for name in part.entries if self.checksums}
        part.refused = set()
        return part

    def opened(self) -> AbstractContextManager[object]:
        """A context in which files can be read."""
        return nullcontext()

    @abstractmethod
    def _content(self, name: str, limit: int) -> bytes: ...

    @abstractmethod
    def sha256(self) -> str:
        """The SHA-256 of the zip itself, or of the names and contents of the folder's files."""


class _DirectoryGuard:
    """The file as ``zipfile`` sees it: it reads the directory at once, and makes an object of every entry."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        _limit("the directory of the zip, in bytes", size, limits.MAX_DIRECTORY_BYTES)
        data = self._file.read(size)
        _limit("the number of files", data.count(_DIRECTORY_SIGNATURE), limits.MAX_ENTRIES)
        return data


class Entry(NamedTuple):
    """Where a file of a zip is, what it must be, and its name as bytes."""

    offset: int
    packed: int
    size: int
    crc: int
    deflated: bool
    name: bytes


class Archive(Files):
    """The files of a zip. Raises SubmissionError when it cannot be listed, or is beyond the limits."""

    entries: dict[str, Entry]

    def __init__(self, file: BufferedReader, report: ValidationReport) -> None:
        super().__init__()
        self._file: Any = file
        self._path = Path(file.name).absolute() if hasattr(file, "name") else None
        try:
            infos = zipfile.ZipFile(cast("IO[bytes]", _DirectoryGuard(file))).infolist()
        except _ZIP_ERRORS as error:
            raise SubmissionError(f"expected a zip file: {error}", Code.NOT_A_ZIP) from error
        _limit("all files, in bytes", sum(info.file_size for info in infos), limits.MAX_TOTAL_BYTES)
        infos = [info for info in infos if not info.filename.endswith("/") or _refused_name(info)]
        same = [_same(info.filename) for info in infos]
        times = Counter(same)
        overlapping = _overlapping(infos, file.seek(0, os.SEEK_END))
        for info, key in zip(infos, same, strict=True):
            name = info.filename
            if name in self.refused:
                continue
            if refusal := _refusal(info, times[key], info.header_offset in overlapping):
                report.add(refusal[0], name, refusal[1])
                self.refused.add(name)
            else:
                self.entries[name] = Entry(
                    info.header_offset,
                    info.compress_size,
                    info.file_size,
                    info.CRC,
                    info.compress_type == zipfile.ZIP_DEFLATED,
                    info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"),
                )

    def part(self, names: Iterable[str]) -> Self:
        part = super().part(names)
        if self._path:
            part._file = None
        return part

    @contextmanager
    def opened(self) -> Iterator[None]:
        if self._path and not self._file:
            with self._path.open("rb") as self._file:
                yield
            self._file = None
        else:
            yield

    def _content(self, name: str, limit: int) -> bytes:
        entry = self.entries[name]
        _limit("the file, in bytes", max(entry.size, entry.packed), limit)
        packed = self._packed(entry)
        data = _inflated(packed, entry.size) if entry.deflated else packed
        if data is None or len(data) != entry.size or zlib_module().crc32(data) != entry.crc:
            raise _damaged("its content is not as long as the zip says, or not what it was")
        return data

    def sha256(self) -> str:
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def _packed(self, entry: Entry) -> bytes:
        self._file.seek(entry.offset)
        end = _LOCAL_HEADER.size + len(entry.name)
        data: bytes = self._file.read(end + entry.packed)
        head = data[:end].ljust(end)
        signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(head)
        # A file that has two names is one file to some programs and another to others.
        name = head[_LOCAL_HEADER.size :]
        if signature != _LOCAL_SIGNATURE or name_length != len(name) or name != entry.name:
            raise _damaged("the zip's directory points elsewhere")
        return (data + self._file.read(extra_length) if extra_length else data)[end + extra_length :]


class Folder(Files):
    """The files of a folder, such as a platform's worker makes of a zip; links are never followed.

    Raises SubmissionError when there are more files than a zip may have.
    """

    def __init__(self, folder: Path, report: ValidationReport) -> None:
        super().__init__()
        for parent, folders, files in os.walk(folder):
            folders.sort()
            for path in (Path(parent, name) for name in sorted([*folders, *files])):
                mode, name = path.lstat().st_mode, path.relative_to(folder).as_posix()
                if stat.S_ISREG(mode):
                    self.entries[name] = path.absolute()
                elif not stat.S_ISDIR(mode):
                    report.add(Code.UNSAFE_NAME, name, _NO_FILE)
                    self.refused.add(name)
            _limit("the number of files", len(self.entries), limits.MAX_ENTRIES)

    def _content(self, name: str, limit: int) -> bytes:
        with self.entries[name].open("rb") as file:
            data: bytes = file.read(limit + 1)
        _limit("the file, in bytes", len(data), limit)
        return data

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for name, path in self.entries.items():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{content}  ".encode() + os.fsencode(name) + b"\n")
        return digest.hexdigest()


@cache
def zlib_module() -> Any:
    """isal's twin of zlib where it is installed: the same result in two thirds of the time. Else zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _inflated(data: bytes, size: int) -> bytes | None:
    """What a stream of deflate holds; None if it is damaged, or does not end where it should."""
    module = zlib_module()
    inflater = module.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(
            data, size + 1
        )  # one more than declared shows a lie, and is all a bomb wins
    except (zlib.error, module.error):
        return None
    return data if inflater.eof and not inflater.unused_data else None


_NO_FILE = "a link or a device, not a file"


def _refusal(info: zipfile.ZipInfo, times: int, overlaps: bool) -> tuple[Code, str] | None:
    """Why an entry must not be read whose name comes ``times`` times, or None."""
    if why := _refused_name(info):
        return Code.UNSAFE_NAME, why
    if times > 1:
        return Code.DUPLICATE_CASE, f"the zip holds {times:,} files of this name, in whatever case"
    if info.flag_bits & 1:
        return Code.ENCRYPTED, "the file is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Code.UNREADABLE, f"compression method {info.compress_type}, expected 0 (stored) or 8 (deflate)"
    if overlaps:
        return Code.UNREADABLE, "the file lies outside the zip, or overlaps another one"
    return None


def _refused_name(info: zipfile.ZipInfo) -> str:
    """What is wrong with the name or the kind of an entry, or ""."""
    name, first = info.filename, info.filename.partition("/")[0]
    if len(name) > limits.MAX_NAME or not (info.orig_filename + name).isprintable() or "\\" in name:
        return f"longer than {limits.MAX_NAME} characters, or control characters or backslashes in it"
    if not first or first[1:2] == ":" or ".." in name.split("/"):
        return "the name is absolute or leaves the folder"
    return "" if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR) else _NO_FILE


def _overlapping(infos: list[zipfile.ZipInfo], end: int) -> set[int]:
    """Offsets of the entries whose bytes belong to another one too, or lie outside ``end`` bytes.

    A few kilobytes that thousands of entries share are a bomb of which each one looks harmless.
    """
    wrong, reached, last = set(), 0, -1
    for info in sorted(infos, key=lambda info: info.header_offset):
        start, stop = info.header_offset, info.header_offset + _LOCAL_HEADER.size + info.compress_size
        if start < reached:
            wrong |= {last, start}
        if not 0 <= start < stop <= end:
            wrong.add(start)
        if stop > reached:
            reached, last = stop, start
    return wrong


def _same(name: str) -> str:
    """What names of one file have in common, on a system that does not tell them apart."""
    return name if name.isascii() and name.islower() else unicodedata.normalize("NFKC", name).casefold()


def _damaged(why: str) -> SubmissionError:
    return SubmissionError(f"the file is damaged: {why}", Code.UNREADABLE)


def _limit(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise SubmissionError(f"{what}: {value:,}, more than the {limit:,} allowed", Code.TOO_LARGE)
