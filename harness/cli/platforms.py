"""Commands for those who run a competition."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli import options
from harness.cli.shared import main, print_parts, print_result


class _Date(click.ParamType):
    """A date, with or without a time, of ISO 8601. UTC, unless it has an offset."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> datetime:
        """The date as UTC without a zone, in whole seconds."""
        try:
            date = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return (date.astimezone(UTC) if date.tzinfo else date).replace(tzinfo=None, microsecond=0)
        except (ValueError, OverflowError):
            expected = "a day of the calendar as year-month-day, with or without a time, such as 2027-01-31"
            self.fail(f"a date must be {expected} or 2027-01-31T12:30, got {value!r:.50}", param, context)


DATE = _Date()
public_option = click.option("--public-fraction", default=0.3, type=options.FRACTION,
                             help="Share of the groups that the public leaderboard scores.")  # fmt: skip
seed_option = click.option(
    "--seed", type=options.SEED,
    help="Seed for the choice of public groups, a long secret number.  [default: derived from the truth]",
)  # fmt: skip


@main.command(task="Organise", example="bundle truth.h5 --inputs inputs.h5 --out bundle.zip")
@click.argument("truth", type=options.FILE, metavar="TRUTH.h5")
@click.option("--inputs", type=options.FILE, help="test-inputs.h5, unless TRUTH.h5 is a full data set.")
@click.option("--out", required=True, type=options.NEW, metavar="BUNDLE.zip",
              help="The zip to upload, or a new folder.")  # fmt: skip
@click.option("--train", default="", show_default=False, metavar="TRAIN.h5|URL",
              help="Training data: a data set for the starting kit, or a web address.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="Name of the competition.  [default: the track's]")
@public_option
@seed_option
@click.option("--start", type=DATE, metavar="DATE", help="Start of the public phase, UTC.  [default: today]")
@click.option("--end", type=DATE, metavar="DATE",
              help="End of the public phase, UTC.  [default: 60 days later]")  # fmt: skip
@click.option("--close", type=DATE, metavar="DATE",
              help="End of the private phase, UTC.  [default: 7 days later]")  # fmt: skip
@click.option("--docker-image", metavar="IMAGE", default="continuumio/anaconda3:latest",
              help="Docker image that submissions are scored in.")  # fmt: skip
@options.metadata
def bundle(truth: Path, inputs: Path | None, out: Path, **given: Any) -> None:
    """Make a competition for Codabench.

    The bundle has the test cases of TRUTH.h5, a public and a private phase, a scoring program that needs only
    NumPy, SciPy and h5py, pages, and a starting kit with shuffled inputs and renumbered groups. The same data
    and dates give an identical bundle.
    """
    from harness.platforms.codabench import competition

    given["start"] = given["start"] or datetime.combine(datetime.now(UTC), time())
    try:
        given["end"] = given["end"] or given["start"] + timedelta(days=60)
        given["close"] = given["close"] or given["end"] + timedelta(days=7)
    except OverflowError as error:
        raise click.UsageError("a phase would end after the year 9999: name earlier dates") from error
    summary = competition.write_bundle(truth, inputs, out, competition.Options(**given))
    seed = f"seed: {summary['seed']} (whoever knows it knows which cases are public)"
    print_parts(summary, ("public", "private"), seed, f"bundle: {out}")


@main.command(task="Organise", example="kaggle data/test-truth.h5 solution.csv")
@click.argument("data", type=options.FILE, metavar="DATA.h5")
@click.argument("out", type=options.NEW, metavar="OUT.csv")
@click.option("--submission", type=options.FILE, help="Write the predicted classes of this submission.")
@public_option
@seed_option
def kaggle(data: Path, out: Path, submission: Path | None, public_fraction: float, seed: int | None) -> None:
    """Write stamps as a table for Kaggle.

    Writes the solution of DATA.h5, or with --submission a submission in two columns.
    """
    from harness.platforms import kaggle

    if submission:
        source = click.get_current_context().get_parameter_source
        if seed is not None or source("public_fraction") is not ParameterSource.DEFAULT:
            raise click.UsageError("--public-fraction and --seed are for the solution, not for --submission")
        rows = kaggle.write_predictions(submission, data, out)
    else:
        rows = kaggle.write_solution(data, out, public_fraction, seed)
    print_result({"out": str(out), "rows": rows}, [f"{out}: {rows} rows"])
