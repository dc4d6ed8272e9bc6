"""Commands that check, score and rank submissions."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.shared import FILE, NEW, json_option, main, print_json


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
        print_json(report.to_json())
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
        print_json(card)
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
        print_json(board)
        return
    from harness.report.terminal import print_board

    print_board(board)
    if out:
        click.echo(f"page: {out / 'index.html'}")
