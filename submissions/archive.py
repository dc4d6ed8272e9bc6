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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

from submissions import limits
from submissions.kinds import FIRST_BYTES, kind_of
from submissions.report import UNSAFE, Code, Findings, SubmissionError, must

_DIRECTORY_SIGNATURE, _LOCAL_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENTRY = struct.Struct("<28x3H12x")
"""An entry of the directory: the lengths of its name, extra fields and comment."""
_LZMA_HEADER = struct.Struct("<HHBL")
_IS_UTF_8, _UNICODE_PATH = 0x800, 0x7075
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, struct.error)
_KIND = must("it", "be a file or a folder", "a link or a device")
AGAIN = "make the zip again"
Fault = tuple[Code, str]
Entry = Any  # where a file is: a ZipInfo, or in a folder a Path


@dataclass(frozen=True)
class Files:
    """The files of a zip or a folder, listed but not open: every thread and process opens them for itself.

    ``entries`` says where each file is, by its name; ``refused`` says what is wrong with those that must not
    be read. ``checksums``, when not empty, are the SHA-256 that the files must have; those that were read and
    have another one are in ``mismatched``.
    """

    path: Path
    entries: Mapping[str, Entry]
    refused: Mapping[str, Fault]
    is_zip: bool  # as it was listed, whatever lies at the path later
    checksums: Mapping[str, str] = field(default_factory=dict)
    mismatched: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names of the files that can be read."""
        return list(self.entries)

    def findings(self) -> Findings:
        """The faults of the files that must not be read."""
        findings = Findings()
        for name, (code, message) in self.refused.items():
            findings.add(code, name, message)
        return findings

    def subset(self, names: Iterable[str]) -> "Files":
        """These files alone, in this order."""
        entries = {name: self.entries[name] for name in names}
        checksums = {name: self.checksums.get(name, "") for name in entries if self.checksums}
        return replace(self, entries=entries, refused={}, checksums=checksums, mismatched=[])

    @contextmanager
    def open(self) -> Iterator[Callable[[str, int], bytes]]:
        """Open the files, and give the function that reads one: ``content(name, limit) -> bytes``.

        That function raises SubmissionError for a file that has more than ``limit`` bytes, or is damaged. One
        with another checksum is noted, and read all the same: that must hide no other fault.
        """
        zipped = self.path.open("rb") if self.is_zip else None

        def content(name: str, limit: int) -> bytes:
            entry = self.entries[name]
            data = _read_entry(zipped, entry, limit) if zipped else _read_file(entry, limit)
            if self.checksums and hashlib.sha256(data).hexdigest() != self.checksums.get(name):
                self.mismatched.append(name)
            return data

        with zipped or nullcontext():
            yield content

    def sha256(self) -> str:
        """The SHA-256 of the zip itself, or of the names and contents of the folder's files."""
        if self.is_zip:
            return _sha256(self.path)
        digest = hashlib.sha256()
        for name, path in self.entries.items():
            digest.update(f"{_sha256(path)}  ".encode() + os.fsencode(name) + b"\n")
        return digest.hexdigest()


def list_files(path: Path) -> Files:
    """The files of a zip or a folder. Raises SubmissionError where they cannot be listed, or are too many."""
    if path.is_dir():
        return list_folder(path)
    if path.is_file():
        return list_zip(path)
    raise SubmissionError(must(str(path), "be a zip file or a folder", "neither"), Code.NOT_A_ZIP)


def list_folder(folder: Path) -> Files:
    """The files of a folder, without following links. Raises SubmissionError for more than a zip may have."""
    found: list[tuple[str, Entry, Fault | None]] = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for path in (Path(parent, name) for name in sorted([*folders, *files])):
            mode, name = path.lstat().st_mode, path.relative_to(folder).as_posix()
            if not stat.S_ISDIR(mode):
                fault = None if stat.S_ISREG(mode) else (Code.UNSAFE_NAME, _KIND)
                found.append((name, path.absolute(), fault))
        _check_limit("the number of files", len(found), limits.MAX_ENTRIES)
    return Files(folder.absolute(), *_sorted_out(found), is_zip=False)


