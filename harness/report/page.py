"""The leaderboard as one HTML page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.files import write_text
from harness.report.terminal import number, rank_text


def write_page(boards: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the boards, one below the other. Names of teams and methods are escaped: they are strangers'."""
    environment = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = number
    environment.filters["rank_text"] = rank_text
    environment.globals["bar"] = bar
    template = environment.get_template("leaderboard.html")
    write_text(
        path, template.render(boards=[_view(board) for board in boards], version=version("astroboard"))
    )


def _view(board: dict[str, Any]) -> dict[str, Any]:
    """The board with the span of each score, which the interval bars are drawn in."""
    spans = {}
    for one in board["scores"]:
        values = [row["metrics"][one["key"]] for row in board["rows"]]
        ends = [value[end] for value in values for end in ("low", "mean", "high") if value[end] is not None]
        spans[one["key"]] = (min(ends), max(ends)) if ends else (0.0, 0.0)
    return board | {"spans": spans}


def bar(score: dict[str, Any], span: tuple[float, float]) -> dict[str, float] | None:
    """Where in a cell the interval starts, how wide it is and where the score lies, in per cent."""
    width = span[1] - span[0]
    if score["low"] is None or width <= 0:
        return None
    place = {end: 100 * (score[end] - span[0]) / width for end in ("low", "mean", "high")}
    return {"left": place["low"], "width": place["high"] - place["low"], "mark": place["mean"]}
