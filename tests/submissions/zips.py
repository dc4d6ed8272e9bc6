"""Zips made byte by byte, so that every field can lie."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass
class Entry:
    """A file of a zip; what is None is as it should be."""

    name: str = "team/a.npy"
    data: bytes = b""
    method: int = zipfile.ZIP_STORED
    flags: int = 0x800
    mode: int = 0
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    offset: int | None = None
    local_name: str | None = None
    payload: bytes | None = None

    def packed(self) -> bytes:
        if self.payload is not None:
            return self.payload
        return deflate(self.data) if self.method == zipfile.ZIP_DEFLATED else self.data

    def fields(self) -> tuple[int, int, int]:
        size = len(self.data) if self.size is None else self.size
        packed_size = len(self.packed()) if self.packed_size is None else self.packed_size
        return (zlib.crc32(self.data) if self.crc is None else self.crc), packed_size, size


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def directory_entry(entry: Entry, offset: int) -> bytes:
    name = entry.name.encode()
    head = struct.pack("<4s6H3L", b"PK\1\2", 0x314, 20, entry.flags, entry.method, 0, 33, *entry.fields())
    offset = offset if entry.offset is None else entry.offset
    return head + struct.pack("<5H2L", len(name), 0, 0, 0, 0, entry.mode << 16, offset) + name


def end(count: int, directory_size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, directory_size, offset, 0)


def make_zip(*entries: Entry) -> bytes:
    body, directory, offset = [], [], 0
    for entry in entries:
        name, packed = (entry.local_name or entry.name).encode(), entry.packed()
        directory.append(directory_entry(entry, offset))
        head = struct.pack("<4s5H3L", b"PK\3\4", 20, entry.flags, entry.method, 0, 33, *entry.fields())
        body.append(head + struct.pack("<2H", len(name), 0) + name + packed)
        offset += len(body[-1])
    listed = b"".join(directory)
    return b"".join(body) + listed + end(len(entries), len(listed), offset)


def npy(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def a_map(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, (128, 128)).astype(np.float16)


def probabilities(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(5, 0.3), count).astype(np.float32)


def csv_rows(case_ids, values) -> str:
    rows = zip(case_ids, values, strict=True)
    return "".join(f"{case_id},{','.join(map(str, row))}\n" for case_id, row in rows)
