"""The maps of the challenge's archives: ``EPSILON/<cluster>_<crop>.npy`` and ``KAPPA/<cluster>_<crop>.npy``.

They are read as a stream, in whatever order they come. An archive may be read elsewhere, into a part: a file
with the same maps in the same order, checked and as they are stored, so that the result is the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

import numpy as np

from harness.data.sources.tar_members import members
from harness.data.store import DataError
from harness.tracks import MASS_MAPPING
from submissions import SubmissionError
from submissions.npy import read_npy

MEMBER = re.compile(r"(?:.*/)?(EPSILON|KAPPA)/(\d{1,9})_(\d{1,9})\.npy", re.DOTALL)
SHAPES = {"EPSILON": (3, 128, 128), "KAPPA": (128, 128)}
COLUMNS = {"EPSILON": MASS_MAPPING.inputs, "KAPPA": MASS_MAPPING.truth}
NOT_FINITE = 0x7C00  # the bits of a float16 that are all set in NaN and infinity


@dataclass(frozen=True)
class Map:
    """A map that was checked, its values as the data set stores them, and their SHA-256."""

    kind: str
    cluster: str
    crop: str
    values: np.ndarray
    digest: bytes


Found = tuple[str, Map | DataError | None]  # by its name: a map, one that is damaged, or something else


def maps_in(source: Path) -> Generator[Found, None, None]:
    """What an archive or a folder holds, in its order. Where itself is damaged, that comes last."""
    try:
        for name, data in members(source):
            match = MEMBER.fullmatch(name)
            try:
                yield name, _checked(data, *match.groups()) if match else None
            except DataError as error:
                yield name, DataError(f"{source}: {name}{error}")
    except DataError as error:
        yield source.name, error


def _checked(data: bytes, kind: str, cluster: str, crop: str) -> Map:
    try:
        values = read_npy(data, SHAPES[kind])
    except SubmissionError as error:
        raise DataError(f": {error}") from error
    if values.dtype.newbyteorder("=") != np.float16:
        raise DataError(f": expected float16, got {values.dtype}")
    bits = values.astype(np.float16, order="C", copy=False).view(np.uint16)
    if (bits & NOT_FINITE).max() == NOT_FINITE:
        raise DataError(" holds NaN or infinite values")
    if kind == "EPSILON":
        planes, bits = bits, np.empty(COLUMNS[kind].shape, np.uint16)
        for channel, plane in enumerate(planes):  # plane by plane takes a sixth of the time of moveaxis
            bits[..., channel] = plane
    return Map(kind, cluster, crop, bits.view(np.float16), hashlib.sha256(bits.data).digest())


def write_part(task: tuple[Path, Path, bool]) -> Path:
    """Read a source into a part, ending at the first damage unless that is to be skipped; returns the part.

    ``task``: the source, the part, whether to skip. Both must be reachable by the names they have here.
    """
    source, part, skip_damaged = task
    if not part.parent.is_dir():
        raise DataError(f"{part.parent} is not there on every worker: a folder that all share was expected")
    temporary = part.with_name(uuid4().hex)  # a cluster may run a task twice, even at the same time
    with temporary.open("wb") as file:
        for name, found in maps_in(source):
            _write_one(file, name, found)
            if (isinstance(found, DataError) and not skip_damaged) or not temporary.exists():
                break  # where the file has gone, the packing has ended
    return temporary.replace(part)


def _write_one(file: IO[bytes], name: str, found: Map | DataError | None) -> None:
    line: dict[str, str | list[str]] = {"name": name}
    if isinstance(found, Map):
        line["map"] = [found.kind, found.cluster, found.crop, found.digest.hex()]
    elif found:
        line["damage"] = str(found)
    file.write(json.dumps(line).encode() + b"\n")
    if isinstance(found, Map):
        file.write(found.values.data)


def read_part(part: Path) -> Generator[Found, None, None]:
    """What a part holds, in the order of its source. It is removed in the end."""
    with part.open("rb") as file:
        for line in file:
            told = json.loads(line)
            if "map" in told:
                kind, cluster, crop, digest = told["map"]
                column = COLUMNS[kind]
                size = int(np.prod(column.shape)) * np.dtype(column.dtype).itemsize
                values = np.frombuffer(file.read(size), column.dtype).reshape(column.shape)
                yield told["name"], Map(kind, cluster, crop, values, bytes.fromhex(digest))
            else:
                yield told["name"], DataError(told["damage"]) if "damage" in told else None
    part.unlink()
