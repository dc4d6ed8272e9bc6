"""The members of what data comes in: tar archives, compressed or not, and folders; one after another."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from harness.data.store import DataError

MEMBER_BYTES = 16 * 2**20
END_MARK = 1024


def members(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every regular file in a folder, ``.tar`` or ``.tar.gz``, read as a stream.

    Raises DataError, naming the last good member, where an archive is damaged.
    """
    if source.is_dir():
        yield from _files(source)
    elif source.is_file():
        yield from _archive(source)
    else:
        raise DataError(f"{source} does not exist; a .tar, .tar.gz or folder was expected")


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _limit(f"{path}", path.stat().st_size)
            yield str(path.relative_to(folder.parent)), path.read_bytes()


def _archive(source: Path) -> Iterator[tuple[str, bytes]]:
    last = "the beginning"
    with source.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(source) if zipped else source.open("rb") as stream:
            tail = _Tail(cast("IO[bytes]", stream))
            with tarfile.open(fileobj=tail, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    if not member.isfile():
                        continue
                    _limit(f"{source}: {member.name}", member.size)
                    content = archive.extractfile(member)
                    data = content.read() if content else b""
                    if len(data) != member.size:
                        raise EOFError(f"{member.name} has {len(data)} of {member.size} bytes")
                    last = member.name
                    yield member.name, data
            tail.check_end()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{source} is damaged or cut off after {last}: {error}") from error


class _Tail:
    """A stream that knows its last bytes: ``tarfile`` takes an archive cut between two members for whole."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.last = (self.last + data)[-END_MARK:]
        return data

    def check_end(self) -> None:
        while self.read(2**16):
            continue
        if len(self.last) < END_MARK or any(self.last):
            raise EOFError("the end mark of a tar archive is missing")


def _limit(name: str, size: int) -> None:
    if size > MEMBER_BYTES:
        raise DataError(f"{name} has {size} bytes; a member has {MEMBER_BYTES} at most")
