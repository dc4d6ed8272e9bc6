"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    class_counts,
    notes,
    number,
    supported,
    with_arrow,
    with_interval,
)
from harness.tracks import Score, Track
from submissions.report import plain

UNLIMITED = 10_000  # columns


def console() -> Console:
    """Standard output; 300 columns wide in a file or a pipe, so that a table is not folded."""
    standard = Console(highlight=False)
    return standard if standard.is_terminal else Console(highlight=False, width=300)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Table:
    """A table whose first ``left`` columns hold text and whose other ones hold numbers."""
    filled = Table(title=Text(plain(title)), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, name in enumerate(header):
        filled.add_column(Text(plain(name)), justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        filled.add_row(*(Text(plain(cell)) for cell in row))
    return filled


def card_table(card: ScoreCard, scores: Sequence[Score]) -> Table:
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
    return table(title, ("score", "better", "value", "95 % interval", "std over cases"), rows, left=2)


def board_text(board: Board) -> Iterator[Table | Text]:
    """The table of a board, its notes, and what is not ranked.

    Where the terminal is too narrow for all scores, those that do not rank get a table of their own.
    """
    part = f", {board.part} part" if board.part else ""
    title = f"{board.track}: {board.title} ({board.cases} cases, {board.groups} groups{part})"
    header, rows = board_table(board)
    whole, out = table(title, header, rows, left=2), console()
    further = sum(score.in_tables and not score.ranked for score in board.scores)
    unfolded = out.measure(whole, options=out.options.update(width=UNLIMITED)).maximum
    if further and unfolded > out.width:
        yield table(title, header[:-further], [row[:-further] for row in rows], left=2)
        names, *others = ([*cells[:2], *cells[-further:]] for cells in (header, *rows))
        yield table("", names, others, left=2)
    else:
        yield whole
    yield from map(Text, notes(board))
    for refused in board.not_ranked:
        name = " / ".join(filter(None, (refused.team, refused.method))) or refused.file
        yield Text(plain(f"not ranked: {name} ({refused.file}): {refused.reason}"))


def difference_tables(comparison: Comparison) -> list[Table]:
    """A table of the scores of two submissions, and one of the cases where they differ most."""
    scores = [
        (
            with_arrow(score.title, score.lower_is_better),
            number(score.a, score.digits),
            number(score.b, score.digits),
            with_interval(score.difference, score.low, score.high, score.digits),
            number(score.p_a_better, 3),
        )
        for score in comparison.scores
    ]
    by_key = {score.key: score for score in comparison.scores}
    cases = []
    for case in comparison.cases:
        score = by_key[case.score]
        cases.append((score.title, case.case_id, number(case.a, score.digits), number(case.b, score.digits)))
    a, b = comparison.a, comparison.b
    title = f"A: {a.team} / {a.method}\nB: {b.team} / {b.method}\n"
    title += f"{comparison.cases_compared} cases, {comparison.groups} groups"
    return [
        table(title, ("score", "A", "B", "A − B [95 %]", "P(A is better)"), scores),
        table("Where they differ most", ("score", "case", "A", "B"), cases, left=2),
    ]


def data_table(name: str, track: Track, summary: Mapping[str, Any]) -> Table:
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
    return table(name, ("", "in the file", "left out", "together"), rows)


def _count(summary: Any, *keys: str) -> int:
    """A count in nested dictionaries that may come from a file of others; 0 where there is none."""
    for key in keys:
        summary = summary.get(key) if isinstance(summary, Mapping) else None
    return summary if isinstance(summary, int) else 0
