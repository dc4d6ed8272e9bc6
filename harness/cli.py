"""The command `astroboard`. Whatever a command needs is imported when it runs, so that help comes at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

NOISE = ("sparse", "dense")
BOUNDARIES = ("periodic", "field")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANYTHING = click.Path(exists=True, path_type=Path)
NEW = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")
seed_option = click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
preset_option = click.option(
    "--preset", default="laptop", show_default=True, help="smoke, laptop, paper, or a TOML file of your own."
)


class Commands(click.Group):
    """Turns faults of the data, of a submission or of a run into one message and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe has gone: click ends quietly
            if _users_fault(error):
                raise click.ClickException(str(error) or type(error).__name__) from error
            raise


def _users_fault(error: Exception) -> bool:
    from baselines.protocol import BaselineError
    from harness.files import HarnessError
    from submissions import SubmissionError

    return isinstance(error, (HarnessError, SubmissionError, BaselineError, OSError, MemoryError))


def _track_names() -> list[str]:
    from harness.tracks import track_names

    return track_names()


def _baseline_names() -> list[str]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group="astroboard.baselines").names)


class Named(click.ParamType):
    """One of the names that a function lists: of tracks, or of baselines."""

    def __init__(self, name: str, names: Callable[[], list[str]]) -> None:
        self.name, self.names = name, names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = self.names()
        if value not in names:
            self.fail(f"{value!r} is none of: {', '.join(names)}", param, ctx)
        return str(value)


TRACK = Named("track", _track_names)
BASELINE = Named("baseline", _baseline_names)


def _print_json(value: Any) -> None:
    from harness.files import json_text

    click.echo(json_text(value), nl=False)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="astroboard")
def main() -> None:
    """Take part in, run and study two astronomy image competitions.

    Tracks: mass-mapping (dark matter from weak lensing) and stamps (early classification of alerts).

    \b
    See everything at work, on simulated data:   astroboard demo
    Score a submission:                          astroboard score SUBMISSION.zip --truth test-truth.h5
    Make one:                                    astroboard train, then astroboard submit
    """


@main.command()
@click.option("--preset", default="smoke", show_default=True, type=click.Choice(["smoke", "laptop", "paper"]))
@click.option("--out", default="astroboard-demo", show_default=True, type=NEW, help="Folder for all of it.")
@seed_option
def demo(preset: str, out: Path, seed: int) -> None:
    """Simulate, train, submit, score and rank: both tracks, all baselines, to a page."""
    from harness.demo import run_demo

    run_demo(out, preset, seed, click.echo)


@main.command()
@click.argument("track", type=TRACK)
@click.argument("out", type=NEW)
@click.option("--cases", required=True, type=click.IntRange(min=1), help="How many maps or alerts.")
@click.option("--noise", default="sparse", show_default=True, type=click.Choice(NOISE), help="Of the maps.")
@click.option(
    "--boundary",
    default="periodic",
    show_default=True,
    type=click.Choice(BOUNDARIES),
    help="Shear of a map: periodic on the crop, or of a field twice as wide.",
)
@click.option(
    "--workers",
    default=os.cpu_count(),
    show_default="all processors",
    type=click.IntRange(min=1),
    help="Processes.",
)
@seed_option
def simulate(track: str, out: Path, cases: int, noise: str, boundary: str, workers: int, seed: int) -> None:
    """Simulate a data set of TRACK into the file OUT.

    The result depends on the seed, not on the number of workers.
    """
    from harness.data.simulate.dataset import simulate as run
    from harness.progress import progress
    from harness.tracks import get_track

    with progress("simulating") as report:
        run(
            get_track(track),
            out,
            cases,
            noise=noise,
            boundary=boundary,
            seed=seed,
            workers=workers,
            report=report,
        )
    click.echo(f"{out}: {cases} cases of {track}")


@main.command()
@click.argument("sources", nargs=-1, required=True, type=ANYTHING, metavar="SOURCE...")
@click.argument("out", type=NEW)
@click.option("--track", required=True, type=TRACK)
@click.option(
    "--skip-damaged", is_flag=True, help="Leave damaged cases out and list them, instead of stopping."
)
@click.option("--labels", type=FILE, help="stamps: CSV with candid,label for alert packets, which have none.")
def pack(sources: tuple[Path, ...], out: Path, track: str, skip_damaged: bool, labels: Path | None) -> None:
    """Pack the data that organisers hand out into the dataset file OUT.

    mass-mapping: .tar, .tar.gz or folders with EPSILON/ and KAPPA/. stamps: the pickle of the challenge, or
    ZTF alert packets: .avro, .tar, .tar.gz or folders of them.
    """
    from harness.data.pack import pack as run
    from harness.data.packets import read_labels
    from harness.progress import progress
    from harness.tracks import get_track

    with progress("packing") as report:
        known = read_labels(labels) if labels else None
        packed = run(get_track(track), sources, out, skip_damaged, known, report)
    _list("left out", [reason for _, reason in packed.left_out])
    _list("ignored, no case by its name", packed.ignored)
    click.echo(f"{out}: {packed.cases} cases packed, {len(packed.left_out)} left out")


