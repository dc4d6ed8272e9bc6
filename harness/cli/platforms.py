"""Commands for those who run a competition."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli.shared import (
    FILE,
    FRACTION,
    NEW,
    SEED,
    json_option,
    main,
    metadata_option,
    print_result,
    say,
)


class _Date(click.ParamType):
    """A date, with or without a time, of ISO 8601. UTC, unless it has an offset."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> datetime:
        """The date as UTC without a zone, in whole seconds."""
        try:
            date = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return (date.astimezone(UTC) if date.tzinfo else date).replace(tzinfo=None, microsecond=0)
        except (ValueError, OverflowError):
            self.fail(
                "a date must be a day of the calendar as year-month-day, with or without a time, such as "
                f"2027-01-31 or 2027-01-31T12:30, got {value!r:.50}",
                param,
                context,
            )


DATE = _Date()
public_option = click.option(
    "--public-fraction", default=0.3, show_default=True, type=FRACTION,
    help="Share of the groups that the public leaderboard scores.",
)  # fmt: skip
seed_option = click.option(
    "--seed", type=SEED,
    help="Seed for the choice of public groups, a long secret number.  [default: derived from the truth]",
)  # fmt: skip


@main.command(task="Organise", example="bundle truth.h5 --inputs inputs.h5 --out bundle.zip")
@click.argument("truth", type=FILE, metavar="TRUTH.h5")
@click.option("--inputs", type=FILE, help="test-inputs.h5, unless TRUTH.h5 is a full data set.")
@click.option(
    "--out", required=True, type=NEW, metavar="BUNDLE.zip", help="The zip to upload, or a new folder."
)
@click.option("--train", default="", metavar="TRAIN.h5|URL",
              help="Training data: a data set for the starting kit, or a web address.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="Name of the competition.  [default: the track's]")
@public_option
@seed_option
@click.option("--start", type=DATE, metavar="DATE", help="Start of the public phase, UTC.  [default: today]")
@click.option(
    "--end", type=DATE, metavar="DATE", help="End of the public phase, UTC.  [default: 60 days later]"
)
@click.option(
    "--close", type=DATE, metavar="DATE", help="End of the private phase, UTC.  [default: 7 days later]"
)
@click.option("--docker-image", metavar="IMAGE", default="continuumio/anaconda3:latest", show_default=True,
              help="Docker image that submissions are scored in.")  # fmt: skip
@metadata_option
@json_option
def bundle(truth: Path, inputs: Path | None, out: Path, as_json: bool, **options: Any) -> None:
    """Make a competition for Codabench.

    The bundle has the test cases of TRUTH.h5, a public and a private phase, a scoring program that needs only
    NumPy, SciPy and h5py, pages, and a starting kit with shuffled inputs and renumbered groups. The same data
    and dates give an identical bundle.
    """
    from harness.platforms.codabench import competition

    options["start"] = options["start"] or datetime.combine(datetime.now(UTC), time())
    try:
        options["end"] = options["end"] or options["start"] + timedelta(days=60)
        options["close"] = options["close"] or options["end"] + timedelta(days=7)
    except OverflowError as error:
        raise click.UsageError("a phase would end after the year 9999: name earlier dates") from error
    summary = competition.write_bundle(truth, inputs, out, competition.Options(**options))
    for note in () if as_json else summary["notes"]:
        say(f"note: {note}", err=True)
    phases = [
        "{}: {cases} cases in {groups} groups".format(name, **summary[name]) for name in ("public", "private")
    ]
    seed = f"seed: {summary['seed']} (whoever knows it knows which cases are public)"
    print_result(summary, as_json, [*phases, seed, f"bundle: {out}"])


@main.command(task="Organise", example="kaggle data/test-truth.h5 solution.csv")
@click.argument("data", type=FILE, metavar="DATA.h5")
@click.argument("out", type=NEW, metavar="OUT.csv")
@click.option("--submission", type=FILE, help="Write the predicted classes of this submission.")
@public_option
@seed_option
@json_option
def kaggle(
    data: Path, out: Path, submission: Path | None, public_fraction: float, seed: int | None, as_json: bool
) -> None:
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
    print_result({"out": str(out), "rows": rows}, as_json, [f"{out}: {rows} rows"])
