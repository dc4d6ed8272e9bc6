"""The board for other programs: CSV, and Markdown to paste into a README."""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.evaluation.board import Board
from harness.files import write_csv
from harness.report.cells import board_table

ROW = ("group", "rank", "rank_low", "rank_high", "mean_rank", "rank_of_means", "normalised_mean",
       "p_better_than_next")  # fmt: skip
CELL = ("mean", "low", "high", "std", "seed_std", "rank", "rank_low", "rank_high", "p_better_than_next",
        "wilcoxon")  # fmt: skip


def write_board(board: Board, path: Path) -> None:
    """Write a line a row of the board as CSV; a column such as ``wmape_low`` for each number of a score.

    What is not known is empty. A name that a spreadsheet would take for a formula begins with a quote.
    """
    columns = [(score.key, name) for score in board.scores for name in CELL]
    header = [key if name == "mean" else f"{key}_{name}" for key, name in columns]
    rows = (
        [
            *map(quoted, (row.team, row.method, row.file)),
            len(row.seeds),
            *(getattr(row, name) for name in ROW),
            *(getattr(row.metrics[key], name) for key, name in columns),
        ]
        for row in board.rows
    )
    write_csv(path, ["team", "method", "file", "seeds", *ROW, *header], rows)


def quoted(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def markdown(board: Board) -> str:
    """The table that the terminal shows, as GitHub's Markdown; markup in names is escaped."""
    header, rows = board_table(board)
    special = r"([\\`*_{}<>#|~&@:/!]|\[(?=[^\d–-])|\](?=\())"
    escaped = [[re.sub(special, r"\\\1", cell) for cell in row] for row in rows]
    return markdown_table(header, escaped, left=2) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table whose first ``left`` columns hold text and whose other ones hold numbers."""
    rule = "|" + "---|" * left + "---:|" * (len(header) - left)
    first, *others = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return "\n".join([first, rule, *others])
