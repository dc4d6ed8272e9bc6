"""Packing the data as the organisers hand it out into one dataset file.

mass-mapping: ``.tar``, ``.tar.gz`` or folders of ``EPSILON/<cluster>_<crop>.npy`` (float16, (3, 128, 128))
and ``KAPPA/<cluster>_<crop>.npy`` (float16, (128, 128)), streamed one by one in whatever order they come.
stamps: the pickled dictionary ``images``, ``labels``, ``metadata``, or Avro packets from a broker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data import packets, pickles
from harness.data.alerts import append_stamps, stamps_from
from harness.data.members import members
from harness.data.store import DataError, Writer, create
from harness.progress import Report, silent
from harness.tracks import MASS_MAPPING, STAMPS, Track
from submissions import SubmissionError
from submissions.npy import read_npy

CHUNK = 256
MEMBER = re.compile(r"(?:.*/)?(EPSILON|KAPPA)/(\d{1,9})_(\d{1,9})\.npy", re.DOTALL)
SHAPES = {"EPSILON": (3, 128, 128), "KAPPA": (128, 128)}
COLUMNS = {"EPSILON": MASS_MAPPING.inputs.name, "KAPPA": MASS_MAPPING.truth.name}


@dataclass
class Packing:
    """How to pack, and what came of it: cases written, what was left out and why, what was ignored."""

    skip_damaged: bool = False
    labels: Mapping[str, int] | None = None
    report: Report = silent
    cases: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def leave_out(self, name: str, error: DataError, damaged: bool = True) -> None:
        """List what cannot be used; raise the error if it is damage that is not to be skipped."""
        if damaged and not self.skip_damaged:
            raise error
        self.left_out.append((name, str(error)))


def pack(
    track: Track,
    sources: Sequence[Path],
    out: Path,
    skip_damaged: bool = False,
    labels: Mapping[str, int] | None = None,
    report: Report = silent,
) -> Packing:
    """Pack the sources into ``out``. DataError at the first damaged case, unless those are to be skipped.

    ``labels`` gives the class of each alert by its ``candid``, for packets, which have none.
    """
    if track.name not in PACKERS:
        raise DataError(f"no packing is known for the track {track.name!r}")
    packing = Packing(skip_damaged, labels, report)
    source: dict[str, Any] = {"packed": [path.name for path in sources]}
    with create(out, track, "full", source) as writer:
        PACKERS[track.name](writer, sources, packing)
        if packing.left_out and not writer.rows:
            first = packing.left_out[0][1]
            raise DataError(f"no case can be used, {len(packing.left_out)} were left out, the first: {first}")
        packing.cases = len(writer.rows)
        source |= {"left_out": len(packing.left_out), "ignored": len(packing.ignored)}
    return packing


def _mass_mapping(writer: Writer, sources: Sequence[Path], packing: Packing) -> None:
    seen: dict[str, dict[int, str]] = {kind: {} for kind in SHAPES}
    for source in sources:
        try:
            for name, data in members(source):
                try:
                    _one_map(writer, source, name, data, seen, packing)
                except DataError as error:
                    packing.leave_out(name, error)
                packing.report(len(writer.rows), 0, f"cases, {name}")
        except DataError as error:
            packing.leave_out(str(source), error)
    _pair(writer, seen, packing)


def _one_map(
    writer: Writer, source: Path, name: str, data: bytes, seen: dict[str, dict[int, str]], packing: Packing
) -> None:
    match = MEMBER.fullmatch(name)
    if not match:
        packing.ignored.append(name)
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


def _pair(writer: Writer, seen: dict[str, dict[int, str]], packing: Packing) -> None:
    """Settle what kind of file this is, and drop the cases of which only one half came."""
    present = [kind for kind in SHAPES if seen[kind]]
    writer.role = {"EPSILON": "inputs", "KAPPA": "truth"}[present[0]] if len(present) == 1 else "full"
    names = {row: case_id for case_id, row in writer.rows.items()}
    for kind in present:
        for row, case_id in names.items():
            if row not in seen[kind]:
                other = next(seen[twin][row] for twin in present if row in seen[twin])
                packing.leave_out(case_id, DataError(f"{kind}/{case_id}.npy is missing, the twin of {other}"))
    writer.keep({row for row in names if all(row in seen[kind] for kind in present)})


def _stamps(writer: Writer, sources: Sequence[Path], packing: Packing) -> None:
    numbers: dict[str, int] = {}
    for source in sources:
        if packets.holds_packets(source):
            _packets(writer, source, numbers, packing)
        else:
            alerts = stamps_from(pickles.load(source), str(source))
            append_stamps(writer, alerts, numbers, packing.leave_out, packing.report)
    if STAMPS.truth.name not in writer.file:
        writer.role = "inputs"


def _packets(writer: Writer, source: Path, numbers: dict[str, int], packing: Packing) -> None:
    records: list[dict[str, Any]] = []
    images: list[np.ndarray] = []

    def write() -> None:
        if records:
            alerts = packets.alerts_of(records, images, packing.labels)
            append_stamps(writer, alerts, numbers, packing.leave_out)
            packing.report(len(writer.rows), 0, "alerts")
            records.clear()
            images.clear()

    for name, data in packets.packets(source):
        try:
            found = packets.read_packet(f"{source}: {name}", data)
        except DataError as error:
            packing.leave_out(name, error)
            continue
        for record in found:
            candid = str(record["candid"])
            try:
                if packing.labels is not None and candid not in packing.labels:
                    raise DataError("it has no label")
                images.append(packets.stamp_of(record))
                records.append(record)
            except DataError as error:
                packing.leave_out(candid, DataError(f"alert {candid}: {error}"), damaged=False)
        if len(records) >= CHUNK:
            write()
    write()


PACKERS: dict[str, Callable[[Writer, Sequence[Path], Packing], None]] = {
    MASS_MAPPING.name: _mass_mapping,
    STAMPS.name: _stamps,
}
