"""Commands that make, pack, describe and split data."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import partial
from itertools import chain
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import click

from harness.cli import options
from harness.cli.shared import list_items, main, print_parts, print_result
from harness.progress import progress_bar


def simulator_option(name: str, default: str, says: str) -> Any:
    """An option of the simulators, with the choices that any of the tracks has for it."""

    def choices() -> list[str]:
        from harness.tracks import get_track, track_names

        by_track = [get_track(track).simulator_options.get(name, ()) for track in track_names()]
        return list(dict.fromkeys(chain.from_iterable(by_track)))

    return click.option(f"--{name}", show_default=default, type=options.Name(name, choices), help=says)


@main.command(task="Data", example="simulate mass-mapping data.h5 --cases 2000")
@click.argument("track", type=options.TRACK)
@click.argument("out", type=options.NEW, metavar="OUT.h5")
@click.option("--cases", required=True, type=options.COUNT, help="Number of maps or alerts.")
@simulator_option(
    "noise", "sparse", "mass-mapping: sparse or dense, noise in a third or in all of the pixels."
)
@simulator_option(
    "boundary",
    "periodic",
    "mass-mapping: shear periodic on the crop, as in the challenge, or of a field twice as wide. On periodic "
    "maps ks93-masked solves with the operator that made its data: its DICEE there says that the solver is "
    "right, not that the task is that easy.",
)
@simulator_option(
    "spectrum",
    "challenge, with dense noise ray-traced",
    "mass-mapping: challenge, smooth maps in pixels of 0.19′, or ray-traced, in pixels of 0.4′.",
)
@options.seed
@options.executor()
def simulate(
    track: str, out: Path, cases: int, seed: int, executor: Executor | None, **choices: str | None
) -> None:
    """Simulate a data set.

    TRACK is mass-mapping or stamps. The result depends only on the options, not on the number of processes.
    """
    from harness.data.simulate import dataset
    from harness.tracks import get_track

    simulated = get_track(track)
    chosen = {name: value for name, value in choices.items() if value}
    for name in chosen.keys() - simulated.simulator_options.keys():
        raise click.UsageError(f"--{name} must be left out: {track} has no such option")
    with progress_bar("simulating") as progress:
        dataset.simulate(simulated, out, cases, seed=seed, progress=progress, executor=executor, **chosen)
    made = {"out": str(out), "track": track, "cases": cases, "seed": seed}
    print_result(made, [f"{out}: {cases} cases of {track}"])


@main.command(task="Data", example="pack 1.tar.gz 2.tar.gz data.h5 --track mass-mapping")
@click.argument("sources", nargs=-1, required=True, type=options.ANYTHING, metavar="SOURCE...")
@click.argument("out", type=options.NEW, metavar="OUT.h5")
@click.option("--track", required=True, type=options.TRACK, help="mass-mapping or stamps.")
@click.option("--skip-damaged", is_flag=True, help="Skip damaged cases and list them, instead of stopping.")
@click.option("--labels", type=options.FILE, help="stamps: CSV with candid,label, for alert packets.")
@options.executor(says="Number of processes, of two threads each.", busy=2)
def pack(
    sources: tuple[Path, ...], out: Path, track: str, skip_damaged: bool, labels: Path | None,
    executor: Executor | None,
) -> None:  # fmt: skip
    """Pack archives, pickles or alerts.

    mass-mapping: tar archives (.gz, .bz2, .xz or none), zips or folders with EPSILON/ and KAPPA/, or with
    maps directly. stamps: the pickle of the challenge, or ZTF alert packets: .avro files, archives or folders
    of them. Each SOURCE is read by one worker.

    With --dask, SOURCE and OUT must be on a disk that all machines share.
    """
    from harness.data import pack
    from harness.data.sources.avro_alerts import read_labels
    from harness.tracks import get_track

    with progress_bar("packing") as progress:
        known = read_labels(labels) if labels else None
        packed = pack.pack(get_track(track), sources, out, skip_damaged, known, progress, executor)
    left_out = [reason for _, reason in packed.left_out]
    list_items("left out", left_out)
    list_items("ignored, no case by its name", packed.ignored)
    made = {"out": str(out), "track": track, "cases": packed.cases, "left_out": left_out,
            "ignored": packed.ignored}  # fmt: skip
    print_result(made, [f"{out}: {packed.cases} cases packed, {len(packed.left_out)} left out"])


@main.command(task="Data", example="inspect data.h5")
@click.argument("path", type=options.ANYTHING, metavar="FILE")
def inspect(path: Path) -> None:
    """Describe a file or a folder.

    FILE is a data set, a submission, a run, a score card, a leaderboard, or a source for `pack`.

    For a data set, all cases are read, to count classes and missing values (NaN). For archives, pickles and
    alerts, it reports what `pack` would take and leave out.
    """
    from harness.data import inspection

    with progress_bar("reading") as progress:
        summary = inspection.inspect(path, progress)
    print_result(summary, inspection.lines(summary))


SPLIT = options.Output(
    lambda folder: [folder / name for name in resolve_name("harness.data.split:FILES")], "folder"
)
part_option = partial(
    click.option, default=0.1, type=options.FRACTION, help="mass-mapping: share of the clusters."
)
alerts_option = partial(click.option, type=options.COUNT, help="stamps: number of alerts per class.")


@main.command(task="Data", example="split data.h5 data")
@click.argument("data", type=options.FILE, metavar="DATA.h5")
@click.argument("folder", type=SPLIT, metavar="FOLDER")
@options.seed
@part_option("--validation-part")
@part_option("--test-part")
@alerts_option("--validation-cases", default=100)
@alerts_option("--test-cases", default=200)
@options.metadata
def split(data: Path, folder: Path, seed: int, metadata: tuple[str, ...], **shares: Any) -> None:
    """Split data by cluster or object.

    FOLDER gets train.h5, validation.h5, test-inputs.h5 and test-truth.h5.

    The test inputs are shuffled, their groups are renumbered, and they keep only metadata that do not reveal
    the class.
    """
    from harness.data import split

    with progress_bar("splitting") as progress:
        summary = split.split(data, folder, seed, split.Shares(**shares), progress, metadata)
    print_parts(summary, ("train", "validation", "test"))
