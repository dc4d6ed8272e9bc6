"""Packing the data as organisers hand it out into one dataset file.

What can be packed is up to the sources of the track: `harness.data.sources.base` says what a source is.
"""

import json
import pickle
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple
from uuid import uuid4

import h5py

from harness.data.sources.base import NAMES_SHOWN, Cases, Problem, other_track, read_source
from harness.data.sources.tar_members import Unmarked
from harness.data.store import DataError, Writer, create, located
from harness.data.tally import Counted, Tally
from harness.parallel import in_order
from harness.progress import ProgressCallback, no_progress
from harness.tracks import Track, load
from submissions import SubmissionError, check_case_id
from submissions.report import printable

MAX_LISTED, MAX_LISTED_NAME = 1000, 64  # names that the file keeps in a list, and their length
MAX_ESCAPED = 6 * MAX_LISTED_NAME + 2  # characters of a name in JSON: a file of more is not opened again

Items = Generator[Cases | Problem, None, None]


@dataclass
class Packing:
    """The result of packing: number of cases, cases left out with reasons, ignored files.

    ``counts`` are of the classes and images of the cases that were left out.
    """

    skip_damaged: bool
    counts: Tally
    cases: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def note(self, problem: Problem) -> None:
        """List a problem; raise its error if it is damage that is not to be skipped."""
        if problem.error is None:
            self.ignored.append(problem.name)
        elif is_fatal(problem, self.skip_damaged):
            raise problem.error
        else:
            self.left_out.append((problem.name, str(problem.error)))
            self.counts.add(problem.columns)


