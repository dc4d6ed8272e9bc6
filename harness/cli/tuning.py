"""The command that searches for settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.shared import BASELINE, FILE, FOLDER, NEW, json_option, main, print_json, seed_option


@main.command()
@click.argument("baseline", type=BASELINE)
@click.option("--data", required=True, type=FOLDER, help="Folder with train.h5 and validation.h5.")
@click.option("--out", required=True, type=NEW, metavar="FOLDER", help="New folder for what is found.")
@click.option(
    "--preset", default="laptop", show_default=True, type=click.Choice(["smoke", "laptop", "paper"])
)
@click.option("--trials", type=click.IntRange(min=1), help="Settings to try.  [default: the preset's]")
@seed_option
@click.option("--space", type=FILE, metavar="FILE.toml", help="What to search, if not what comes along.")
@json_option
def tune(baseline: str, data: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Search for the best settings of BASELINE, and write them as a preset for `astroboard train`."""
    from harness.progress import progress
    from harness.tuning import tune as search

    with progress(f"tuning {baseline}") as report:
        record = search(baseline, data, out, report=report, **options)
    if as_json:
        print_json(record)
    elif "worker" in record:
        click.echo(f"{record['worker']}: {record['trials']} trials; the chief has the result")
    else:
        _show(record)
        click.echo(f"best setting: astroboard train {baseline} --preset {out / 'best.toml'} …")


def _show(record: dict[str, Any]) -> None:
    from harness.report.terminal import console, table

    keys = list(record["trials"][record["best"]]["scores"])
    rows = []
    for one in sorted(record["trials"], key=lambda one: one["objective"]):
        values = (
            f"{name} {f'{value:.4g}' if isinstance(value, float) else value}"
            for name, value in one["values"].items()
        )
        tried = one["failure"] or ", ".join(values)
        scores = (f"{one['scores'][key]:.4g}" if one["scores"] else "–" for key in keys)
        rows.append((str(one["trial"]), tried, f"{one['objective']:.3f}", *scores))
    header = ("trial", "setting", "objective", *keys)
    console().print(table(f"{record['baseline']}, the best first", header, rows, left=2))
