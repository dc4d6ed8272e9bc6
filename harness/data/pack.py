"""Packing the data as the organisers hand it out into one dataset file.

mass-mapping: ``.tar``, ``.tar.gz`` or folders of ``EPSILON/<cluster>_<crop>.npy`` (float16, (3, 128, 128))
and ``KAPPA/<cluster>_<crop>.npy`` (float16, (128, 128)), streamed one by one in whatever order they come.
stamps: the pickled dictionary ``images``, ``labels``, ``metadata``, or Avro packets from a broker.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import h5py

from harness.data.sources import avro_alerts as packets
from harness.data.sources import safe_pickle as pickles
from harness.data.sources.alerts import Alerts, LeaveOut, append_stamps, stamps_from, usable
from harness.data.sources.map_archives import COLUMNS, Found, Map, maps_in, read_part, write_part
from harness.data.store import DataError, Writer, create
from harness.parallel import in_order
from harness.progress import ProgressCallback, no_progress
from harness.tracks import MASS_MAPPING, STAMPS, Track
from submissions import SubmissionError, check_case_id

LISTED, NAME = 1000, 64  # names of what was left out that the file keeps, and their length


@dataclass
class Packing:
    """How to pack, and what came of it: cases written, what was left out and why, what was ignored."""

    skip_damaged: bool = False
    labels: Mapping[str, int] | None = None
    progress: ProgressCallback = no_progress
    executor: Executor | None = None
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
    progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
) -> Packing:
    """Pack the sources into ``out``. DataError at the first damaged case, unless those are to be skipped.

    ``labels`` gives the class of each alert by its ``candid``, for packets, which have none. The tasks of an
    ``executor`` read one source of maps each, and write beside ``out`` what they find.
    """
    if track.name not in PACKERS:
        raise DataError(f"no packing is known for the track {track.name!r}")
    for path in sources:
        if out.exists() and out.samefile(path):
            raise DataError(f"{out} is a source: the data set to write comes last, under a name of its own")
    if out.is_file() and not h5py.is_hdf5(out):
        raise DataError(f"{out} is there and no data set: name a new file, which comes last, or remove it")
    packing = Packing(skip_damaged, labels, progress, executor)
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
    if packing.executor is None or len(sources) == 1:
        _append(writer, zip(sources, map(maps_in, sources), strict=True), packing)
        return
    with _parts_beside(writer.path.absolute()) as folder:
        tasks = [
            (source.absolute(), folder / str(number), packing.skip_damaged)
            for number, source in enumerate(sources)
        ]
        packing.progress(0, 0, f"cases, reading {len(sources)} sources at once")
        parts = in_order(packing.executor, write_part, tasks)
        _append(writer, zip(sources, map(read_part, parts), strict=True), packing)


@contextmanager
def _parts_beside(out: Path) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix=f".{out.name}.parts.", dir=out.parent))
    try:
        yield folder
    finally:  # under its name first, so that workers that have not heard of the end write no more there
        shutil.rmtree(folder.rename(f"{folder}.old"))


def _append(
    writer: Writer, sources: Iterable[tuple[Path, Generator[Found, None, None]]], packing: Packing
) -> None:
    """Write the maps of all sources in their order, pairing them by name."""
    for source, maps in sources:
        with closing(maps):  # archives, whatever happens
            for name, found in maps:
                try:
                    if isinstance(found, Map):
                        _one_map(writer, f"{source}: {name}", found)
                    elif found:
                        raise found
                    else:
                        packing.ignored.append(name)
                except DataError as error:
                    packing.leave_out(name, error)
                packing.progress(len(writer.rows), 0, f"cases, {name}")
    _pair(writer, packing)


def _one_map(writer: Writer, name: str, found: Map) -> None:
    case_id, column = f"{found.cluster}_{found.crop}", COLUMNS[found.kind].name
    row = writer.rows.get(case_id)
    if row is None:
        row = writer.append([case_id], [int(found.cluster)]).start
    elif writer.has(column, row):
        raise DataError(f"{name} is the second {found.kind} of {case_id}; case ids must be unique")
    writer.put(column, slice(row, row + 1), found.values[None], [found.digest])


def _pair(writer: Writer, packing: Packing) -> None:
    """Settle what kind of file this is, and drop the cases of which only one half came."""
    present = [kind for kind, column in COLUMNS.items() if column.name in writer.columns]
    writer.role = {"EPSILON": "inputs", "KAPPA": "truth"}[present[0]] if len(present) == 1 else "full"
    complete = set(writer.rows.values())
    for kind, twin in zip(present, reversed(present), strict=True):
        for case_id, row in writer.rows.items():
            if not writer.has(COLUMNS[kind].name, row):
                complete.remove(row)
                missing = f"{kind}/{case_id}.npy is missing, the twin of {twin}/{case_id}.npy"
                packing.leave_out(case_id, DataError(missing))
    writer.keep(complete)


def _stamps(writer: Writer, sources: Sequence[Path], packing: Packing) -> None:
    numbers: dict[str, int] = {}
    for source in sources:
        with closing(alerts_in(source, packing.labels, packing.leave_out)) as found:
            for alerts in found:
                kept = _new(alerts, str(source), writer, packing)
                if kept:
                    whole = len(kept) == len(alerts.case_id)
                    append_stamps(writer, alerts if whole else alerts.rows(kept), numbers)
                packing.progress(len(writer.rows), 0, "alerts")
    if STAMPS.truth.name not in writer.file:
        writer.role = "inputs"


def _new(alerts: Alerts, source: str, writer: Writer, packing: Packing) -> list[int]:
    """The rows of alerts whose ids can be case ids, and are none yet."""
    kept: dict[str, int] = {}
    for row, case_id in enumerate(alerts.case_id):
        try:
            check_case_id(case_id)
            if case_id in kept or case_id in writer.rows:
                raise DataError(f"alert {case_id} comes twice; candids must be unique")
            kept[case_id] = row
        except (DataError, SubmissionError) as error:
            packing.leave_out(case_id, DataError(f"{source}: {error}"))
    return list(kept.values())


def alerts_in(
    source: Path, labels: Mapping[str, int] | None, leave_out: LeaveOut
) -> Generator[Alerts, None, None]:
    """The `usable` alerts of a pickle, or of packets: a file, a folder, an archive; a few at a time."""
    if packets.holds_packets(source):
        found = packets.read_alerts(source, labels, leave_out)
    elif labels is not None:
        raise DataError(f"{source} is no alert packet: --labels are for those, a pickle has its own")
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
