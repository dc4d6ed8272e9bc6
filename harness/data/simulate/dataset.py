"""From a simulator's tasks to a dataset file, on any number of processes with the same result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from harness.data.sources.alerts import append_stamps, stamps_from
from harness.data.store import DataError, Writer, create
from harness.parallel import AHEAD, in_order
from harness.progress import ProgressCallback, no_progress
from harness.tracks import MASS_MAPPING, STAMPS, Track
from submissions.limits import MAX_CASES

WORTH_PROCESSES = 200  # cases: fewer are there before a new process is


def simulate(
    track: Track,
    out: Path,
    cases: int,
    *,
    noise: str = "sparse",
    boundary: str = "periodic",
    seed: int = 0,
    progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
) -> None:
    """Simulate ``cases`` cases into a dataset file. ``noise`` and ``boundary`` are for the maps alone."""
    if not 1 <= cases <= MAX_CASES:
        raise DataError(f"1 to {MAX_CASES:,} cases can be simulated, not {cases:,}")
    source: dict[str, Any] = {"simulated": {"track": track.name, "cases": cases, "seed": seed}}
    if track.name == MASS_MAPPING.name:
        from harness.data.simulate import mass_mapping

        source["simulated"] |= {"noise": noise, "boundary": boundary}
        tasks: Sequence[Any] = mass_mapping.fields(cases, noise=noise, boundary=boundary, seed=seed)
        render: Callable[[Any], Any] = mass_mapping.render
        add = _append_maps
    elif track.name == STAMPS.name:
        from harness.data.simulate import stamps

        spare = cases // 20 + 10  # some are cut off by the edge of the detector, and left out
        tasks, render, add = (
            stamps.batches(cases + spare, seed=seed),
            stamps.render,
            partial(_append_alerts, numbers={}),
        )
    else:
        raise DataError(f"no simulation is known for the track {track.name!r}")
    # Without processes a thread renders while this one hashes and writes what came before.
    with create(out, track, "full", source) as writer, ThreadPoolExecutor(1) as thread:
        pool = executor if executor and cases >= WORTH_PROCESSES else thread
        for chunk in in_order(pool, render, tasks, AHEAD if pool is executor else 2):
            add(writer, chunk, cases - len(writer.rows))
            progress(len(writer.rows), cases, "cases")
            if len(writer.rows) == cases:
                break


def _append_maps(writer: Writer, chunk: dict[str, Any], room: int) -> None:
    writer.append(**{name: column[:room] for name, column in chunk.items()})


def _append_alerts(writer: Writer, chunk: dict[str, Any], room: int, numbers: dict[str, int]) -> None:
    square = [row for row, image in enumerate(chunk["images"]) if image.shape == STAMPS.inputs.shape][:room]
    kept = {name: [column[row] for row in square] for name, column in chunk.items() if name != "metadata"}
    append_stamps(
        writer, stamps_from(kept | {"metadata": chunk["metadata"][square]}, "the simulation"), numbers
    )
