"""The command that puts published claims to the test."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.cli.shared import CLAIM, COUNT, FILE, PRESET, executor_options, json_option, main, print_result
from harness.progress import progress_bar


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
@click.option("--seeds", type=COUNT, help="Runs of each side.  [default: the preset's]")
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
    from harness.claims import spec

    if only_list:
        keys = ("name", "kind", "track", "says", "source")
        specs = spec.select(preset, names or spec.KINDS, real=True)
        rows = [(claim.kind, claim.name, claim.says) for claim in specs]
        listed = [{key: getattr(claim, key) for key in keys} for claim in specs]
        print_result(listed, as_json, [("Claims", ("kind", "name", "what it says"), rows, 3)])
        return
    from harness.claims import reproduce
    from harness.report import claims_page

    with progress_bar("reproducing") as progress:
        specs, size = spec.select(preset, names, real is not None), spec.preset_size(preset, seeds)
        tell = partial(click.echo, err=True)
        record = reproduce.reproduce(out, specs, preset, size, real, progress, tell, executor)
    if as_markdown:
        click.echo(claims_page.markdown(record), nl=False)
    else:
        print_result(record, as_json, _text(record, out))


def _text(record: dict[str, Any], out: Path) -> Iterator[Any]:
    """What is printed of a record: its boards, the table of its claims, and what would decide them."""
    from harness.report.claims_page import board_of, claims_table, notes
    from harness.report.terminal import board_text

    for board in record["boards"]:
        yield from board_text(board_of(board))
    if record["claims"]:
        title = f"Claims at preset {record['preset']}, {record['seeds']} seed(s)"
        yield title, *claims_table(record["claims"]), 3
    for claim in record["claims"]:
        yield from (f"{claim['name']}, {note}" for note in notes(claim))
    yield f"page: {out / 'claims.html'}"
