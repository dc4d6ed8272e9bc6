"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.evaluation.board import Board
from harness.evaluation.comparison import Comparison
from harness.evaluation.scoring import ScoreCard
from harness.report.cells import (
    board_table,
    chance,
    class_counts,
    notes,
    number,
    supported,
    with_arrow,
    with_interval,
)
from harness.report.comparison_text import cases_table, sides, verdict
from harness.tracks import Score, Track
from submissions.report import plain

UNLIMITED = 10_000  # columns
NARROWEST_NAMES = 10  # characters of a column of text that is folded, so that more numbers stand beside it
Cells = tuple[str, Sequence[str], Sequence[Sequence[str]], int]
"""The title of a table, its header, its rows, and the number of columns with text; others hold numbers."""


def show(items: Iterable[Cells | Text]) -> None:
    """Print texts and tables."""
    out = console()
    for item in items:
        for text in tables(out, *item) if isinstance(item, tuple) else [item]:
            out.print(text)


def console() -> Console:
    """Standard output; 300 columns wide in a file or a pipe, so that a table is not folded."""
    standard = Console(highlight=False)
    return standard if standard.is_terminal else Console(highlight=False, width=300)


def tables(
    out: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1
) -> list[Table]:
    """A table that fits: text may be folded, numbers are not.

    If it is too wide, intervals get lines of their own. If it still is, the numbers are shared out to several
    tables, each with the columns of text.
    """

    def fits(shown: Sequence[int], cells: Sequence[Sequence[str]], folded: bool) -> bool:
        return _width(out, *_columns(cells, shown, left if folded else 0, out.width // 4), left) <= out.width

    every = range(len(header))
    if left == len(header) or fits(every, [header, *rows], False):
        return [_table(title, header, rows, left)]
    rows = [[cell.replace(" [", "\n[") for cell in row] for row in rows]
    parts: list[list[int]] = [[]]
    for column in every[left:]:
        if parts[-1] and not fits([*every[:left], *parts[-1], column], [header, *rows], True):
            parts.append([])
        parts[-1].append(column)
    shown = [[*every[:left], *part] for part in parts]
    return [
        _table("" if index else title, *_columns([header, *rows], columns, 0, 0), left)
        for index, columns in enumerate(shown)
    ]


def _columns(
    cells: Sequence[Sequence[str]], columns: Sequence[int], folded: int, width: int
) -> tuple[list[str], list[list[str]]]:
    """Some columns of a table, the first ``folded`` of them cut to what a narrow terminal leaves for them."""
    most = max(width, NARROWEST_NAMES)
    header, *rows = (
        [row[column][:most] if index < folded else row[column] for index, column in enumerate(columns)]
        for row in cells
    )
    return header, rows


def _width(out: Console, header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> int:
    unlimited = out.options.update(width=UNLIMITED)
    return out.measure(_table("", header, rows, left), options=unlimited).maximum


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Table:
    filled = Table(title=Text(plain(title)), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, name in enumerate(header):
        text = index < left
        filled.add_column(
            Text(plain(name)), justify="left" if text else "right", overflow="fold", no_wrap=not text
        )
    for row in rows:
        filled.add_row(*(Text(plain(cell)) for cell in row))
    return filled


def card_table(card: ScoreCard, scores: Sequence[Score]) -> Cells:
    """A row for each score of a card."""
    rows = []
    for score in scores:
        value = card.metrics[score.key]
        shown = supported(value.mean, value.low, value.high, score.digits)
        ends = "–" if value.low is None else f"{number(value.low, shown)} – {number(value.high, shown)}"
        better = "lower" if score.lower_is_better else "higher"
        of = f" ({card.classes[score.of]} {score.of})" if card.classes and score.of else ""
        rows.append((score.title + of, better, number(value.mean, shown), ends, number(value.std, shown)))
    title = f"{card.team} / {card.method}: {card.track}, {card.cases} cases, {card.groups} groups"
    title += f"\ncases by class: {class_counts(card.classes)}" if card.classes else ""
    return title, ("score", "better", "value", "95 % interval", "std over cases"), rows, 2


def board_text(board: Board) -> Iterator[Cells | Text]:
    """The table of a board, its notes, and what is not ranked."""
    part = f", {board.part} part" if board.part else ""
    title = f"{board.track}: {board.title} ({board.cases} cases, {board.groups} groups{part})"
    yield title, *board_table(board), 2
    yield from map(Text, notes(board))
    for refused in board.not_ranked:
        name = " / ".join(filter(None, (refused.team, refused.method))) or refused.file
        yield Text(plain(f"not ranked: {name} ({refused.file}): {refused.reason}"))


def difference_tables(comparison: Comparison) -> list[Cells | str]:
    """A table of the scores of two submissions, who is better, and the cases where they differ most."""
    scores = [
        (
            with_arrow(score.title, score.lower_is_better),
            *sides(score),
            with_interval(score.difference, score.low, score.high, score.digits),
            chance(score.p_a_better),
        )
        for score in comparison.scores
    ]
    a, b = comparison.a, comparison.b
    title = f"A: {a.team} / {a.method}\nB: {b.team} / {b.method}\n"
    title += f"{comparison.cases_compared} cases, {comparison.groups} groups"
    return [
        (title, ("score", "A", "B", "A − B [95 %]", "P(A is better)"), scores, 1),
        *verdict(comparison),
        ("Largest differences between cases", *cases_table(comparison)),
    ]


def data_table(name: str, track: Track, summary: Mapping[str, Any]) -> Cells:
    """What a data set holds and what packing left out of it, from a summary by `inspect`.

    Of the challenge's stamps this is table 1 of Castillo & Foix (2020), with the classes.
    """
    columns = (summary, summary["source"].get("left_out_counts"))
    paths: list[tuple[str, tuple[str, ...]]] = [
        ("not square", (track.inputs.name, "not_square")),
        ("NaN values", (track.inputs.name, "nan")),
        ("with NaN values", (track.inputs.name, "cases_with_nan")),
        *((label, ("classes", label)) for label in track.classes),
    ]
    counts = [("cases", [summary["cases"], _count(summary, "source", "left_out")])]
    counts += [
        (title, [_count(column, *path) for column in columns]) for title, path in paths if path[0] in summary
    ]
    rows = [(title, *(f"{count:,}" for count in (*both, sum(both)))) for title, both in counts]
    return name, ("", "in the file", "left out", "total"), rows, 1


def _count(summary: Any, *keys: str) -> int:
    """A count in nested dictionaries that may come from a file of others; 0 where there is none."""
    for key in keys:
        summary = summary.get(key) if isinstance(summary, Mapping) else None
    return summary if isinstance(summary, int) else 0
