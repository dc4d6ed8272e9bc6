"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
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
    """A score and, where they are known, spread over seeds and interval: ``0.260 ± 0.002 [0.251, 0.270]``."""
    text = number(score["mean"], digits)
    if score["seed_std"] is not None:
        text += f" ± {number(score['seed_std'], digits)}"
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


def header(board: dict[str, Any]) -> tuple[tuple[str, ...], int]:
    """The columns of the board's table: ranked scores only, the page shows the others. How many hold text."""
    scores = (f"{one['title']} {_arrow(one)}" for one in board["scores"] if one["ranked"])
    return ("team", "method", "group", "rank", "mean rank", "P(better)", *scores), 2


def text_rows(board: dict[str, Any]) -> list[tuple[str, ...]]:
    """The cells of the board's table."""
    ranked = [one for one in board["scores"] if one["ranked"]]
    return [
        (
            row["team"],
            row["method"] if len(row["seeds"]) == 1 else f"{row['method']} ({len(row['seeds'])} seeds)",
            "–" if row["group"] is None else f"{row['group']}",
            rank_text(row),
            number(row["mean_rank"], 2),
            number(row["p_better_than_next"], 2),
            *(with_interval(row["metrics"][one["key"]], one["digits"]) for one in ranked),
        )
        for row in board["rows"]
    ]


def board_table(board: dict[str, Any]) -> Table:
    part = f", {board['part']} part" if board["part"] else ""
    title = f"{board['track']}: {board['title']} ({board['cases']} cases, {board['groups']} groups{part})"
    names, left = header(board)
    return table(title, names, text_rows(board), left)


def notes(board: dict[str, Any]) -> list[str]:
    """What a reader of the table should know."""
    lines = []
    if any(row["group"] is not None for row in board["rows"]):
        lines.append(
            "rows of one group cannot be separated from its first; P(better): than the row below, by all "
            "ranked scores; [ ] 95 % intervals"
        )
    elif board["rows"] and not board["ladder"]:
        lines.append(f"{board['groups']} groups of cases are too few to tell how sure the ranks are")
    if any(len(row["seeds"]) > 1 for row in board["rows"]):
        lines.append("±: standard deviation over the seeds of one method")
    if board["kendall_tau"] is not None:
        moved = sum(row["rank"] != row["rank_of_means"] for row in board["rows"])
        lines.append(
            f"ranked by normalised means instead, {moved} of {len(board['rows'])} rows have another rank "
            f"(Kendall's tau {board['kendall_tau']:.2f})"
        )
    if any(row["source"] == "card" for row in board["rows"]):
        lines.append("from score cards, their submissions not seen here: " + ", ".join(
            row["file"] for row in board["rows"] if row["source"] == "card"))  # fmt: skip
    if board["ladder"]:
        lines.append(
            "released by the ladder: the best of each score that beat the one before by more than noise"
        )
    for row, below in pairwise(board["rows"]) if board["wilcoxon"] else ():
        p_values = {one["title"]: row["metrics"][one["key"]]["wilcoxon"] for one in board["scores"]}
        cells = ", ".join(f"{title} {p:.2g}" for title, p in p_values.items() if p is not None)
        lines.append(
            f"Wilcoxon, {row['team']} / {row['method']} against {below['team']} / {below['method']}: {cells}"
        )
    return lines


def _arrow(score: dict[str, Any]) -> str:
    return "↓" if score["lower_is_better"] else "↑"


def print_board(board: dict[str, Any]) -> None:
    out = console()
    out.print(board_table(board))
    for line in notes(board):
        out.print(Text(line))
    for one in board["not_ranked"]:
        name = " / ".join(filter(None, (one["team"], one["method"]))) or one["file"]
        out.print(Text(f"not ranked: {name} ({one['file']}): {one['reason']}"))


def difference_tables(comparison: dict[str, Any]) -> list[Table]:
    """What `astroboard compare` shows: a table of the scores, and one of the cases that differ most."""
    digits = {one["key"]: one["digits"] for one in comparison["scores"]}
    titles = {one["key"]: one["title"] for one in comparison["scores"]}
    a, b = (f"{comparison[name]['team']} / {comparison[name]['method']}" for name in "ab")
    scores = [
        (
            f"{one['title']} {_arrow(one)}",
            number(one["a"], one["digits"]),
            number(one["b"], one["digits"]),
            with_interval(one | {"mean": one["difference"], "seed_std": None}, one["digits"]),
            number(one["p_a_better"], 3),
        )
        for one in comparison["scores"]
    ]
    cases = [
        (titles[one["score"]], one["case_id"], *(number(one[name], digits[one["score"]]) for name in "ab"))
        for one in comparison["cases"]
    ]
    size = f"{comparison['cases_compared']} cases, {comparison['groups']} groups"
    return [
        table(f"A: {a}\nB: {b}\n{size}", ("score", "A", "B", "A − B [95 %]", "P(A is better)"), scores),
        table("Where they differ most", ("score", "case", "A", "B"), cases, left=2),
    ]
