"""Packing the data as the organisers hand it out into one dataset file.

mass-mapping: ``.tar``, ``.tar.gz`` or folders of ``EPSILON/<cluster>_<crop>.npy`` (float16, (3, 128, 128))
and ``KAPPA/<cluster>_<crop>.npy`` (float16, (128, 128)), streamed one by one in whatever order they come.
stamps: the pickled dictionary ``images``, ``labels``, ``metadata``, or Avro packets from a broker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data import packets, pickles
from harness.data.alerts import Alerts, LeaveOut, append_stamps, stamps_from, usable
from harness.data.members import members
from harness.data.store import DataError, Writer, create
from harness.progress import Report, silent
from harness.tracks import MASS_MAPPING, STAMPS, Track
from submissions import SubmissionError
from submissions.npy import read_npy

LISTED, NAME = 1000, 64  # names of what was left out that the file keeps, and their length
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
        source |= {
            "left_out": len(packing.left_out),
            "left_out_first": [name[:NAME] for name, _ in packing.left_out[:LISTED]],
            "ignored": len(packing.ignored),
        }
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
        for alerts in alerts_in(source, packing.labels, packing.leave_out):
            append_stamps(writer, alerts, numbers)
            packing.report(len(writer.rows), 0, "alerts")
    if STAMPS.truth.name not in writer.file:
        writer.role = "inputs"


def alerts_in(source: Path, labels: Mapping[str, int] | None, leave_out: LeaveOut) -> Iterator[Alerts]:
    """The `usable` alerts of a pickle, or of packets: a file, a folder, an archive; a few at a time."""
    if packets.holds_packets(source):
        found = packets.read_alerts(source, labels, leave_out)
    else:
        found = _pickled(source, leave_out)
    for alerts in found:
        yield from usable(alerts, leave_out)


def _pickled(source: Path, leave_out: LeaveOut) -> Iterator[Alerts]:
    try:
        yield stamps_from(pickles.load(source), str(source))
    except DataError as error:
        leave_out(str(source), error, True)
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        leave_out(str(source), DataError(f"{source} is not laid out as expected: {error}"), True)


PACKERS: dict[str, Callable[[Writer, Sequence[Path], Packing], None]] = {
    MASS_MAPPING.name: _mass_mapping,
    STAMPS.name: _stamps,
}
