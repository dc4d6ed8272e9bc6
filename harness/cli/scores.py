"""Commands that check, score and rank submissions."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.shared import Refused, as_json, check_different, forced, list_items, main, print_result, say
from harness.progress import progress_bar

truth_option = click.option(
    "--truth", type=options.FILE,
    help="test-truth.h5, or any data set with the truth. Not needed for score cards alone.",
)  # fmt: skip


@main.command(task="Submit", example="validate us.zip --inputs data/test-inputs.h5")
@click.argument("submission", type=options.ANYTHING)
@click.option("--inputs", required=True, type=options.FILE,
              help="test-inputs.h5, which lists the expected cases.")  # fmt: skip
def validate(submission: Path, inputs: Path) -> None:
    """List all faults of a submission.

    Also says how to fix each fault. The truth is not needed.

    SUBMISSION is a zip, or the folder that you are about to zip.
    """
    import submissions
    from harness.data.store import open_dataset

    with open_dataset(inputs) as data:
        made_for = data.submissions_fingerprint
        report = submissions.validate(submission, data.track.format, data.case_ids(), made_for)
    lines = [*report.lines()]
    if submission.is_dir() and report.accepted:
        lines.append(f"to submit it: {options.zip_command(submission)}")
    print_result(report.to_json(), lines)
    if not report.accepted:
        raise SystemExit(1)


@main.command(task="Judge", example="score us.zip --truth data/test-truth.h5")
@click.argument("submission", type=options.SUBMISSION)
@click.option("--truth", required=True, type=options.FILE,
              help="test-truth.h5, or any data set with the truth.")  # fmt: skip
@click.option(
    "--out", type=options.Output(lambda card: [card, card.with_suffix(".npz")]), metavar="CARD.json",
    help="Score card to write, a name that ends in .json; CARD.npz beside it gets the scores by case.",
)  # fmt: skip
@click.option("--per-case", type=options.NEW, metavar="FILE.csv",
              help="Write the scores by case to this file.")  # fmt: skip
@options.executor()
def score(
    submission: Path, truth: Path, out: Path | None, per_case: Path | None, executor: Executor | None
) -> None:
    """Check a submission and score it."""
    from harness.data.store import open_dataset
    from harness.evaluation import cards, scoring

    if out:
        cards.check_name(out)  # before anything is scored
    with open_dataset(truth) as data, progress_bar("scoring") as progress:
        scored = scoring.score(submission, data, progress, executor)
    if not scored.report.accepted:
        say("\n".join(scored.report.lines()), err=True)
        raise Refused(f"{submission} is not scored: {scored.report.summary()}", scored.report.to_json())
    card = cards.write_card(scored, out) if out else scoring.score_card(scored)
    if per_case:
        scoring.write_per_case(scored, per_case)
    from harness.report.terminal import card_table

    if scored.report.warnings and not as_json():
        say("\n".join(scored.report.lines()), err=True)
    print_result(card.to_json(), [card_table(card, scored.track.scores)])


@main.command(task="Judge", example="leaderboard us.zip them.zip --truth data/test-truth.h5 --out board")
@click.argument(
    "submissions", nargs=-1, required=True, type=options.SubmissionPath(exists=True, path_type=Path),
    metavar="SUBMISSION...",
)  # fmt: skip
@truth_option
@click.option(
    "--out", type=options.LATER, metavar="FOLDER",
    help="Folder for leaderboard.json and index.html. A leaderboard of the same track in it is replaced, "
    "that of the other track is kept.",
)  # fmt: skip
@click.option("--inputs", type=options.FILE, help="test-inputs.h5, for the images on pages of stamps.")
@click.option(
    "--runs", type=options.FOLDER,
    help="Folder of runs; adds learning curves to the pages of submissions named after a run.",
)  # fmt: skip
@click.option("--no-pages", is_flag=True, help="Write no pages of single submissions, which saves time.")
@click.option("--references", type=options.FILE, metavar="FILE.toml",
              help="Published scores to show without a rank, and names of baselines to mark.")  # fmt: skip
@click.option("--csv", "csv_file", type=options.NEW, metavar="FILE",
              help="Also write the leaderboard to this CSV file.")  # fmt: skip
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
@click.option("--wilcoxon", is_flag=True,
              help="Wilcoxon test of each row against the next, with Holm's correction.")  # fmt: skip
@click.option("--public-fraction", type=options.FRACTION, metavar="F",
              help="Score only this share of the groups, and keep the others for --final.")  # fmt: skip
@click.option(
    "--seed", type=options.SEED,
    help="Seed for the choice of public groups, to be kept secret.  [default: derived from the truth]",
)  # fmt: skip
@click.option("--final", is_flag=True, help="Score the groups that --public-fraction left out.")
@click.option(
    "--ladder", type=click.Path(path_type=Path), metavar="STATE.json",
    help="Show a new score only if it improves on the team's best by more than its standard error. This file "
    "stores the state.",
)  # fmt: skip
@options.executor()
def leaderboard(
    submissions: tuple[Path, ...], truth: Path | None, out: Path | None, inputs: Path | None,
    runs: Path | None, no_pages: bool, csv_file: Path | None, markdown: bool, executor: Executor | None,
    **rules: Any,
) -> None:  # fmt: skip
    """Rank submissions, with intervals.

    A SUBMISSION is a zip, a score card from `score --out` (CARD.json, with CARD.npz beside it), or a folder
    with such files of one person or team. Several seeds of one method form one row if they are in one folder.
    With --ladder, the folder identifies the team.
    """
    public_fraction, seed, final = (rules[name] for name in ("public_fraction", "seed", "final"))
    if public_fraction is None and (final or seed is not None):
        raise click.UsageError("--final and --seed go with --public-fraction")
    if public_fraction is not None and seed is None and truth is None:
        raise click.UsageError("without --truth, --public-fraction needs the --seed that made its parts")
    if public_fraction is not None and not final and rules["wilcoxon"]:
        raise click.UsageError("--wilcoxon tells of single cases of the public part: it goes with --final")
    if rules["ladder"] and (final or rules["wilcoxon"]):
        raise click.UsageError(
            "--ladder shows released scores only: it goes with neither --final nor --wilcoxon"
        )
    if runs and no_pages:
        raise click.UsageError("--runs is for the pages of submissions: it goes without --no-pages")
    for name, given in (("--inputs", inputs), ("--runs", runs), ("--no-pages", no_pages)):
        if given and not out:
            raise click.UsageError(f"{name} is for pages: it goes with --out DIR")
    if markdown and as_json():
        raise click.UsageError("--markdown and --json both print to stdout: choose one")
    from harness.evaluation.leaderboard import make_leaderboard

    pages = [out / name for name in ("index.html", "leaderboard.json")] if out else []
    check_different([csv_file] if csv_file else [], [rules["ladder"]] if rules["ladder"] else [], pages)
    if out:
        from harness.report.page import boards_in

        boards_in(out, forced())  # which refuses a folder of others before anything is scored
    with progress_bar("scoring") as progress:
        board, scored = make_leaderboard(submissions, truth, progress=progress, executor=executor, **rules)
    list_items(
        "made for other data, according to the manifest",
        [entry.path.name for entry in scored if "wrong-fingerprint" in entry.report.counts],
    )
    if out:
        from harness.report.page import update_leaderboard
        from harness.runs.folder import histories

        curves = histories(runs, [entry.path for entry in scored])
        with progress_bar("pages") as progress:
            update_leaderboard(
                board, out, scored, truth, inputs, curves, progress, executor, forced(), pages=not no_pages
            )
    from harness.report import export, terminal

    if csv_file:
        export.write_board(board, csv_file)
    if markdown:
        say(export.markdown(board), nl=False)
    else:
        page_line = [f"page: {out / 'index.html'}"] if out else []
        print_result(board.to_json(), [*terminal.board_text(board), *page_line])
    if len(board.rows) < 2 and board.not_ranked:
        say(f"{len(board.rows)} of {len(board.rows) + len(board.not_ranked)} submissions ranked", err=True)
        click.get_current_context().exit(1)


@main.command(task="Judge", example="compare us.zip them.zip --truth data/test-truth.h5")
@click.argument("first", type=options.SUBMISSION, metavar="A")
@click.argument("second", type=options.SUBMISSION, metavar="B")
@truth_option
@click.option("--out", type=options.NEW_FOLDER,
              help="Folder for a page with pictures and scores by case, to be made.")  # fmt: skip
@click.option(
    "--inputs", "--data", "data", type=options.FILE,
    help="test-inputs.h5, to show the inputs beside the cases; pictures of stamps need it.",
)  # fmt: skip
@options.picture_format
@options.executor()
def compare(
    first: Path, second: Path, truth: Path | None, out: Path | None, data: Path | None,
    executor: Executor | None, kind: str | None,
) -> None:  # fmt: skip
    """Compare two submissions case by case.

    A and B are submissions or score cards.

    Shows the difference A − B in each score with its interval, the probability that A is better, and the
    cases with the largest differences.
    """
    from harness.evaluation import comparison

    if kind and not out:
        raise click.UsageError("--format goes with --out: without it, no picture is written")
    with progress_bar("comparing") as progress:
        found, scored = comparison.compare(first, second, truth, progress, executor)
    if out:
        from harness.report.comparison_page import write_comparison

        write_comparison(found, scored, truth, out, data, kind or "png")
    from harness.report.terminal import difference_tables

    written = [f"page: {out / 'index.html'}"] if out else []
    print_result(found.to_json(), [*difference_tables(found), *written])
