"""Commands for those who run a competition."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import click

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
                f"a date must be like 2027-01-31 or 2027-01-31T12:30, got {value!r:.50}", param, context
            )


DATE = _Date()
public_option = click.option(
    "--public-fraction", default=0.3, show_default=True, type=FRACTION,
    help="Part of the groups that the public board scores.",
)  # fmt: skip
seed_option = click.option(
    "--seed", type=SEED,
    help="Which groups are public: a long number that nobody else knows.  [default: drawn from the truth]",
)  # fmt: skip


@main.command(task="Organise", example="bundle truth.h5 --inputs inputs.h5 --out bundle.zip")
@click.argument("truth", type=FILE, metavar="TRUTH.h5")
@click.option("--inputs", type=FILE, help="test-inputs.h5, if TRUTH.h5 is no full data set.")
@click.option(
    "--out", required=True, type=NEW, metavar="BUNDLE.zip", help="The zip to upload, or a new folder."
)
@click.option("--train", default="", metavar="TRAIN.h5|URL",
              help="Training data: a data set that the starting kit gets, or where they are.")  # fmt: skip
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
              help="What the scoring runs in.")  # fmt: skip
@metadata_option
@json_option
def bundle(truth: Path, inputs: Path | None, out: Path, as_json: bool, **options: Any) -> None:
    """Make a competition for Codabench.

    It has the test cases of TRUTH.h5, a public and a private phase, a scoring program that needs NumPy, SciPy
    and h5py alone, pages, and a starting kit, whose inputs are shuffled, with other numbers of groups. The
    same data and dates give the same bytes.
    """
    from harness.platforms.codabench import competition

    options["start"] = options["start"] or datetime.combine(datetime.now(UTC), time())
    options["end"] = options["end"] or options["start"] + timedelta(days=60)
    options["close"] = options["close"] or options["end"] + timedelta(days=7)
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
@click.option("--submission", type=FILE, help="Write the classes of this submission, not the true ones.")
@public_option
@seed_option
@json_option
def kaggle(
    data: Path, out: Path, submission: Path | None, public_fraction: float, seed: int | None, as_json: bool
) -> None:
    """Write stamps as a table for Kaggle.

    That is the solution of DATA.h5, or with --submission the two columns of a submission.
    """
    from harness.platforms import kaggle

    if submission:
        rows = kaggle.write_predictions(submission, data, out)
    else:
        rows = kaggle.write_solution(data, out, public_fraction, seed)
    print_result({"out": str(out), "rows": rows}, as_json, [f"{out}: {rows} rows"])
