"""Iterate over the files in a folder, or in a tar or zip archive, compressed or not."""

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any, cast

from harness.data.store import DataError
from harness.parallel import in_order
from submissions import SubmissionError
from submissions.archive import list_zip, zlib_module
from submissions.kinds import first_bytes

try:  # the same, in less time
    from isal import igzip as gzip
except ImportError:
    import gzip  # type: ignore[no-redef]

MAX_MEMBER_BYTES = 16 * 2**20
READ_AHEAD = 8  # members
BLOCK = 2**18
XZ_MEMORY = 256 * 2**20


def _open_xz(path: Path) -> IO[bytes]:
    """An xz file to be read with so much memory: the header of each stream and block may ask for 4 GB."""
    file = lzma.open(path)  # noqa: SIM115  # which the caller closes
    reader = file._buffer.raw  # type: ignore[attr-defined]  # `lzma.open` knows no limit
    reader._decomp_args["memlimit"] = XZ_MEMORY
    reader._decompressor = lzma.LZMADecompressor(**reader._decomp_args)
    return cast("IO[bytes]", file)


COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": _open_xz,
}  # fmt: skip
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
DAMAGE = (
    tarfile.TarError, OSError, EOFError, zlib.error, zlib_module().error, lzma.LZMAError,
    ValueError, LookupError, OverflowError, RecursionError,  # what `tarfile` makes of odd headers
)  # fmt: skip

Content = bytes | DataError | None
"""What a file holds, or why it cannot be read although those after it can; None where it was not wanted."""
Suffix = str | tuple[()]
"""How the names of the wanted files end; with () none is wanted: ``name.endswith(())`` is False."""


def names(path: Path) -> Iterator[str]:
    """The names of the files in a folder or archive, as far as it can be read."""
    with suppress(DataError), closing(_files(path, ())) as found:
        for name, _ in found:
            yield name


def members(path: Path, suffix: str = "") -> Generator[tuple[str, bytes], None, None]:
    """Name and content of the files whose names end in ``suffix``, as `files` reads them.

    Raises DataError for the first that cannot be read.
    """
    with closing(files(path, suffix)) as found:
        for name, data in found:
            if isinstance(data, DataError):
                raise data
            if data is not None:
                yield name, data


def files(path: Path, suffix: str = "") -> Generator[tuple[str, Content], None, None]:
    """Name and content of the files in a folder or archive; no content where the name ends otherwise.

    In place of the content of a file that cannot be read, such as one of more than 16 MB, comes a DataError
    that names it. Raises DataError for a damaged archive after its last good member, which the message names.
    `Unmarked` comes after the last member of a tar archive that is not compressed and has no blocks that mark
    its end: it cannot be told from one that was cut there.
    """
    # A thread reads and inflates the next members while the caller works on those before.
    with closing(_files(path, suffix)) as found, ThreadPoolExecutor(1) as thread:
        for file in in_order(thread, lambda _: next(found, None), count(), READ_AHEAD):
            if file is None:
                return
            yield file


def _files(path: Path, suffix: Suffix) -> Generator[tuple[str, Content], None, None]:
    if not path.is_dir():
        read = _zip if first_bytes(path).startswith(ZIPS) else _tar
        yield from read(path, suffix)
        return
    for entry in sorted(path.rglob("*")):
        if entry.is_file():
            content: Content = None
            if entry.name.endswith(suffix):
                content = _too_large(str(entry), entry.stat().st_size) or entry.read_bytes()
            yield str(entry.relative_to(path.parent)), content


def decompressed(path: Path) -> IO[bytes]:
    """The content of a file: unpacked, if it is compressed with gzip, bzip2 or xz."""
    start = first_bytes(path)
    for magic, opened in COMPRESSED.items():
        if start.startswith(magic):
            return cast("IO[bytes]", opened(path))
    return path.open("rb")


class Unmarked(DataError):
    """An archive ends after a whole member, as `tar` accepts; it may have been cut there all the same."""


class _Guarded:
    """A stream as `tarfile` sees it, which reads a header of any length whole into memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_MEMBER_BYTES + tarfile.RECORDSIZE:
            raise tarfile.ReadError(f"{size:,} bytes are announced at once")
        return self._stream.read(size)


def _tar(path: Path, suffix: Suffix) -> Generator[tuple[str, Content], None, None]:
    last = "the beginning"
    try:
        with (
            decompressed(path) as stream,
            tarfile.open(fileobj=cast("Any", _Guarded(stream)), mode="r:") as archive,
        ):
            while member := archive.next():
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                content: Content = None
                if member.name.endswith(suffix):
                    content = _content(archive, member, path)
                    last = member.name if isinstance(content, bytes) else last
                if member.isfile() or content is not None:
                    yield member.name, content
            marked = _check_end(stream, archive.offset)
    except DAMAGE as error:
        raise DataError(f"{path} is damaged or cut off after {last}: {error}") from error
    # A compressed file has a sum at its end, which says that it is whole.
    if not (marked or first_bytes(path).startswith(tuple(COMPRESSED))):
        raise Unmarked(f"{path} ends without the mark of its end, and may be cut off after {last}")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> Content:
    """The content of a file, with the gaps of a sparse one filled; None of what is neither file nor link."""
    name = f"{path}: {member.name}"
    if member.islnk() or member.issym():
        return DataError(
            f"{name} must be a file, got a link; tar --dereference --hard-dereference writes files"
        )
    if not member.isfile():
        return None
    if fault := _too_large(name, member.size):
        return fault
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def _check_end(stream: IO[bytes], offset: int) -> bool:
    """Whether a block of zeros marks the end of an archive; raises EOFError for what else lies there.

    `tarfile` takes damaged headers, and the end of the file in or before one, for the end of an archive.
    """
    stream.seek(offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if not block:
        return False
    if block != bytes(tarfile.BLOCKSIZE):
        raise EOFError("the header of the next member is damaged")
    while rest := stream.read(BLOCK):  # a sum over all bytes is checked at their end
        for start in range(0, len(rest), tarfile.BLOCKSIZE):
            if rest[start + 257 : start + 262] == b"ustar":
                raise EOFError("another archive follows its end mark; unpack it with tar --ignore-zeros")
    return True


def _zip(path: Path, suffix: Suffix) -> Generator[tuple[str, Content], None, None]:
    try:
        archive = list_zip(path)
    except SubmissionError as error:
        raise DataError(f"{path}: {_of_archive(error)}") from error
    for name, (_, reason) in archive.refused.items():
        yield name, DataError(f"{path}: {name}: {reason}") if name.endswith(suffix) else None
    with archive.open() as read:
        for name in archive.names:
            content: Content = None
            if name.endswith(suffix):
                try:
                    content = read(name, MAX_MEMBER_BYTES)
                except SubmissionError as error:
                    content = DataError(f"{path}: {name}: {_of_archive(error)}")
            yield name, content


def _of_archive(error: SubmissionError) -> str:
    return str(error).replace("the submission", "the archive")


def _too_large(name: str, size: int) -> DataError | None:
    """The fault of a file that is larger than any that is wanted, or None."""
    if size <= MAX_MEMBER_BYTES:
        return None
    return DataError(f"{name} must have {MAX_MEMBER_BYTES:,} bytes at most, got {size:,}")