def list_zip(path: Path) -> Files:
    """The files of a zip; raises SubmissionError when it cannot be listed, or is beyond the limits."""
    with path.open("rb") as file:
        try:
            listed = zipfile.ZipFile(cast("IO[bytes]", _DirectoryGuard(file)))
        except _ZIP_ERRORS as error:
            file.seek(0)
            start = file.read(FIRST_BYTES)
            came = f"an error: {error}" if start.startswith(b"PK") else kind_of(start)
            message = must("the submission", "be a zip file", came, AGAIN)
            raise SubmissionError(message, Code.NOT_A_ZIP) from error
    infos = listed.infolist()
    _check_limit("bytes of all files", sum(info.file_size for info in infos), limits.MAX_TOTAL_BYTES)
    named = [(name_of(info), info) for info in infos]
    named = [(name, info) for name, info in named if not name.endswith("/") or _fault_of_name(name)]
    overlapping = _overlapping([info for _, info in named], listed.start_dir)
    found = [(name, info, _fault(info, info.header_offset in overlapping)) for name, info in named]
    return Files(path.absolute(), *_sorted_out(found), is_zip=True)


def name_of(info: zipfile.ZipInfo) -> str:
    """The name of an entry as its author wrote it. `zipfile` reads it as each version of Python does.

    It is UTF-8 where the entry says so. Else it may have a twin in UTF-8 (which Info-ZIP writes), or be UTF-8
    all the same (which macOS writes), or in code page 437, as the format of zips has it.
    """
    if info.flag_bits & _IS_UTF_8 or (info.orig_filename.isascii() and not info.extra):
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")
    twin = _field(info.extra, _UNICODE_PATH)
    if twin[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
        raw = twin[5:]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return info.orig_filename


def _field(extra: bytes, number: int) -> bytes:
    """The extra field of an entry that has this number, empty where there is none."""
    while len(extra) >= 4:
        found, size = struct.unpack_from("<HH", extra)
        if found == number:
            return extra[4 : 4 + size]
        extra = extra[4 + size :]
    return b""


def _sorted_out(found: list[tuple[str, Entry, Fault | None]]) -> tuple[dict[str, Entry], dict[str, Fault]]:
    """The readable files, and the faults of the others by name.

    ``found`` has the name of each file, the entry, and a fault that is not one of its name.
    """
    # The length of a name is checked before anything is done that takes longer for a longer one.
    wrong = [_fault_of_name(name) for name, _, _ in found]
    keys = ["" if fault else _collision_key(name) for (name, _, _), fault in zip(found, wrong, strict=True)]
    times = Counter(keys)
    entries: dict[str, Entry] = {}
    refused: dict[str, Fault] = {}
    for (name, entry, fault), fault_of_name, key in zip(found, wrong, keys, strict=True):
        if fault_of_name:
            fault = Code.UNSAFE_NAME, fault_of_name
        elif times[key] > 1:
            message = must("the name", "be unique in whatever case", f"{times[key]:,} files")
            fault = Code.DUPLICATE_CASE, message
        if fault:
            refused[name] = fault
        else:
            entries[name] = entry
    return entries, refused


class _DirectoryGuard:
    """The file as ``zipfile`` sees it: it reads the directory at once, and makes an object of every entry."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        _check_limit("bytes of the zip's directory", size, limits.MAX_DIRECTORY_BYTES)
        data = self._file.read(size)
        _check_limit("the number of files", data.count(_DIRECTORY_SIGNATURE), limits.MAX_ENTRIES)
        offset = 0
        while data.startswith(_DIRECTORY_SIGNATURE, offset) and offset + _ENTRY.size <= len(data):
            name, extra, comment = _ENTRY.unpack_from(data, offset)
            # `zipfile` takes the square of their length to read them.
            _check_limit("bytes of the extra fields of a file", extra, limits.MAX_EXTRA)
            offset += _ENTRY.size + name + extra + comment
        return data


def _fault(info: zipfile.ZipInfo, overlaps: bool) -> Fault | None:
    """Why an entry must not be read, whatever its name, or None."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Code.UNSAFE_NAME, _KIND
    if info.flag_bits & 1:
        return Code.ENCRYPTED, must("the file", "need no password", "an encrypted one")
    if info.compress_type not in _UNPACK:
        expected = "be 0 (stored), 8 (deflate), 12 (bzip2) or 14 (LZMA)"
        return Code.UNREADABLE, must("the compression", expected, info.compress_type, "use zip -r")
    if overlaps:
        return Code.UNREADABLE, must("the file", "lie inside the zip and overlap no other", advice=AGAIN)
    return None


def _fault_of_name(name: str) -> str:
    """What is wrong with the name of a file, or ""."""
    if len(name) > limits.MAX_NAME:
        return must("the name", f"be at most {limits.MAX_NAME} characters long", f"{len(name):,}")
    if UNSAFE.search(name):
        return must("the name", "be printable characters", "others, which are shown as escapes")
    if "\\" in name:
        advice = "zip with Explorer or 7-Zip, since PowerShell 5 writes names that other systems misread"
        return must("the name", "have / between folders", "a backslash", advice)
    first, *_ = parts = name.split("/")
    if not first or first[1:2] == ":" or ".." in parts:
        return must("the name", "be relative and stay in the folder")
    return ""


def _overlapping(infos: list[zipfile.ZipInfo], directory: int) -> set[int]:
    """Offsets of the entries whose bytes belong to another one too, or do not end before the ``directory``.

    A few kilobytes that thousands of entries share are a bomb of which each one looks harmless.
    """
    spans = sorted((i.header_offset, i.header_offset + _LOCAL_HEADER.size + i.compress_size) for i in infos)
    wrong, reached = set(), 0
    for (start, stop), (following, _) in pairwise([*spans, (directory, directory)]):
        if start < reached or stop > following:
            wrong.add(start)
        reached = max(reached, stop)
    return wrong


def _collision_key(name: str) -> str:
    """The same for all names that some operating systems take for one file: case and Unicode form differ."""
    return name if name.isascii() and name.islower() else unicodedata.normalize("NFKC", name).casefold()


def _read_entry(file: BufferedReader, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The content of a file of a zip. Raises SubmissionError where it is damaged or too large."""
    _check_limit("bytes of the file", max(info.file_size, info.compress_size), limit)
    data = _UNPACK[info.compress_type](_packed(file, info), info.file_size)
    if data is None or len(data) != info.file_size or zlib_module().crc32(data) != info.CRC:
        message = must(
            "the file", "have the length and the CRC-32 that the zip's directory says", advice=AGAIN
        )
        raise SubmissionError(message, Code.UNREADABLE)
    return data


def _packed(file: BufferedReader, info: zipfile.ZipInfo) -> bytes:
    """The bytes of a file as they stand in the zip, after a look at the header in front of them."""
    expected = info.orig_filename.encode("utf-8" if info.flag_bits & _IS_UTF_8 else "cp437")
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


def _unpack_bzip2(data: bytes, size: int) -> bytes | None:
    """As `inflate`, for bzip2."""
    import bz2

    unpacker = bz2.BZ2Decompressor()
    try:
        data = unpacker.decompress(data, size + 1)
    except OSError:
        return None
    return data if unpacker.eof and not unpacker.unused_data else None


def _unpack_lzma(data: bytes, size: int) -> bytes | None:
    """As `inflate`, for LZMA: behind two bytes of version and two of their length, the settings come first.

    No end mark is asked for, since not all programs write one. The dictionary is as large as its user says,
    but no larger than what comes out.
    """
    import lzma

    try:
        _, length, coded, dictionary = _LZMA_HEADER.unpack_from(data)
        position_bits, rest = divmod(coded, 45)
        literal_position_bits, literal_bits = divmod(rest, 9)
        settings = {"id": lzma.FILTER_LZMA1, "dict_size": min(dictionary, max(size, 4096)),
                    "pb": position_bits, "lp": literal_position_bits, "lc": literal_bits}  # fmt: skip
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings])
        data = unpacker.decompress(data[4 + length :], size + 1)
    except (struct.error, lzma.LZMAError, ValueError, OverflowError):
        return None
    return data if not unpacker.unused_data else None


_UNPACK: dict[int, Callable[[bytes, int], bytes | None]] = {
    zipfile.ZIP_STORED: lambda data, _size: data,
    zipfile.ZIP_DEFLATED: inflate,
    zipfile.ZIP_BZIP2: _unpack_bzip2,
    zipfile.ZIP_LZMA: _unpack_lzma,
}
"""By the number of a compression: what comes out of so many bytes, or None where they are damaged."""


def _check_limit(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise SubmissionError(must(what, f"be at most {limit:,}", f"{value:,}"), Code.TOO_LARGE)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
