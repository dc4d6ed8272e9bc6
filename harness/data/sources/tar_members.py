"""The files in a folder or in a tar archive, compressed or not, one after another."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

from harness.data.store import DataError
from harness.parallel import in_order

try:  # the same, in less time
    from isal import igzip as gzip
except ImportError:
    import gzip  # type: ignore[no-redef]

MAX_MEMBER_BYTES = 16 * 2**20
END_MARK = bytes(1024)
READ_AHEAD = 8  # members
BLOCK = 2**18


def names(path: Path) -> Iterator[str]:
    """The names of the files in a folder or archive, as far as it can be read."""
    with suppress(DataError), closing(_files(path, None)) as files:
        for name, _ in files:
            yield name


def members(path: Path, suffix: str = "") -> Generator[tuple[str, bytes], None, None]:
    """Name and content of the files in a folder, ``.tar`` or ``.tar.gz``, read as a stream.

    Files whose names end otherwise than in ``suffix`` are passed over. Raises DataError for a file of more
    than 16 MB, and for a damaged archive after its last good member, which the message names.
    """
    # A thread reads and inflates the next members while the caller works on those before.
    with closing(_files(path, suffix)) as files, ThreadPoolExecutor(1) as thread:
        for file in in_order(thread, lambda _: next(files, None), count(), READ_AHEAD):
            if file is None:
                return
            name, data = file
            if data is not None:
                yield name, data


def _files(path: Path, suffix: str | None) -> Generator[tuple[str, bytes | None], None, None]:
    """The name of each file, with its content if the name ends in ``suffix``."""
    if not path.is_dir():
        yield from _archive(path, suffix)
        return
    for file in sorted(path.rglob("*")):
        if file.is_file():
            content = None
            if suffix is not None and file.name.endswith(suffix):
                _check_size(str(file), file.stat().st_size)
                content = file.read_bytes()
            yield str(file.relative_to(path.parent)), content


def _archive(path: Path, suffix: str | None) -> Generator[tuple[str, bytes | None], None, None]:
    last = "the beginning"
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with (
            gzip.open(path) if zipped else path.open("rb") as stream,
            tarfile.open(fileobj=stream, mode="r:") as archive,
        ):
            while member := archive.next():
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                if not member.isfile():
                    continue
                content = None
                if suffix is not None and member.name.endswith(suffix):
                    _check_size(f"{path}: {member.name}", member.size)
                    content = stream.read(member.size)
                    if len(content) < member.size:
                        raise EOFError(f"{member.name} has {len(content)} of {member.size} bytes")
                    last = member.name
                yield member.name, content
            # ``tarfile`` takes an archive that was cut between two members for a whole one.
            stream.seek(archive.offset)
            if stream.read(len(END_MARK)) != END_MARK:
                raise EOFError("the end mark of a tar archive is missing")
            while stream.read(BLOCK):  # gzip checks the sum over all bytes at their end
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut off after {last}: {error}") from error


def _check_size(name: str, size: int) -> None:
    if size > MAX_MEMBER_BYTES:
        raise DataError(f"{name} must have {MAX_MEMBER_BYTES:,} bytes at most, got {size:,}")
