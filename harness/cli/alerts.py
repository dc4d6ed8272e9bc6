"""The command that classifies alerts."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.shared import ANYTHING, FOLDER, json_option, list_items, main, print_json


@main.command()
@click.argument("sources", nargs=-1, required=True, type=ANYTHING, metavar="ALERT.avro...")
@click.option("--model", "run", required=True, type=FOLDER, metavar="RUN", help="Run that was trained.")
@json_option
def classify(sources: tuple[Path, ...], run: Path, as_json: bool) -> None:
    """Print what the model of RUN takes alerts for: the probability of each class.

    ALERT.avro is a ZTF alert packet, as the brokers hand it out, or a .tar, .tar.gz or folder of them, or a
    pickle like the challenge's. What cannot be used is listed on stderr.
    """
    from harness.classifying import classify as run_model
    from harness.progress import progress

    with progress("classifying") as report:
        answers, left_out = run_model(run, sources, report)
    list_items("left out", left_out, most=len(left_out))
    if not answers:
        raise click.ClickException("there is no alert that can be classified")
    if as_json:
        print_json(answers)
        return
    from harness.report.terminal import console, number, table
    from submissions.checks import printable

    classes = list(answers[0]["probabilities"])
    rows = [
        (
            printable(one["candid"]),
            printable(one["objectId"]),
            one["class"],
            *(number(p, 3) for p in one["probabilities"].values()),
        )
        for one in answers
    ]
    console().print(table("Alerts", ("candid", "object", "class", *classes), rows, left=3))