def _list(title: str, items: list[str], most: int = 20) -> None:
    if items:
        click.echo(f"{title} ({len(items)}):", err=True)
        for item in items[:most]:
            click.echo(f"  {item}", err=True)
        if len(items) > most:
            click.echo(f"  and {len(items) - most} more", err=True)


@main.command()
@click.argument("path", type=ANYTHING, metavar="FILE")
@json_option
def inspect(path: Path, as_json: bool) -> None:
    """Say what FILE holds: a dataset, a submission, a run's folder, a score card, a board."""
    from harness.inspection import inspect as run
    from harness.inspection import lines

    summary = run(path)
    if as_json:
        _print_json(summary)
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
    from harness.progress import progress

    with progress("splitting") as report:
        summary = run(data, folder, seed, Shares(**shares), report)
    if as_json:
        _print_json(summary)
        return
    for note in summary["notes"]:
        click.echo(f"note: {note}", err=True)
    for name in ("train", "validation", "test"):
        click.echo(f"{name}: {summary[name]['cases']} cases in {summary[name]['groups']} groups")


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
        _print_json(found)
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
def train(baseline: str, data: Path, out: Path, preset: str, seed: int) -> None:
    """Train BASELINE, and keep what it learnt in the folder RUN."""
    from harness.experiment import train as run
    from harness.progress import progress

    with progress(baseline) as report:
        record = run(baseline, data, out, preset, seed, report)
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
    "--data", required=True, type=FILE, help="Data set that holds the case, for maps with the truth."
)
@click.option("--out", type=NEW, metavar="FILE.png", help="The picture.  [default: RUN/ID.png]")
def show(run: Path, case_id: str, data: Path, out: Path | None) -> None:
    """Draw what the model of RUN predicts for one case, beside the truth."""
    from harness.showing import show as draw

    out = out or run / f"{case_id}.png"
    draw(run, data, case_id, out)
    click.echo(f"picture: {out}")


@main.command()
@click.argument("submission", type=FILE)
@click.option("--inputs", required=True, type=FILE, help="test-inputs.h5: which cases are expected.")
@json_option
def validate(submission: Path, inputs: Path, as_json: bool) -> None:
    """List all that is wrong with SUBMISSION. The truth is not needed."""
    from harness.data.store import open_dataset
    from submissions import validate as run

    with open_dataset(inputs) as data:
        report = run(submission, data.track.format, data.case_ids(), data.fingerprint)
    if as_json:
        _print_json(report.to_json())
    else:
        click.echo("\n".join(report.lines()))
    if not report.accepted:
        raise SystemExit(1)


@main.command()
@click.argument("submission", type=FILE)
@click.option("--truth", required=True, type=FILE, help="test-truth.h5, or any data set with the truth.")
@click.option("--out", type=NEW, metavar="CARD.json", help="Write the score card there, too.")
@click.option("--per-case", type=NEW, metavar="FILE.csv", help="Write the scores by case there.")
@json_option
def score(submission: Path, truth: Path, out: Path | None, per_case: Path | None, as_json: bool) -> None:
    """Check SUBMISSION and score it against the truth."""
    from harness.data.store import open_dataset
    from harness.files import json_text, write_text
    from harness.progress import progress
    from harness.scoring import score as run
    from harness.scoring import score_card, write_per_case

    with open_dataset(truth) as data, progress("scoring") as report:
        scored = run(submission, data, report)
    if not scored.report.accepted:
        click.echo("\n".join(scored.report.lines()), err=True)
        raise click.ClickException(f"{submission} is not scored: {scored.report.summary()}")
    card = score_card(scored)
    if out:
        write_text(out, json_text(card))
    if per_case:
        write_per_case(scored, per_case)
    if as_json:
        _print_json(card)
        return
    from harness.report.terminal import card_table, console

    if scored.report.warnings:
        click.echo("\n".join(scored.report.lines()), err=True)
    console().print(card_table(card, scored.track.scores))


@main.command()
@click.argument("submissions", nargs=-1, required=True, type=FILE, metavar="SUBMISSION...")
@click.option("--truth", required=True, type=FILE, help="test-truth.h5, or any data set with the truth.")
@click.option("--out", type=NEW, metavar="DIR", help="Write leaderboard.json and index.html there.")
@json_option
def leaderboard(submissions: tuple[Path, ...], truth: Path, out: Path | None, as_json: bool) -> None:
    """Score the submissions and rank them, with intervals."""
    from harness.progress import progress
    from harness.ranking import board_of, write_board

    with progress("scoring") as report:
        board = board_of(submissions, truth, report)
    if out:
        write_board([board], out)
    if as_json:
        _print_json(board)
        return
    from harness.report.terminal import print_board

    print_board(board)
    if out:
        click.echo(f"page: {out / 'index.html'}")


if __name__ == "__main__":
    main()
