"""The command that tests published claims."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.shared import as_json, forced, main, print_result, say
from harness.progress import progress_bar


@main.command(task="Research", example="reproduce multifocal-beats-mse --preset smoke")
@click.argument("names", nargs=-1, type=options.CLAIM, metavar="[CLAIM]...")
@click.option("--preset", type=options.PRESET, show_default="the one that each claim is meant for",
              help="Numbers of cases and seeds, and settings.")  # fmt: skip
@click.option(
    "--out", default="astroboard-claims", metavar="FOLDER", type=options.LATER,
    help="Output folder. Trainings that exist there are not repeated; the pages are updated.",
)  # fmt: skip
@click.option("--seeds", type=options.COUNT, show_default="the preset's", help="Number of runs of each side.")
@options.settings
@click.option(
    "--stamps", "real", type=options.FILE, metavar="DATA.h5",
    help="Labelled real alerts, as written by `pack`, for claims about them; cross-validated by object.",
)  # fmt: skip
@click.option(
    "--no-training", is_flag=True,
    help="Judge the trainings that exist in FOLDER, and list the missing ones. Trains nothing.",
)  # fmt: skip
@click.option(
    "--report", "record_files", type=options.FILE, metavar="FILE", multiple=True,
    help="Only rewrite results.md beside FILE, the claims.json of an earlier call. Can be repeated: "
    "the page beside the first then shows the results of all.",
)  # fmt: skip
@click.option("--list", "only_list", is_flag=True, help="Only list the claims.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as Markdown.")
@options.picture_format
@options.executor(
    1, "Trainings at a time, of one thread each if several: faster than one after another, without a GPU."
)
def reproduce(
    names: tuple[str, ...], preset: str | None, out: Path, seeds: int | None, assignments: dict[str, Any],
    real: Path | None, no_training: bool, record_files: tuple[Path, ...], only_list: bool, as_markdown: bool,
    executor: Executor | None, kind: str | None,
) -> None:  # fmt: skip
    """Test published claims.

    Simulates data, trains, submits and scores, and judges each claim. Also makes leaderboards of all methods.

    CLAIM is a name from `--list`, a kind (claim, experiment, board, ablation) or a track.

    By default, all but the ablations are tested.
    """
    if as_markdown and as_json():
        raise click.UsageError("--markdown and --json both print to stdout: choose one")
    if only_list and as_markdown:
        raise click.UsageError("--markdown is for what was found, not for --list")
    from harness.claims import spec

    if only_list:
        keys = ("name", "kind", "standing", "track", "preset", "says", "source")
        specs = spec.select(preset, names or spec.KINDS, real=True)
        rows = [(claim.kind, claim.name, claim.preset, claim.says) for claim in specs]
        listed = [{key: getattr(claim, key) for key in keys} for claim in specs]
        header = ("kind", "name", "preset", "what it says")
        print_result(listed, [("Claims", header, rows, 4)])
        return
    from harness.report import results_page

    if record_files:
        records = [results_page.read_record(file) for file in record_files]
        folder = record_files[0].parent
        results_page.write_results(records, folder, kind or "png", spec.claim_names())
        say(f"page: {folder / 'results.md'}")
        return
    from harness.claims import reproduce

    with progress_bar("reproducing") as progress:
        specs = spec.select(preset, names, real is not None)
        sizes = {
            each: spec.preset_size(each, seeds, assignments)
            for each in dict.fromkeys(claim.preset for claim in specs)
        }
        tell = partial(say, err=True)
        record = reproduce.reproduce(
            out, specs, sizes, real, progress, tell, executor, not no_training, forced(), kind or "png"
        )
    if as_markdown:
        say(results_page.results_page([record], kind or "png", spec.claim_names()), nl=False)
    else:
        print_result(record, _text(record, out))


def _text(record: dict[str, Any], out: Path) -> Iterator[Any]:
    """What is printed of a record: its boards, the table of its claims, and what would decide them."""
    from harness.report.claims_tables import (
        board_of,
        claims_table,
        notes,
        sides_text,
        tally_text,
        verdict_text,
    )
    from harness.report.terminal import board_text

    for board in record["boards"]:
        yield from board_text(board_of(board))
    if record["claims"]:
        yield "Claims", *claims_table(record["claims"], brief=True), 4
        yield f"verdicts: {tally_text(record['claims'])}"
    for claim in record["claims"]:
        yield f"{claim['name']}: {verdict_text(claim)}"
        yield from (f"  {text}" for text in (f"{sides_text(claim)}.", *notes(claim)))
    yield from (f"left out of {each['name']}: {each['lacking']}" for each in record["left_out"])
    yield f"pages: {out / 'claims.html'}, {out / 'results.md'}"
