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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Self, cast

from submissions import limits
from submissions.report import Code, Findings, SubmissionError, must

_DIRECTORY_SIGNATURE, _LOCAL_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, struct.error)
_KIND = must("it", "be a file or a folder", "a link or a device")
AGAIN = "make the zip again"


@dataclass(frozen=True)
class Files(ABC):
    """The files of a submission, listed but not open: every thread and process opens them for itself.

    ``entries`` says where each file is, by its name; ``refused`` says what is wrong with those that must not
    be read. ``checksums``, when not empty, are the SHA-256 that the files must have.
    """

    path: Path
    entries: Mapping[str, Any]
    refused: Mapping[str, tuple[Code, str]]
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of the files that can be read."""
        return list(self.entries)

    def findings(self) -> Findings:
        """What is wrong with the files that must not be read."""
        findings = Findings()
        for name, (code, message) in self.refused.items():
            findings.add(code, name, message)
        return findings

    def subset(self, names: Iterable[str]) -> Self:
        """These files alone, in this order."""
        entries = {name: self.entries[name] for name in names}
        checksums = {name: self.checksums.get(name, "") for name in entries if self.checksums}
        return replace(self, entries=entries, refused={}, checksums=checksums)

    @contextmanager
    def open(self) -> Iterator[Callable[[str, int], bytes]]:
        """Open the files, and give the function that reads one: ``content(name, limit) -> bytes``.

        That function raises SubmissionError for a file that has more than ``limit`` bytes, is damaged, or has
        another checksum.
        """

        def content(name: str, limit: int) -> bytes:
            data = read(self.entries[name], limit)
            if self.checksums and hashlib.sha256(data).hexdigest() != self.checksums.get(name):
                message = must("the SHA-256", "be that in manifest.json", advice="write the submission again")
                raise SubmissionError(message, Code.WRONG_CHECKSUM)
            return data

        with self._opened() as read:
            yield content

    @abstractmethod
    def _opened(self) -> AbstractContextManager[Callable[[Any, int], bytes]]:
        """A context with the function that reads an entry of at most so many bytes."""

    @abstractmethod
    def sha256(self) -> str:
        """The SHA-256 of the zip itself, or of the names and contents of the folder's files."""


def list_files(path: Path) -> Files:
    """The files of a zip or a folder. Raises SubmissionError where they cannot be listed, or are too many."""
    if path.is_dir():
        return list_folder(path)
    if path.is_file():
        return list_zip(path)
    raise SubmissionError(must(str(path), "be a zip file or a folder", "neither"), Code.NOT_A_ZIP)


class Archive(Files):
    """The files of a zip."""

    @contextmanager
    def _opened(self) -> Iterator[Callable[[zipfile.ZipInfo, int], bytes]]:
        with self.path.open("rb") as file:
            yield partial(_read_entry, file)

    def sha256(self) -> str:
        """The SHA-256 of the zip."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Folder(Files):
    """The files of a folder, such as a platform's worker makes of a zip; links are never followed."""

    @contextmanager
    def _opened(self) -> Iterator[Callable[[Path, int], bytes]]:
        yield _read_file

    def sha256(self) -> str:
        """The SHA-256 of the names and contents of the files."""
        digest = hashlib.sha256()
        for name, path in self.entries.items():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{content}  ".encode() + os.fsencode(name) + b"\n")
        return digest.hexdigest()


def list_folder(folder: Path) -> Folder:
    """The files of a folder; raises SubmissionError when there are more than a zip may have."""
    entries, refused = {}, {}
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for path in (Path(parent, name) for name in sorted([*folders, *files])):
            mode, name = path.lstat().st_mode, path.relative_to(folder).as_posix()
            if stat.S_ISREG(mode):
                entries[name] = path.absolute()
            elif not stat.S_ISDIR(mode):
                refused[name] = Code.UNSAFE_NAME, _KIND
        _check_limit("the number of files", len(entries), limits.MAX_ENTRIES)
    return Folder(folder.absolute(), entries, refused)


def list_zip(path: Path) -> Archive:
    """The files of a zip; raises SubmissionError when it cannot be listed, or is beyond the limits."""
    with path.open("rb") as file:
        try:
            infos = zipfile.ZipFile(cast("IO[bytes]", _DirectoryGuard(file))).infolist()
        except _ZIP_ERRORS as error:
            message = must("the submission", "be a zip file", f"an error: {error}", AGAIN)
            raise SubmissionError(message, Code.NOT_A_ZIP) from error
        end = file.seek(0, os.SEEK_END)
    _check_limit("bytes of all files", sum(info.file_size for info in infos), limits.MAX_TOTAL_BYTES)
    infos = [info for info in infos if not info.filename.endswith("/") or _fault_of_name(info)]
    keys = [_collision_key(info.filename) for info in infos]
    times = Counter(keys)
    overlapping = _overlapping(infos, end)
    entries: dict[str, zipfile.ZipInfo] = {}
    refused: dict[str, tuple[Code, str]] = {}
    for info, key in zip(infos, keys, strict=True):
        if fault := _fault(info, times[key], info.header_offset in overlapping):
            refused.setdefault(info.filename, fault)
        else:
            entries[info.filename] = info
    return Archive(path.absolute(), entries, refused)


