"""The command that puts published claims to the test."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.shared import CLAIM, FILE, PRESET, executor_options, json_option, main, print_json

if TYPE_CHECKING:
    from concurrent.futures import Executor


@main.command()
@click.argument("names", nargs=-1, type=CLAIM, metavar="[CLAIM]...")
@click.option(
    "--preset", default="laptop", show_default=True, type=PRESET,
    help="How many cases and seeds, and which settings.",
)  # fmt: skip
@click.option(
    "--out", default="astroboard-claims", show_default=True, metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for all of it; what is there already is not done again.",
)  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), help="Runs of each side.  [default: the preset's]")
@click.option(
    "--stamps", "real", type=FILE, metavar="DATA.h5",
    help="Labelled real alerts, as `pack` writes them: cross-validated by object, they have a board, too.",
)  # fmt: skip
@click.option("--list", "only_list", is_flag=True, help="List the claims, and do nothing.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as Markdown.")
@executor_options(
    1, "Trainings at a time, of one thread each if several: faster than one after another, without a GPU."
)
@json_option
def reproduce(
    names: tuple[str, ...], preset: str, out: Path, seeds: int | None, real: Path | None, only_list: bool,
    as_markdown: bool, as_json: bool, executor: Executor | None,
) -> None:  # fmt: skip
    """Put published claims to the test: simulate, train, submit, score and judge each. Fill boards likewise.

    CLAIM is a name of `--list`, a kind (claim, experiment, board, ablation) or a track.

    Without any, all are tested but the ablations.
    """
    if as_markdown and as_json:
        raise click.UsageError("--markdown and --json both print to stdout: choose one")
    if only_list and as_markdown:
        raise click.UsageError("--markdown is for what was found, not for --list")
    if only_list:
        _list(names, preset, as_json)
        return
    from harness.claims import reproduce, spec
    from harness.progress import progress_bar
    from harness.report.claims_page import HEADER, LEFT, board_of, claim_rows, markdown, notes
    from harness.report.terminal import console, print_board, table

    with progress_bar("reproducing") as progress:
        specs, size = spec.select(preset, names, real is not None), spec.preset_size(preset, seeds)
        tell = partial(click.echo, err=True)
        record = reproduce.reproduce(out, specs, preset, size, real, progress, tell, executor)
    if as_json:
        print_json(record)
    elif as_markdown:
        click.echo(markdown(record), nl=False)
    else:
        for board in record["boards"]:
            print_board(board_of(board))
        rows = [row for claim in record["claims"] for row in claim_rows(claim)]
        if rows:
            console().print(
                table(f"Claims at preset {preset}, {record['seeds']} seed(s)", HEADER, rows, LEFT)
            )
        for claim in record["claims"]:
            for note in notes(claim):
                click.echo(f"{claim['name']}, {note}")
        click.echo(f"page: {out / 'claims.html'}")


def _list(names: tuple[str, ...], preset: str, as_json: bool) -> None:
    from harness.claims import spec

    keys = ("name", "kind", "track", "says", "source")
    specs = spec.select(preset, names or spec.KINDS, real=True)
    listed = [{key: getattr(claim, key) for key in keys} for claim in specs]
    if as_json:
        print_json(listed)
        return
    from harness.report.terminal import console, table

    rows = [(claim["kind"], claim["name"], claim["says"]) for claim in listed]
    console().print(table("Claims", ("kind", "name", "what it says"), rows, left=3))
