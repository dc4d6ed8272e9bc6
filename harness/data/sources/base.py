"""What a source of data is, and which of a track's sources reads a path.

A source is a module that a track names in `Track.sources`. This one packs folders of ``<group>-<n>.npy``:

    EXPECTED = "a folder of .npy files"

    def matches(path):
        return any(name.endswith(".npy") for name in names(path))

    def read(path, labels=None):
        for name, data in members(path):
            stem = Path(name).stem
            yield Cases([stem], [stem.split("-")[0]], {"images": np.load(io.BytesIO(data))[None]}, name)

`names` and `members` of `harness.data.sources.tar_members` see folders and archives alike. `members` ends at
the first file that cannot be read; `files` gives its fault, for a `Problem`, and goes on.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from harness.data.sources.tar_members import DAMAGE, decompressed, files, names
from harness.data.store import FOREIGN_HDF5, DataError, open_dataset
from harness.tracks import Track, get_track, load, track_names
from submissions.kinds import FIRST_BYTES, HDF5, first_bytes, kind_of
from submissions.report import printable

NAMES_SHOWN = 3
PACKERS = {"a gzip file": "gzip -d", "a bzip2 file": "bzip2 -d", "an xz file": "xz -d"}


@dataclass(frozen=True)
class Cases:
    """Some cases, with all or some of their columns; the others may come from other files.

    A ``group`` is a number, or a name; names are numbered as they first appear. ``columns`` have a row for
    each case. ``name`` is the file that the cases were read from, "" where the ids say enough.
    """

    case_id: Sequence[str]
    group: Sequence[int | str]
    columns: Mapping[str, np.ndarray]
    name: str = ""


@dataclass(frozen=True)
class Problem:
    """A file or a case that gives no data: damaged, unusable, or (without an error) no data by its name.

    Packing stops at ``damaged`` ones unless they are to be skipped; it lists the others. ``columns`` has what
    the case holds nevertheless, in a row each as in `Cases`: it is counted, and not packed.
    """

    name: str
    error: DataError | None = None
    damaged: bool = True
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)


class Source(Protocol):
    """A kind of file, folder or archive that a track's data come in; ``EXPECTED`` names it in messages."""

    EXPECTED: str

    def matches(self, path: Path) -> bool:
        """Whether the content of ``path``, not its suffix, is of this kind."""

    def read(self, path: Path, labels: Mapping[str, int] | None = None) -> Iterator[Cases | Problem]:
        """The cases in ``path``, in its order, and problems of single cases; DataError ends the reading.

        ``labels`` has the class of each case by its id, for sources without labels of their own.
        """


def find_source(references: Sequence[str], path: Path) -> Source:
    """The first of a track's sources that matches ``path``. Raises DataError if none does."""
    sources: list[Source] = [load(reference) for reference in references]
    for source in sources if path.exists() else ():
        if source.matches(path):
            return source
    expected = " or ".join(source.EXPECTED for source in sources) or "of a track that has sources"
    raise DataError(f"{path} must be {expected}, got {description(path)}{other_track(references, path)}")


def matching_sources(path: Path, without: Sequence[str] = ()) -> Iterator[tuple[Track, Source]]:
    """The sources of all tracks that match ``path``, each with its track; those ``without`` are not tried."""
    for track in map(get_track, track_names() if path.exists() else ()):
        for source in [load(reference) for reference in track.sources if reference not in without]:
            if source.matches(path):
                yield track, source


def other_track(references: Sequence[str], path: Path) -> str:
    """The advice to pack a path for another track, if one can read its first cases; "" if none can."""
    for track, source in matching_sources(path, without=references):
        with suppress(DataError):
            if any(isinstance(item, Cases) for item in islice(source.read(path), NAMES_SHOWN)):
                return f"; its files are those of another track: --track {track.name}"
    return ""


def read_source(
    references: Sequence[str], path: Path, labels: Mapping[str, int] | None = None
) -> Generator[Cases | Problem, None, None]:
    """What the source that matches ``path`` reads from it; the last item says why it could not read on."""
    try:
        yield from find_source(references, path).read(path, labels)
    except DataError as error:
        yield Problem(path.name, error)


def description(path: Path) -> str:
    """What kind of file or folder a path is, by its content, for a message that says what came."""
    if not path.exists():
        return "nothing: it does not exist"
    if path.is_dir():
        first = _first_names(path)
        return f"a folder with {first}" if first else "an empty folder"
    if not path.is_file():
        return "a pipe or a device"
    start = first_bytes(path)
    if start.startswith(HDF5):
        try:
            with open_dataset(path):
                return "a data set (HDF5), which is packed already"
        except DataError:
            return f"an HDF5 file that is no data set of astroboard; {FOREIGN_HDF5}"
    kind = kind_of(start)
    if first := _first_names(path):
        return f"{kind} with {first}"
    if kind in ("a zip", "a tar archive"):
        try:
            next(files(path, "/"), None)
        except DataError as error:
            return f"{kind} that cannot be read: {str(error).removeprefix(f'{path}: ')}"
        return f"{kind} without files"
    if kind in PACKERS:
        with suppress(*DAMAGE), decompressed(path) as stream:
            start = stream.read(FIRST_BYTES)
            kind += f" of {kind_of(start)}; unpack it with {PACKERS[kind]}"
    return kind


def _first_names(path: Path) -> str:
    """The first names in a folder or an archive, with an ellipsis if there are more; "" if there are none."""
    found = [printable(name) for name in islice(names(path), NAMES_SHOWN + 1)]
    return ", ".join(found[:NAMES_SHOWN]) + " …" * (len(found) > NAMES_SHOWN)
