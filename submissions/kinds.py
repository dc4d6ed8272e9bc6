"""Kinds of files by their first bytes, for messages that say what came."""

from codecs import getincrementaldecoder
from contextlib import suppress
from pathlib import Path

from submissions.report import printable

HDF5 = b"\x89HDF\r\n\x1a\n"
FIRST_BYTES = 512
KINDS = {
    b"\x1f\x8b": "a gzip file", b"BZh": "a bzip2 file", b"\xfd7zXZ\0": "an xz file", b"PK\x03\x04": "a zip",
    b"PK\x05\x06": "an empty zip", b"7z\xbc\xaf\x27\x1c": "a 7z archive", b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard file", b"\x93NUMPY": "a NumPy array (.npy)",
    HDF5: "an HDF5 file", b"SIMPLE  =": "a FITS file", b"PAR1": "a Parquet file", b"ARROW1": "an Arrow file",
    b"Obj\x01": "an Avro file", b"\x80": "a pickle", b"%PDF": "a PDF", b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image", b"SQLite format 3": "an SQLite data base",
}  # fmt: skip


def kind_of(start: bytes) -> str:
    """What a file with these first bytes is, with an article, for messages that say what came."""
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            return kind
    if start[257:262] == b"ustar":
        return "a tar archive"
    if not start:
        return "an empty file"
    if not start.strip(b"\0"):
        return "a file that begins with zeros, such as a download that was interrupted"
    with suppress(UnicodeDecodeError):
        text = getincrementaldecoder("utf-8")().decode(start)  # whose last character may be cut
        return f"a text that starts with {printable(text[:32])}"
    return f"a file of an unknown kind, which starts with {start[:16]!r}"


def first_bytes(path: Path) -> bytes:
    """The first 512 bytes of a file; none of a folder, nor of a pipe or a device, which would lose them."""
    if path.exists() and not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(FIRST_BYTES)