class _DirectoryGuard:
    """The file as ``zipfile`` sees it: it reads the directory at once, and makes an object of every entry."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        _check_limit("bytes of the zip's directory", size, limits.MAX_DIRECTORY_BYTES)
        data = self._file.read(size)
        _check_limit("the number of files", data.count(_DIRECTORY_SIGNATURE), limits.MAX_ENTRIES)
        return data


def _fault(info: zipfile.ZipInfo, times: int, overlaps: bool) -> tuple[Code, str] | None:
    """Why an entry whose name occurs ``times`` times must not be read, or None."""
    if fault := _fault_of_name(info):
        return Code.UNSAFE_NAME, fault
    if times > 1:
        return Code.DUPLICATE_CASE, must("the name", "be unique in whatever case", f"{times:,} files")
    if info.flag_bits & 1:
        return Code.ENCRYPTED, must("the file", "need no password", "an encrypted one")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Code.UNREADABLE, must("the compression", "be 0 (stored) or 8 (deflate)", info.compress_type)
    if overlaps:
        return Code.UNREADABLE, must("the file", "lie inside the zip and overlap no other", advice=AGAIN)
    return None


def _fault_of_name(info: zipfile.ZipInfo) -> str:
    """What is wrong with the name or the kind of an entry, or ""."""
    name, first = info.filename, info.filename.partition("/")[0]
    if len(name) > limits.MAX_NAME or not (info.orig_filename + name).isprintable() or "\\" in name:
        return must("the name", f"be at most {limits.MAX_NAME} printable characters without backslashes")
    if not first or first[1:2] == ":" or ".." in name.split("/"):
        return must("the name", "be relative and stay in the folder")
    return "" if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR) else _KIND


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


def _collision_key(name: str) -> str:
    """The same for all names that some operating systems take for one file: case and Unicode form differ."""
    return name if name.isascii() and name.islower() else unicodedata.normalize("NFKC", name).casefold()


def _read_entry(file: BufferedReader, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The content of a file of a zip. Raises SubmissionError where it is damaged or too large."""
    _check_limit("bytes of the file", max(info.file_size, info.compress_size), limit)
    packed = _packed(file, info)
    data = inflate(packed, info.file_size) if info.compress_type == zipfile.ZIP_DEFLATED else packed
    if data is None or len(data) != info.file_size or zlib_module().crc32(data) != info.CRC:
        message = must(
            "the file", "have the length and the CRC-32 that the zip's directory says", advice=AGAIN
        )
        raise SubmissionError(message, Code.UNREADABLE)
    return data


def _packed(file: BufferedReader, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a file as they stand in the zip, after a look at the header in front of them."""
    expected = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
    file.seek(info.header_offset)
    end = _LOCAL_HEADER.size + len(expected)
    data = file.read(end + info.compress_size)
    head = data[:end].ljust(end)
    signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(head)
    # A file that has two names is one file to some programs and another to others.
    name = head[_LOCAL_HEADER.size :]
    if signature != _LOCAL_SIGNATURE or name_length != len(name) or name != expected:
        message = must("the file", "be where the zip's directory says, under the same name", advice=AGAIN)
        raise SubmissionError(message, Code.UNREADABLE)
    return (data + file.read(extra_length) if extra_length else data)[end + extra_length :]


def _read_file(path: Path, limit: int) -> bytes:
    """The content of a file of a folder. Raises SubmissionError where it is too large."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    _check_limit("bytes of the file", len(data), limit)
    return data


@cache
def zlib_module() -> Any:
    """isal's twin of zlib where it is installed: the same result in two thirds of the time. Else zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def inflate(data: bytes, size: int) -> bytes | None:
    """What a stream of deflate holds; None if it is damaged, or does not end where it should.

    No more than ``size`` + 1 bytes come out: one more than declared shows a lie, and is all a bomb wins.
    """
    module = zlib_module()
    inflater = module.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(data, size + 1)
    except (zlib.error, module.error):
        return None
    return data if inflater.eof and not inflater.unused_data else None


def _check_limit(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise SubmissionError(must(what, f"be at most {limit:,}", f"{value:,}"), Code.TOO_LARGE)
