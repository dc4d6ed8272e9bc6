"""Packing the data as the organisers hand it out into one dataset file.

mass-mapping: ``.tar``, ``.tar.gz`` or folders of ``EPSILON/<cluster>_<crop>.npy`` (float16, (3, 128, 128))
and ``KAPPA/<cluster>_<crop>.npy`` (float16, (128, 128)), streamed one by one in whatever order they come.
stamps: the pickled dictionary ``images``, ``labels``, ``metadata``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data import pickles
from harness.data.alerts import append_stamps, stamps_from
from harness.data.members import members
from harness.data.store import DataError, Writer, create
from harness.progress import Report, silent
from harness.tracks import MASS_MAPPING, STAMPS, Track
from submissions import SubmissionError
from submissions.npy import read_npy

MEMBER = re.compile(r"(?:.*/)?(EPSILON|KAPPA)/(\d{1,9})_(\d{1,9})\.npy", re.DOTALL)
SHAPES = {"EPSILON": (3, 128, 128), "KAPPA": (128, 128)}
COLUMNS = {"EPSILON": MASS_MAPPING.inputs.name, "KAPPA": MASS_MAPPING.truth.name}


@dataclass
class Packed:
    """What packing did: cases written, and what was left out, with the reason for each."""

    cases: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def record(self, sources: Sequence[Path]) -> dict[str, Any]:
        return {
            "packed": [source.name for source in sources],
            "left_out": len(self.left_out),
            "ignored": len(self.ignored),
        }


def pack(
    track: Track, sources: Sequence[Path], out: Path, skip_damaged: bool = False, report: Report = silent
) -> Packed:
    """Pack the sources into ``out``. DataError at the first damaged case, unless those are to be skipped."""
    if track.name not in PACKERS:
        raise DataError(f"no packing is known for the track {track.name!r}")
    packed = Packed()
    source: dict[str, Any] = {}
    with create(out, track, "full", source) as writer:
        PACKERS[track.name](writer, sources, packed, skip_damaged, report)
        packed.cases = len(writer.rows)
        source.update(packed.record(sources))
    return packed


def _mass_mapping(
    writer: Writer, sources: Sequence[Path], packed: Packed, skip_damaged: bool, report: Report
) -> None:
    seen: dict[str, dict[int, str]] = {kind: {} for kind in SHAPES}
    for source in sources:
        try:
            for name, data in members(source):
                try:
                    _one_map(writer, source, name, data, seen, packed)
                except DataError as error:
                    _damaged(packed, name, error, skip_damaged)
                report(len(writer.rows), 0, f"cases, {name}")
        except DataError as error:
            if not source.exists():
                raise
            _damaged(packed, str(source), error, skip_damaged)
    _pair(writer, seen, packed, skip_damaged)


def _one_map(
    writer: Writer, source: Path, name: str, data: bytes, seen: dict[str, dict[int, str]], packed: Packed
) -> None:
    match = MEMBER.fullmatch(name)
    if not match:
        packed.ignored.append(name)
        return
    kind, cluster, crop = match.groups()
    case_id = f"{cluster}_{crop}"
    row = writer.rows.get(case_id)
    if row is not None and row in seen[kind]:
        raise DataError(f"{source}: {name} has the same case as {seen[kind][row]}; case ids must be unique")
    try:
        values = read_npy(data, SHAPES[kind])
    except SubmissionError as error:
        raise DataError(f"{source}: {name}: {error}") from error
    if values.dtype.newbyteorder("=") != np.float16:
        raise DataError(f"{source}: {name}: expected float16, got {values.dtype}")
    if not np.isfinite(values).all():
        raise DataError(f"{source}: {name} holds NaN or infinite values")
    if kind == "EPSILON":
        values = np.moveaxis(values, 0, -1)
    where = writer.append([case_id], [int(cluster)]) if row is None else slice(row, row + 1)
    writer.put(COLUMNS[kind], where, values[None])
    seen[kind][where.start] = name


def _pair(writer: Writer, seen: dict[str, dict[int, str]], packed: Packed, skip_damaged: bool) -> None:
    """Settle what kind of file this is, and drop the cases of which only one half came."""
    present = [kind for kind in SHAPES if seen[kind]]
    writer.role = {"EPSILON": "inputs", "KAPPA": "truth"}[present[0]] if len(present) == 1 else "full"
    names = {row: case_id for case_id, row in writer.rows.items()}
    for kind in present:
        for row, case_id in names.items():
            if row not in seen[kind]:
                other = next(seen[twin][row] for twin in present if row in seen[twin])
                error = DataError(f"{kind}/{case_id}.npy is missing, the twin of {other}")
                _damaged(packed, case_id, error, skip_damaged)
    writer.keep({row for row in names if all(row in seen[kind] for kind in present)})


def _damaged(packed: Packed, name: str, error: DataError, skip_damaged: bool) -> None:
    if not skip_damaged:
        raise error
    packed.left_out.append((name, str(error)))


def _stamps(
    writer: Writer, sources: Sequence[Path], packed: Packed, skip_damaged: bool, report: Report
) -> None:
    for source in sources:
        if not source.is_file():
            raise DataError(f"{source} is no file; a pickle of alert stamps was expected")
        alerts = stamps_from(pickles.load(source), str(source))

        def leave_out(case_id: str, error: DataError, damaged: bool) -> None:
            _damaged(packed, case_id, error, skip_damaged or not damaged)

        append_stamps(writer, alerts, leave_out, report)


Packer = Callable[[Writer, Sequence[Path], Packed, bool, Report], None]
PACKERS: dict[str, Packer] = {MASS_MAPPING.name: _mass_mapping, STAMPS.name: _stamps}
