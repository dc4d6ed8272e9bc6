"""Commands that make, pack, describe and split data."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import click

from harness.cli.shared import (
    ANYTHING,
    FILE,
    NEW,
    TRACK,
    executor_options,
    json_option,
    list_items,
    main,
    print_json,
    seed_option,
)

NOISE = ("sparse", "dense")
BOUNDARIES = ("periodic", "field")


@main.command()
@click.argument("track", type=TRACK)
@click.argument("out", type=NEW)
@click.option("--cases", required=True, type=click.IntRange(min=1), help="How many maps or alerts.")
@click.option("--noise", show_default="sparse", type=click.Choice(NOISE), help="Of the maps.")
@click.option(
    "--boundary",
    show_default="periodic",
    type=click.Choice(BOUNDARIES),
    help="Shear of a map: periodic on the crop, or of a field twice as wide.",
)
@seed_option
@executor_options()
def simulate(
    track: str, out: Path, cases: int, seed: int, executor: Executor | None, **of_maps: str | None
) -> None:
    """Simulate a data set of TRACK into the file OUT.

    The result depends on the seed, not on where it is simulated.
    """
    from harness.data.simulate.dataset import simulate as run
    from harness.progress import progress_bar
    from harness.tracks import MASS_MAPPING, get_track

    chosen = {name: value for name, value in of_maps.items() if value}
    if chosen and track != MASS_MAPPING.name:
        raise click.UsageError(f"--{' and --'.join(chosen)}: for {MASS_MAPPING.name} alone")
    with progress_bar("simulating") as progress:
        run(get_track(track), out, cases, seed=seed, progress=progress, executor=executor, **chosen)
    click.echo(f"{out}: {cases} cases of {track}")


@main.command()
@click.argument("sources", nargs=-1, required=True, type=ANYTHING, metavar="SOURCE...")
@click.argument("out", type=NEW)
@click.option("--track", required=True, type=TRACK)
@click.option(
    "--skip-damaged", is_flag=True, help="Leave damaged cases out and list them, instead of stopping."
)
@click.option("--labels", type=FILE, help="stamps: CSV with candid,label for alert packets, which have none.")
@executor_options(says="Processes; two threads work in each.", busy=2)
def pack(
    sources: tuple[Path, ...],
    out: Path,
    track: str,
    skip_damaged: bool,
    labels: Path | None,
    executor: Executor | None,
) -> None:
    """Pack the data that organisers hand out into the dataset file OUT.

    mass-mapping: .tar, .tar.gz or folders with EPSILON/ and KAPPA/, each read by a worker. stamps: the pickle
    of the challenge, or ZTF alert packets: .avro, .tar, .tar.gz or folders of them.

    The workers of a Dask cluster read SOURCE and write beside OUT: both must be on a disk that all share.
    """
    from harness.data.pack import pack as run
    from harness.data.sources.avro_alerts import read_labels
    from harness.progress import progress_bar
    from harness.tracks import get_track

    with progress_bar("packing") as progress:
        known = read_labels(labels) if labels else None
        packed = run(get_track(track), sources, out, skip_damaged, known, progress, executor)
    list_items("left out", [reason for _, reason in packed.left_out])
    list_items("ignored, no case by its name", packed.ignored)
    click.echo(f"{out}: {packed.cases} cases packed, {len(packed.left_out)} left out")


@main.command()
@click.argument("path", type=ANYTHING, metavar="FILE")
@json_option
def inspect(path: Path, as_json: bool) -> None:
    """Say what FILE holds: a dataset, a submission, a run's folder, a score card, a board."""
    from harness.data.inspection import inspect as run
    from harness.data.inspection import lines

    summary = run(path)
    if as_json:
        print_json(summary)
    else:
        click.echo("\n".join(lines(summary)))


@main.command()
@click.argument("data", type=FILE)
@click.argument("folder", type=NEW, metavar="DIR")
@seed_option
@click.option("--validation-part", default=0.1, show_default=True, type=click.FloatRange(0, 1, True, True),
              help="mass-mapping: part of the clusters.")  # fmt: skip
@click.option("--test-part", default=0.1, show_default=True, type=click.FloatRange(0, 1, True, True),
              help="mass-mapping: part of the clusters.")  # fmt: skip
@click.option("--validation-cases", default=100, show_default=True, type=click.IntRange(min=1),
              help="stamps: alerts of each class.")  # fmt: skip
@click.option("--test-cases", default=200, show_default=True, type=click.IntRange(min=1),
              help="stamps: alerts of each class.")  # fmt: skip
@json_option
def split(data: Path, folder: Path, seed: int, as_json: bool, **shares: Any) -> None:
    """Split DATA by cluster or object into train, validation, test-inputs and test-truth.h5 in DIR."""
    from harness.data.split import Shares
    from harness.data.split import split as run
    from harness.progress import progress_bar

    with progress_bar("splitting") as progress:
        summary = run(data, folder, seed, Shares(**shares), progress)
    if as_json:
        print_json(summary)
        return
    for note in summary["notes"]:
        click.echo(f"note: {note}", err=True)
    for name in ("train", "validation", "test"):
        click.echo(f"{name}: {summary[name]['cases']} cases in {summary[name]['groups']} groups")