def is_fatal(problem: Problem, skip_damaged: bool) -> bool:
    """Whether packing stops at a problem: at damage, but not where an archive has no mark of its end."""
    damaged = problem.error is not None and problem.damaged and not isinstance(problem.error, Unmarked)
    return damaged and not skip_damaged


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
    ``executor`` read one source each, and write beside ``out`` what they find.
    """
    for path in sources:
        if out.exists() and out.samefile(path):
            raise DataError(f"OUT must differ from every SOURCE, got {out} for both; name OUT last")
    if out.is_file() and not h5py.is_hdf5(out):
        raise DataError(f"OUT must be a data set or a new file, got {out}; name OUT last, or remove it")
    packing = Packing(skip_damaged, Tally(track))
    about: dict[str, Any] = {"packed": _listed(path.name for path in sources)}
    if sources[MAX_LISTED:]:
        about["packed_count"] = len(sources)
    tasks = [Task(track.sources, path, labels, skip_damaged) for path in sources]
    with create(out, track, "full", about) as writer:
        with _contents(tasks, out.absolute(), executor) as contents:
            for path, items in zip(sources, contents, strict=True):
                with closing(items):  # archives, whatever happens
                    for item in items:
                        for problem in [item] if isinstance(item, Problem) else add(writer, item, path):
                            packing.note(problem)
                        progress(len(writer.rows), 0, f"cases, {item.name or path.name}")
        for problem in drop_incomplete(writer):
            packing.note(problem)
        if not (writer.rows or packing.left_out):
            first = ", ".join(map(printable, packing.ignored[:NAMES_SHOWN])) or "no file"
            expected = " or ".join(load(reference).EXPECTED for reference in track.sources)
            others = (other_track(track.sources, path) for path in sources)
            raise DataError(
                f"{', '.join(path.name for path in sources)} must be {expected}, got {first}"
                f"{' …' if packing.ignored[NAMES_SHOWN:] else ''}{next(filter(None, others), '')}"
            )
        if packing.left_out and not writer.rows:
            first = packing.left_out[0][1]
            raise DataError(f"no case can be used, {len(packing.left_out)} were left out, the first: {first}")
        packing.cases = len(writer.rows)
        about |= {
            "left_out": len(packing.left_out),
            "left_out_first": _listed(name for name, _ in packing.left_out),
            "ignored": len(packing.ignored),
        }
        if counts := packing.counts.to_json():
            about["left_out_counts"] = counts
    return packing


def _listed(names: Iterable[str]) -> list[str]:
    """The first of the names, shortened; more so where characters become up to twelve in JSON."""
    short = (name[:MAX_LISTED_NAME] for name in islice(names, MAX_LISTED))
    return [name if len(json.dumps(name)) <= MAX_ESCAPED else name[: MAX_LISTED_NAME // 2] for name in short]


def add(writer: Writer | Counted, cases: Cases, path: Path) -> Iterator[Problem]:
    """Write cases that are new, and to those that are there the columns that they lack."""
    new: dict[str, int] = {}
    where = f"{path}: {cases.name}" if cases.name else str(path)
    for index, case_id in enumerate(cases.case_id):
        try:
            row = writer.rows.get(case_id)
            if case_id in new or (row is not None and any(writer.has(name, row) for name in cases.columns)):
                raise DataError(
                    f"case {case_id} comes twice; case ids must be unique, and --skip-damaged packs the first"
                )
            check_case_id(case_id)
        except (DataError, SubmissionError) as error:
            yield Problem(cases.name or case_id, DataError(f"{where}: {error}"))
            continue
        if row is None:
            new[case_id] = index
        else:
            with located(where):
                for name, values in cases.columns.items():
                    writer.put(name, slice(row, row + 1), values[index : index + 1])
    if new:
        # A slice copies nothing.
        chosen: Any = slice(None) if len(new) == len(cases.case_id) else list(new.values())
        columns = {name: values[chosen] for name, values in cases.columns.items()}
        with located(where):
            writer.append(list(new), [cases.group[index] for index in new.values()], **columns)


def drop_incomplete(writer: Writer | Counted) -> Iterator[Problem]:
    """Settle the role of the file, and leave out the cases of which only a half came.

    Inputs and truth of a case may come from different files. If none of the cases has a truth, as in a test
    set that was handed out, this is a file of inputs, and the other way round; else every case needs both.
    """
    roles = {writer.track.inputs.name: "inputs", writer.track.truth.name: "truth"}
    present = [name for name in roles if name in writer.columns]
    if len(present) == 1:
        writer.role = roles[present[0]]
    incomplete = set()
    for name in present:
        for case_id, row in writer.rows.items():
            if not writer.has(name, row):
                incomplete.add(row)
                must = f"case {case_id} must have {' and '.join(present)}"
                yield Problem(case_id, DataError(f"{must}, but its {name} is missing"))
    writer.drop(incomplete)


class Task(NamedTuple):
    """A path to be read by one of the sources, and whether the first damage ends the reading."""

    references: Sequence[str]
    path: Path
    labels: Mapping[str, int] | None
    skip_damaged: bool


@contextmanager
def _contents(tasks: Sequence[Task], out: Path, executor: Executor | None) -> Iterator[Iterator[Items]]:
    """The items of each path, read here, or by the workers of an executor into shards beside ``out``."""
    if executor is None or len(tasks) == 1:
        yield (read_source(*task[:3]) for task in tasks)
        return
    folder = Path(mkdtemp(prefix=f".{out.name}.shards.", dir=out.parent))
    try:
        there = (
            (task._replace(path=task.path.absolute()), folder / str(number))
            for number, task in enumerate(tasks)
        )
        yield map(read_shard, in_order(executor, write_shard, there))
    finally:  # under its name first, so that workers that have not heard of the end write no more there
        shutil.rmtree(folder.rename(f"{folder}.old"))


def write_shard(task_and_shard: tuple[Task, Path]) -> Path:
    """Read a path into a shard, a file of pickled items in their order. Returns the shard."""
    task, shard = task_and_shard
    if not shard.parent.is_dir():
        raise DataError(f"{shard.parent} must be a folder that all workers share, got none here")
    temporary = shard.with_name(uuid4().hex)  # a cluster may run a task twice, even at the same time
    with temporary.open("wb") as file, closing(read_source(*task[:3])) as items:
        for item in items:
            pickle.dump(item, file, pickle.HIGHEST_PROTOCOL)
            fatal = isinstance(item, Problem) and is_fatal(item, task.skip_damaged)
            if fatal or not temporary.exists():  # where the file has gone, the packing has ended
                break
    return temporary.replace(shard)


def read_shard(shard: Path) -> Items:
    """The items of a shard, which is removed in the end."""
    with shard.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301  # which `write_shard` made, in a folder of this process
    shard.unlink()
