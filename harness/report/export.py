"""The board for other programs: CSV, and Markdown to paste into a README."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from harness.evaluation.board import Board
from harness.files import beside
from harness.report.cells import board_header, board_rows

ROW = ("group", "rank", "rank_low", "rank_high", "mean_rank", "rank_of_means", "normalised_mean",
       "p_better_than_next")  # fmt: skip
CELL = ("mean", "low", "high", "std", "seed_std", "rank", "rank_low", "rank_high", "p_better_than_next",
        "wilcoxon")  # fmt: skip


def write_csv(board: Board, path: Path) -> None:
    """A line a row of the board, best first; a column such as ``wmape_low`` for each number of a score.

    What is not known is empty. A name that a spreadsheet would take for a formula begins with a quote.
    """
    keys = [score.key for score in board.scores]
    with beside(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        columns = [key if name == "mean" else f"{key}_{name}" for key in keys for name in CELL]
        table.writerow(["team", "method", "file", "seeds", *ROW, *columns])
        for row in board.rows:
            names = (_no_formula(name) for name in (row.team, row.method, row.file))
            scores = (getattr(row.metrics[key], name) for key in keys for name in CELL)
            table.writerow([*names, len(row.seeds), *(getattr(row, name) for name in ROW), *scores])


def markdown(board: Board) -> str:
    """The table that the terminal shows, as GitHub's Markdown; markup in names is escaped."""
    names, left = board_header(board)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * left + "---:|" * (len(names) - left)]
    lines += [f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in board_rows(board)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}<>#|~&@:/!]|\[(?=[^\d–-])|\](?=\())", r"\\\1", text)


def _no_formula(name: str) -> str:
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
