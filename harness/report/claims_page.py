"""The pages of a record of `reproduce`: the one of the claims, the boards, and the one in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.files import json_text, write_text
from harness.report import claims_tables
from harness.report.figures import inline_svg, sweep_figure
from harness.report.page import render, write_leaderboard
from harness.report.results_page import write_results


def write_claims(record: dict[str, Any], out: Path, kind: str = "png", expected: Sequence[str] = ()) -> None:
    """Write a record into a folder: ``claims.json``, its pages, and the page of the boards.

    The pages are ``claims.html`` and, as Markdown, ``results.md``. A board whose sides differ in a quantity
    is drawn over it, on the page and, as png, svg or pdf, in a file with the name of the board. ``expected``
    is that of `write_results`.
    """
    write_text(out / "claims.json", json_text(record))
    write_results([record], out, kind, expected)
    boards = [claims_tables.board_of(entry) for entry in record["boards"]]
    shown = []
    for entry, board in zip(record["boards"], boards, strict=True):
        # Drawn anew: a second layout moves what the first placed.
        picture = inline_svg(sweep_figure(board, entry["over"], entry["values"])) if entry["over"] else None
        header, rows = claims_tables.board_rows(entry, board)
        title = claims_tables.board_title(entry, board)
        shown.append(entry | {"heading": title, "picture": picture, "header": header, "rows": rows})
    page = render("claims.html", record=record, boards=shown, tables=claims_tables)
    write_text(out / "claims.html", page)
    if boards:
        write_leaderboard(boards, out)
