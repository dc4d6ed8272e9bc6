"""The board for other programs: CSV, and Markdown to paste into a README."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from harness.files import beside
from harness.report.terminal import header, text_rows

ROW = ("group", "rank", "rank_low", "rank_high", "mean_rank", "rank_of_means", "normalised_mean",
       "p_better_than_next")  # fmt: skip
SCORE = ("mean", "low", "high", "std", "seed_std", "rank", "rank_low", "rank_high", "p_better_than_next",
         "wilcoxon")  # fmt: skip


def write_csv(board: dict[str, Any], path: Path) -> None:
    """A line a row of the board, best first; a column such as ``wmape_low`` for each number of a score.

    What is not known is empty. A name that a spreadsheet would take for a formula begins with a quote.
    """
    keys = [one["key"] for one in board["scores"]]
    with beside(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        names = [key if name == "mean" else f"{key}_{name}" for key in keys for name in SCORE]
        table.writerow(["team", "method", "file", "seeds", *ROW, *names])
        for row in board["rows"]:
            who = (_no_formula(row[name]) for name in ("team", "method", "file"))
            scores = (row["metrics"][key][name] for key in keys for name in SCORE)
            table.writerow([*who, len(row["seeds"]), *(row[name] for name in ROW), *scores])


def markdown(board: dict[str, Any]) -> str:
    """The table that the terminal shows, as GitHub's Markdown; nothing in a name is rendered."""
    names, left = header(board)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * left + "---:|" * (len(names) - left)]
    lines += [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in text_rows(board)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}<>#|~&@:/!]|\[(?=[^\d–-])|\](?=\())", r"\\\1", text)


def _no_formula(name: str) -> str:
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
