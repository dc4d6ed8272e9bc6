"""The members of what data comes in: tar archives, compressed or not, and folders; one after another."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from harness.data.store import DataError, refuse_dataset
from harness.parallel import in_order

if TYPE_CHECKING:
    import gzip
else:
    try:  # the same, in less time
        from isal import igzip as gzip
    except ImportError:
        import gzip

MEMBER_BYTES = 16 * 2**20
END_MARK = 1024
BLOCK, BLOCKS = 2**18, 8  # bytes that are inflated at once, and how many such blocks ahead


def members(source: Path, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the regular files in a folder, ``.tar`` or ``.tar.gz``, read as a stream.

    Of what is not ``wanted`` nothing is looked at but the name.

    Raises DataError, naming the last good member, where an archive is damaged.
    """
    if source.is_dir():
        yield from _files(source, wanted)
    elif source.is_file():
        refuse_dataset(source, "a .tar, .tar.gz or folder")
        yield from _archive(source, wanted)
    else:
        raise DataError(f"{source} does not exist; a .tar, .tar.gz or folder was expected")


def _files(folder: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if wanted(path.name) and path.is_file():
            _limit(f"{path}", path.stat().st_size)
            yield str(path.relative_to(folder.parent)), path.read_bytes()


def _archive(source: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    last = "the beginning"
    with source.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        # A thread inflates while this one looks at what came before.
        with gzip.open(source) if zipped else source.open("rb") as stream, ThreadPoolExecutor(1) as thread:
            blocks = _Blocks(in_order(thread, lambda _: stream.read(BLOCK), count(), BLOCKS))
            buffered = cast("IO[bytes]", io.BufferedReader(blocks, BLOCK))
            with tarfile.open(fileobj=buffered, mode="r|") as archive:
                while member := archive.next():
                    archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                    if not (wanted(member.name) and member.isfile()):
                        continue
                    _limit(f"{source}: {member.name}", member.size)
                    content = archive.extractfile(member)
                    data = content.read() if content else b""
                    if len(data) != member.size:
                        raise EOFError(f"{member.name} has {len(data)} of {member.size} bytes")
                    last = member.name
                    yield member.name, data
            blocks.check_end()
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{source} is damaged or cut off after {last}: {error}") from error


class _Blocks(io.RawIOBase):
    """A stream of blocks that knows its end: ``tarfile`` takes one cut between two members for whole."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks, self.rest, self.last = blocks, memoryview(b""), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.rest:
            block = next(self.blocks)
            self.last = (self.last + block[-END_MARK:])[-END_MARK:]
            self.rest = memoryview(block)
        size = min(len(self.rest), len(buffer))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size

    def check_end(self) -> None:
        while block := next(self.blocks):
            self.last = (self.last + block)[-END_MARK:]
        if len(self.last) < END_MARK or any(self.last):
            raise EOFError("the end mark of a tar archive is missing")


def _limit(name: str, size: int) -> None:
    if size > MEMBER_BYTES:
        raise DataError(f"{name} has {size} bytes; a member has {MEMBER_BYTES} at most")
