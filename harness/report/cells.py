"""The texts of a board's table, the same on the terminal, on pages, and as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING

from harness.evaluation.board import Board, Row, Value
from harness.evaluation.bootstrap import MIN_GROUPS_FOR_RANKS
from harness.tracks import ScoreInfo

if TYPE_CHECKING:
    from harness.evaluation.comparison import ScoreDifference  # which needs h5py

FEW_DIGITS = 2  # so few were chosen as no more are of interest
MOST_DIGITS = 6  # after the decimal point; what needs more is written as 3.7e-06


def number(value: float | None, digits: int) -> str:
    """A number with that many digits after the decimal point; a dash for None, and no -0.00.

    One that would be shown as 0.000, and is not, has two significant digits. ``digits`` may be negative.
    """
    if value is None:
        return "–"
    if digits > MOST_DIGITS:
        return f"{value:.{max(digits + floor(log10(abs(value))), 0)}e}" if value else "0"
    if digits > FEW_DIGITS and 0 < abs(value) < 10.0**-digits / 2:
        return f"{value:.2g}"
    return f"{round(value, digits) + 0.0:.{max(digits, 0)}f}"


def significant(value: float | None) -> str:
    """A number without an interval, as of one case: three significant digits, as 0.117, 41.2 or 393."""
    return number(value, 2 - floor(log10(abs(value))) if value else 0)


def stated(value: float | None) -> str:
    """A number from a report, with the digits that stand there; a dash for None."""
    return "–" if value is None else f"{value:g}"


def supported(value: float, low: float | None, high: float | None, digits: int) -> int:
    """The digits after the decimal point that the interval of a number supports, for `number`.

    That are two significant ones of half its width, so 0.65 [0.49, 0.84], but no more than ``digits``, the
    usual ones, or than two significant ones of the number itself. Without an interval it is the latter.
    """
    most = max(digits, 1 - floor(log10(abs(value)))) if value else digits
    if low is None or high is None or not low < high:
        return most
    return min(1 - floor(log10((high - low) / 2)), most)


def supported_by(value: Value, score: ScoreInfo) -> int:
    """The digits that the interval of a value supports."""
    return supported(value.mean, value.low, value.high, score.digits)


def with_interval(value: float, low: float | None, high: float | None, digits: int, unit: str = "") -> str:
    """A number and its interval, as ``0.65 [0.49, 0.84]``; without an interval the number alone."""
    shown = supported(value, low, high, digits)
    ends = "" if low is None else f" [{number(low, shown)}, {number(high, shown)}]"
    return number(value, shown) + unit + ends


def chance(probability: float | None) -> str:
    """A probability to two digits, or three near 0 and 1, which the number of resamples cannot reach."""
    if probability is None:
        return "–"
    if not 0.001 <= probability <= 0.999:
        return "<0.001" if probability < 0.5 else ">0.999"
    return f"{probability:.2f}" if 0.01 <= probability <= 0.99 else f"{probability:.3f}"


def class_counts(classes: Mapping[str, int]) -> str:
    """How many cases are of each class, ``9 SN, 41 AGN``, in the order of the classes."""
    return ", ".join(f"{count:,} {name}" for name, count in classes.items())


def with_arrow(score: ScoreInfo | ScoreDifference) -> str:
    """The title of a score with an arrow to where it is better."""
    return f"{score.title} {'↓' if score.lower_is_better else '↑'}"


def in_table(board: Board, also: Collection[str] = ()) -> list[ScoreInfo]:
    """The scores in the table of a board: those that rank, then those meant for tables or with these keys."""
    shown = [score for score in board.scores if score.ranked or score.in_tables or score.key in also]
    return sorted(shown, key=lambda score: not score.ranked)


def board_table(board: Board, also: Collection[str] = ()) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a board: names in two columns, ranks, and the scores `in_table`."""
    shown = in_table(board, also)
    header = ["team", "method", "group", "rank", "mean rank", "P(better)", *map(with_arrow, shown)]
    rows = []
    for row in board.rows:
        cells = [
            row.team,
            row.method + _remark(board, row),
            "–" if row.group is None else f"{row.group}",
            rank_text(row),
            number(row.mean_rank, 2),
            chance(row.p_better_than_next),
        ]
        for score in shown:
            cell = row.metrics[score.key]
            alone = cell.seed_std is None or board.deterministic(row)
            deviation = "" if alone else f" ± {number(cell.seed_std, supported_by(cell, score))}"
            cells.append(with_interval(cell.mean, cell.low, cell.high, score.digits, deviation))
        rows.append(cells)
    return header, rows


def _remark(board: Board, row: Row) -> str:
    """The kind of a row: ``(baseline, 3 seeds)``."""
    words = ["baseline"] if row.baseline else []
    if len(row.seeds) > 1:
        words.append("deterministic" if board.deterministic(row) else f"{len(row.seeds)} seeds")
    return f" ({', '.join(words)})" if words else ""


def rank_text(row: Row) -> str:
    """A rank and the ranks that the resamples give it: ``2 (1–3)``."""
    if row.rank_low is None or row.rank_low == row.rank_high == row.rank:
        return f"{row.rank}"
    return f"{row.rank} ({row.rank_low}–{row.rank_high})"


def notes(board: Board) -> list[str]:
    """Notes on the table, one per line."""
    lines = [f"cases by class: {class_counts(board.classes)}"] if board.classes else []
    if any(row.group is not None for row in board.rows):
        lines += [
            "group: rows with the same number do not differ significantly from the first of them (paired "
            "bootstrap of the mean rank)",
            "P(better): probability of a better mean rank than the next row",
        ]
    elif board.rows and not board.ladder:
        lines.append(
            f"no intervals of ranks: they need {MIN_GROUPS_FOR_RANKS} groups of cases or more, got "
            f"{board.groups}"
        )
    if any(cell.low is not None for row in board.rows for cell in row.metrics.values()):
        lines.append("[ ]: 95 % confidence interval")
    if any(len(row.seeds) > 1 and not board.deterministic(row) for row in board.rows):
        lines.append("±: standard deviation over the seeds of a method")
    if board.kendall_tau is not None:
        moved = sum(row.rank != row.rank_of_means for row in board.rows)
        lines.append(
            f"ranking by the mean of the normalised scores changes the rank of {moved} of {len(board.rows)} "
            f"rows (Kendall's tau {board.kendall_tau:.2f})"
        )
    if cards := [row.file for row in board.rows if row.source == "card"]:
        lines.append(f"scored earlier, read from a score card: {', '.join(cards)}")
    for reference in board.references:
        scores = (score for score in board.scores if score.key in reference.scores)
        cells = ", ".join(f"{score.title} {stated(reference.scores[score.key])}" for score in scores)
        source = f" ({reference.source})" if reference.source else ""
        lines.append(f"published scores, not ranked: {reference.name}: {cells}{source}")
    if board.ladder:
        lines.append(
            "ladder: a score is replaced only by one that is better by more than the standard error of the "
            "difference"
        )
    for row, below in pairwise(board.rows) if board.wilcoxon else ():
        p_values = ((score.title, row.metrics[score.key].wilcoxon) for score in board.scores)
        cells = ", ".join(f"{title} {p:.2g}" for title, p in p_values if p is not None)
        sides = f"{row.team} / {row.method} against {below.team} / {below.method}"
        lines.append(f"Wilcoxon p-value, {sides}: {cells}")
    return lines
