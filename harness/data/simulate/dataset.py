"""From a simulator's tasks to a dataset file, on any number of processes with the same result.

A track's simulator is called with ``cases``, ``seed`` and its options. It returns a function and a sequence
of tasks. The function renders a task: columns of the data set by name, ``case_id`` and ``group`` among them,
as `Writer.append` takes them. It must depend on nothing but the task. The tasks together have ``cases`` cases
at least.
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from harness.data.store import DataError, create
from harness.parallel import TASKS_AHEAD, in_order
from harness.progress import ProgressCallback, no_progress
from harness.tracks import Track, load
from submissions.limits import MAX_CASES

MIN_CASES_FOR_PROCESSES = 200  # fewer are there before a new process is


def simulate(
    track: Track,
    out: Path,
    cases: int,
    *,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
    **options: str,
) -> None:
    """Simulate ``cases`` cases into a dataset file.

    ``options`` are those of the track's simulator; `Track.simulator_options` has the choices of each, and
    `Track.simulator_defaults` what one choice makes the default of others. Raises DataError for other
    choices, and for a track without a simulator.
    """
    if not 1 <= cases <= MAX_CASES:
        raise DataError(f"cases must be 1 to {MAX_CASES:,}, got {cases:,}")
    if not track.simulator:
        raise DataError(f"the track {track.name!r} must have a simulator, got none; pack data of it instead")
    for name, value in options.items():
        choices = track.simulator_options.get(name, ())
        if value not in choices:
            expected = ", ".join(choices) or "left out"
            raise DataError(f"{name} must be {expected} for the track {track.name}, got {value!r}")
    defaults = {name: choices[0] for name, choices in track.simulator_options.items()}
    for choice in options.values():
        defaults |= track.simulator_defaults.get(choice, {})
    options = defaults | options
    render, tasks = load(track.simulator)(cases, seed, **options)
    about = {"simulated": {"track": track.name, "cases": cases, "seed": seed} | options}
    # Without processes a thread renders while this one hashes and writes what came before.
    with create(out, track, "full", about) as writer, ThreadPoolExecutor(1) as thread:
        pool = executor if executor and cases >= MIN_CASES_FOR_PROCESSES else thread
        for chunk in in_order(pool, render, tasks, TASKS_AHEAD if pool is executor else 2):
            missing = cases - len(writer.rows)
            writer.append(**{name: column[:missing] for name, column in chunk.items()})
            progress(len(writer.rows), cases, "cases")
            if len(writer.rows) == cases:
                break
