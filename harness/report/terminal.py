"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def console() -> Console:
    """Standard output; wide where nobody looks, so that a table in a file or a pipe is not folded."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=160)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Table:
    """A table whose first ``left`` columns hold text and whose other ones hold numbers."""
    made = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, name in enumerate(header):
        made.add_column(Text(name), justify="left" if index < left else "right")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def with_interval(score: dict[str, Any], digits: int) -> str:
    """A score and, where it is known, its interval: ``0.260 [0.251, 0.270]``."""
    text = number(score["mean"], digits)
    if score["low"] is None:
        return text
    return f"{text} [{number(score['low'], digits)}, {number(score['high'], digits)}]"


def rank_text(row: dict[str, Any]) -> str:
    """A rank and the ranks that the resamples give it: ``2 (1–3)``."""
    if row["rank_low"] is None or row["rank_low"] == row["rank_high"] == row["rank"]:
        return f"{row['rank']}"
    return f"{row['rank']} ({row['rank_low']}–{row['rank_high']})"


def card_table(card: dict[str, Any], scores: Sequence[Any]) -> Table:
    rows = []
    for one in scores:
        value = card["metrics"][one.key]
        arrow = "lower" if one.lower_is_better else "higher"
        bounds = (
            "–" if value["low"] is None else f"{value['low']:.{one.digits}f} – {value['high']:.{one.digits}f}"
        )
        rows.append(
            (one.title, arrow, number(value["mean"], one.digits), bounds, number(value["std"], one.digits))
        )
    title = (
        f"{card['team']} / {card['method']}: {card['track']}, {card['cases']} cases, {card['groups']} groups"
    )
    return table(title, ("score", "better", "value", "95 % interval", "std over cases"), rows, left=2)


def board_table(board: dict[str, Any]) -> Table:
    """The ranked scores with their intervals; the page shows the other scores too."""
    ranked = [one for one in board["scores"] if one["ranked"]]
    header = ("team", "method", "rank", "mean rank", *(f"{s['title']} {_arrow(s)}" for s in ranked))
    rows = [
        (
            row["team"],
            row["method"],
            rank_text(row),
            f"{row['mean_rank']:.2f}",
            *(with_interval(row["metrics"][one["key"]], one["digits"]) for one in ranked),
        )
        for row in board["rows"]
    ]
    title = f"{board['track']}: {board['title']} ({board['cases']} cases, {board['groups']} groups)"
    return table(title, header, rows, left=2)


def _arrow(score: dict[str, Any]) -> str:
    return "↓" if score["lower_is_better"] else "↑"


def print_board(board: dict[str, Any]) -> None:
    out = console()
    out.print(board_table(board))
    for one in board["not_ranked"]:
        name = " / ".join(filter(None, (one["team"], one["method"]))) or one["file"]
        out.print(Text(f"not ranked: {name} ({one['file']}): {one['reason']}"))
