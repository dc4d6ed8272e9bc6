"""Commands that train baselines and use what they learnt."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import click

from harness.cli.shared import (
    BASELINE,
    FILE,
    FOLDER,
    NEW,
    json_option,
    main,
    preset_option,
    print_json,
    seed_option,
)


@main.command()
@click.option("--preset", default="smoke", show_default=True, type=click.Choice(["smoke", "laptop", "paper"]))
@click.option("--out", default="astroboard-demo", show_default=True, type=NEW, help="Folder for all of it.")
@seed_option
def demo(preset: str, out: Path, seed: int) -> None:
    """Simulate, train, submit, score and rank: both tracks, all baselines, to a page."""
    from harness.demo import run_demo

    run_demo(out, preset, seed, click.echo)


@main.command()
@json_option
def baselines(as_json: bool) -> None:
    """List the baselines there are, by track."""
    from harness.experiment import all_baselines

    found = [
        {"name": name, "track": kind.track, "summary": kind.summary}
        for name, kind in all_baselines(partial(click.echo, err=True)).items()
    ]
    if as_json:
        print_json(found)
        return
    from harness.report.terminal import console, table

    rows = [
        (one["track"], one["name"], one["summary"]) for one in sorted(found, key=lambda one: one["track"])
    ]
    console().print(table("Baselines", ("track", "name", "what it does"), rows, left=3))


@main.command()
@click.argument("baseline", type=BASELINE)
@click.option("--data", required=True, type=FOLDER, help="Folder with train.h5 and validation.h5.")
@click.option("--out", required=True, type=NEW, metavar="RUN", help="New folder for the run.")
@preset_option
@seed_option
@click.option(
    "--strategy", default="single", show_default=True, type=click.Choice(["single", "mirrored"]),
    help="mirrored shares the batches of a network among all GPUs of the machine.",
)  # fmt: skip
@click.option("--start", type=FOLDER, metavar="RUN", help="Finished run whose weights a network begins with.")
@click.option(
    "--sampling", type=click.Choice(["balanced", "middle", "unchanged"]),
    help="stamps: draw classes to the size of the largest, a middle one, their own.  [default: the preset's]",
)  # fmt: skip
def train(
    baseline: str, data: Path, out: Path, preset: str, seed: int, strategy: Literal["single", "mirrored"],
    start: Path | None, sampling: str | None,
) -> None:  # fmt: skip
    """Train BASELINE, and keep what it learnt in the folder RUN."""
    from harness.experiment import train as run
    from harness.progress import progress

    with progress(baseline) as report:
        changes = {"sampling": sampling} if sampling else {}
        record = run(baseline, data, out, preset, seed, report, strategy, start, changes)
    click.echo(f"{out}: {baseline} trained on {record['cases']} cases in {record['seconds']:.1f} s")
    for key, value in record["outcome"].items():
        click.echo(f"  {key}: {value:.6g}" if isinstance(value, float) else f"  {key}: {value}")


@main.command()
@click.argument("run", type=FOLDER)
@click.option("--inputs", required=True, type=FILE, help="test-inputs.h5, or any data set with inputs.")
@click.option("--team", required=True, help="Name of your team, as the board is to show it.")
@click.option("--method", help="Name of the method.  [default: the baseline's]")
@click.argument("out", type=NEW)
def submit(run: Path, inputs: Path, team: str, method: str | None, out: Path) -> None:
    """Predict with the model of RUN and write the submission OUT, a zip as the leaderboard takes it."""
    from harness.experiment import submit as predict
    from harness.progress import progress

    with progress("predicting") as report:
        manifest = predict(run, inputs, team, out, method, report)
    click.echo(f"{out}: {len(manifest['files'])} file(s) by {manifest['team']}, method {manifest['method']}")


@main.command()
@click.argument("run", type=FOLDER)
@click.option("--case", "case_id", required=True, metavar="ID", help="Id of the case to draw.")
@click.option(
    "--data", type=FILE,
    help="Data set that holds the case, for maps with the truth.  [default: where RUN was trained]",
)  # fmt: skip
@click.option("--out", type=NEW, metavar="FILE.png", help="The picture.  [default: RUN/ID.png]")
@click.option("--weights", is_flag=True, help="Draw the weights that the multi-focal loss gives the pixels.")
def show(run: Path, case_id: str, data: Path | None, out: Path | None, weights: bool) -> None:
    """Draw what the model of RUN predicts for one case, beside the truth."""
    from harness.showing import show as draw

    out = out or run / (f"{case_id}.weights.png" if weights else f"{case_id}.png")
    draw(run, data, case_id, out, weights)
    click.echo(f"picture: {out}")
