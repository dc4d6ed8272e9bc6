"""Results as tables on the terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.evaluation.board import Board
from harness.evaluation.comparison import Comparison
from harness.evaluation.scoring import ScoreCard
from harness.report.cells import board_table, class_counts, notes, number, supported_by
from harness.report.comparison_text import cases_table, scores_table, verdict
from harness.tracks import Score, Track
from submissions.report import plain

UNLIMITED = 10_000  # columns
NARROWEST_NAMES = 10  # characters of a column of text that is folded, so that more numbers stand beside it
Cells = tuple[str, Sequence[str], Sequence[Sequence[str]], int]
"""The title of a table, its header, its rows, and the number of columns with text; others hold numbers."""


def show(items: Iterable[Cells | Text]) -> None:
    """Print texts and tables: in a file or a pipe 300 columns wide, so that no table is folded."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=300)
    for item in items:
        for text in tables(out, *item) if isinstance(item, tuple) else [item]:
            out.print(text)


def tables(
    out: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1
) -> list[Table]:
    """A table that fits: text may be folded, numbers are not.

    If it is too wide, intervals get lines of their own. If it still is, the numbers are shared out to several
    tables, each with the columns of text.
    """
    unlimited = out.options.update(width=UNLIMITED)
    folded_width = max(out.width // 4, NARROWEST_NAMES)

    def fits(rows: Sequence[Sequence[str]], columns: Sequence[int], most: int | None = None) -> bool:
        table = _table("", [header, *rows], columns, left, most)
        return out.measure(table, options=unlimited).maximum <= out.width

    every = range(len(header))
    if left == len(header) or fits(rows, every):
        return [_table(title, [header, *rows], every, left)]
    rows = [[cell.replace(" [", "\n[") for cell in row] for row in rows]
    parts: list[list[int]] = []
    for column in every[left:]:
        if not parts or not fits(rows, [*parts[-1], column], folded_width):
            parts.append([*every[:left]])
        parts[-1].append(column)
    return [_table("" if index else title, [header, *rows], part, left) for index, part in enumerate(parts)]


def _table(
    title: str, cells: Sequence[Sequence[str]], columns: Sequence[int], left: int, most: int | None = None
) -> Table:
    """Some columns of a table whose first ``left`` hold text, cut to ``most`` characters."""
    filled = Table(title=Text(plain(title)), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    header, *rows = (
        [Text(plain(row[column][:most] if column < left else row[column])) for column in columns]
        for row in cells
    )
    for column, name in zip(columns, header, strict=True):
        text = column < left
        filled.add_column(name, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in rows:
        filled.add_row(*row)
    return filled


def card_table(card: ScoreCard, scores: Sequence[Score]) -> Cells:
    """A row for each score of a card."""
    rows = []
    for score in scores:
        value = card.metrics[score.key]
        shown = supported_by(value, score)
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
    a, b = comparison.a, comparison.b
    title = f"A: {a.team} / {a.method}\nB: {b.team} / {b.method}\n"
    title += f"{comparison.cases_compared} cases, {comparison.groups} groups"
    return [
        (title, *scores_table(comparison)),
        *verdict(comparison),
        ("Largest differences between cases", *cases_table(comparison)),
    ]


def data_table(name: str, track: Track, summary: Mapping[str, Any]) -> Cells:
    """What a data set holds and what packing left out of it, from a summary by `inspect`.

    Of the challenge's stamps this is table 1 of Castillo & Foix (2020), with the classes.
    """
    images, source = track.inputs.name, summary["source"]
    paths = [("not square", images, "not_square"), ("NaN values", images, "nan"),
             ("with NaN values", images, "cases_with_nan"),
             *((label, "classes", label) for label in track.classes)]  # fmt: skip
    counts = [("cases", summary["cases"], _count(source, "left_out"))] + [
        (title, _count(summary, part, key), _count(source, "left_out_counts", part, key))
        for title, part, key in paths
        if part in summary
    ]
    rows = [(title, f"{kept:,}", f"{lost:,}", f"{kept + lost:,}") for title, kept, lost in counts]
    return name, ("", "in the file", "left out", "total"), rows, 1


def _count(summary: Any, *keys: str) -> int:
    """A count in nested dictionaries that may come from a file of others; 0 where there is none."""
    for key in keys:
        summary = summary.get(key) if isinstance(summary, Mapping) else None
    return summary if isinstance(summary, int) else 0
