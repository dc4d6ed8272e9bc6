"""Reading a zip from outside: in memory, never by extraction, within limits that are known beforehand.

``zipfile`` lists the entries. They are inflated here, since ``zipfile`` does not compare what comes out with
what was declared, and takes longer for small files.
"""

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from io import BufferedReader
from typing import IO, cast

from submissions.checks import Code, Report, SubmissionError

MAX_ENTRIES = 200_000
MAX_DIRECTORY_BYTES = 24 << 20
MAX_TOTAL_BYTES = 16 << 30
MAX_NAME = 255

_DIRECTORY_SIGNATURE, _LOCAL_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, struct.error)


class _DirectoryGuard:
    """The file as ``zipfile`` sees it: it reads the directory at once, and makes an object of every entry."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        _limit("the directory of the zip, in bytes", size, MAX_DIRECTORY_BYTES)
        data = self._file.read(size)
        _limit("the number of files", data.count(_DIRECTORY_SIGNATURE), MAX_ENTRIES)
        return data


class Archive:
    """The files of a zip: ``entries`` can be read, ``refused`` cannot, and the report was told why.

    ``checksums``, when not empty, are the SHA-256 that the files must have.
    Raises SubmissionError when the zip cannot be listed, or is beyond the limits of this module.
    """

    def __init__(self, file: BufferedReader, report: Report) -> None:
        self._file = file
        self.entries: dict[str, zipfile.ZipInfo] = {}
        self.refused: set[str] = set()
        self.checksums: Mapping[str, str] = {}
        try:
            infos = zipfile.ZipFile(cast("IO[bytes]", _DirectoryGuard(file))).infolist()
        except _ZIP_ERRORS as error:
            raise SubmissionError(f"expected a zip file: {error}", Code.NOT_A_ZIP) from error
        _limit("all files, in bytes", sum(info.file_size for info in infos), MAX_TOTAL_BYTES)
        times = Counter(info.filename for info in infos if not info.filename.endswith("/"))
        end = file.seek(0, os.SEEK_END)
        for info in infos:
            name = info.filename
            if name in self.refused:
                continue
            if refusal := _refusal(info, times[name], end):
                report.add(refusal[0], name, refusal[1])
                self.refused.add(name)
            elif not info.filename.endswith("/"):
                self.entries[name] = info

    def read(self, name: str, limit: int) -> bytes:
        """The content of an entry.

        Raises SubmissionError when it has more than ``limit`` bytes, is damaged, or has another checksum.
        """
        info = self.entries[name]
        _limit("the file, in bytes", max(info.file_size, info.compress_size), limit)
        data = self._packed(info)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                # One byte more than declared shows a lie, and is all that a bomb can win.
                data = inflater.decompress(data, info.file_size + 1)
            except zlib.error as error:
                raise _damaged(str(error)) from error
            if not inflater.eof or inflater.unused_data:
                raise _damaged("it does not end where the zip says")
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise _damaged("its length or its CRC-32 is not what the zip says")
        if self.checksums and hashlib.sha256(data).hexdigest() != self.checksums.get(name):
            raise SubmissionError("the SHA-256 is not the one in manifest.json", Code.WRONG_CHECKSUM)
        return data

    def sha256(self) -> str:
        """The SHA-256 of the zip itself."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def _packed(self, info: zipfile.ZipInfo) -> bytes:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size).ljust(_LOCAL_HEADER.size)
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        # A file that has two names is one file to some programs and another to others.
        if signature != _LOCAL_SIGNATURE or self._file.read(name_length) != name:
            raise _damaged("the zip's directory points elsewhere")
        self._file.seek(extra_length, os.SEEK_CUR)
        return self._file.read(info.compress_size)


def _refusal(info: zipfile.ZipInfo, times: int, end: int) -> tuple[Code, str] | None:
    """Why an entry must not be read that comes ``times`` times in a zip of ``end`` bytes, or None."""
    name, first = info.filename, info.filename.partition("/")[0]
    if len(name) > MAX_NAME or not (info.orig_filename + name).isprintable() or "\\" in name:
        return (
            Code.UNSAFE_NAME,
            f"longer than {MAX_NAME} characters, or control characters or backslashes in it",
        )
    if not first or first[1:2] == ":" or ".." in name.split("/"):
        return Code.UNSAFE_NAME, "the name is absolute or leaves the folder"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Code.UNSAFE_NAME, "a link or a device, not a file"
    if times > 1:
        return Code.DUPLICATE_CASE, f"the zip holds {times:,} files of this name"
    if info.flag_bits & 1:
        return Code.ENCRYPTED, "the file is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Code.UNREADABLE, f"compression method {info.compress_type}, expected 0 (stored) or 8 (deflate)"
    if not 0 <= info.header_offset < end:
        return Code.UNREADABLE, "the file lies outside the zip"
    return None


def _damaged(why: str) -> SubmissionError:
    return SubmissionError(f"the file is damaged: {why}", Code.UNREADABLE)


def _limit(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise SubmissionError(f"{what}: {value:,}, more than the {limit:,} allowed", Code.TOO_LARGE)
