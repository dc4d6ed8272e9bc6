"""A leaderboard as a folder: JSON, and pages that need nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.evaluation.board import Board, Value
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, json_text, write_text
from harness.progress import ProgressCallback, no_progress
from harness.report.cells import number
from harness.tracks import ScoreInfo

OVERALL: tuple[dict[str, Any], ...] = (
    {"key": "mean_rank", "name": "mean of ranks", "note": "the order", "target": "ranks", "digits": 2},
    {"key": "rank_of_means", "name": "rank of means", "note": "another order", "target": "means"},
    {"key": "p_better_than_next", "name": "P(better)", "note": "than the next", "target": "next",
     "percent": True, "first": "descending"},
)  # fmt: skip
OUTLIER_QUARTILE_DISTANCES = 3.0


@dataclass(frozen=True)
class BoardSource:
    """A board, and the files that pages of its submissions are made from; without a truth there are none.

    ``inputs`` is a file with the inputs of the cases, for pictures of stamps; a full data set as ``truth``
    serves as well. ``histories`` has the history.csv of the training run that a submission is from, by the
    path of the submission. A ``kept`` board was written to the folder before, with its pages.
    """

    board: Board
    scored: Sequence[Scored] = ()
    truth: Path | None = None
    inputs: Path | None = None
    histories: Mapping[Path, Path] = field(default_factory=dict)
    kept: bool = False


def with_kept_boards(source: BoardSource, folder: Path) -> list[BoardSource]:
    """The board, and those of other tracks in the folder's ``leaderboard.json``, in their order there.

    A file that is no leaderboard holds none.
    """
    try:
        value = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
        boards = [Board.from_json(board, "") for board in (value if isinstance(value, list) else [value])]
    except (OSError, ValueError, RecursionError, HarnessError):
        boards = []
    tracks = [board.track for board in boards]
    sources = [BoardSource(board, kept=True) for board in boards if board.track != source.board.track]
    index = tracks.index(source.board.track) if source.board.track in tracks else len(sources)
    return [*sources[:index], source, *sources[index:]]


def write_leaderboard(
    sources: Sequence[BoardSource], folder: Path, progress: ProgressCallback = no_progress
) -> None:
    """Write ``leaderboard.json`` (one board, or a list of them), ``index.html`` and ``submissions/*.html``.

    The rows of a ladder have no pages: their scores may be from different submissions.
    """
    links: dict[str, str] = {}
    for source in sources:
        if source.truth and not source.board.ladder:
            from harness.report.submission_page import write_submission_pages  # imports matplotlib

            links |= write_submission_pages(source, folder, progress)
        elif source.kept and not source.board.ladder:
            pages = {
                row.submission_sha256: submission_page(row.submission_sha256) for row in source.board.rows
            }
            links |= {sha256: page for sha256, page in pages.items() if (folder / page).is_file()}
    boards = [source.board for source in sources]
    values = [board.to_json() for board in boards]
    write_text(folder / "leaderboard.json", json_text(values[0] if len(values) == 1 else values))
    write_page(boards, folder / "index.html", links)


def submission_page(sha256: str) -> str:
    """The page of a submission in the folder of the board."""
    return f"submissions/{sha256[:16]}.html"


def write_page(boards: Sequence[Board], path: Path, links: Mapping[str, str]) -> None:
    """Write a page of the boards, one below the other.

    ``links`` has the page of each submission that has one, by its SHA-256. Names of teams and methods are
    those that strangers chose: they are escaped.
    """
    views = [board_view(board, links) for board in boards]
    write_text(path, render("leaderboard.html", boards=views, resamples=boards[0].resamples))


def render(template: str, **values: Any) -> str:
    """The text of a template with these values."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Templates with autoescape; style and script are admitted by their hashes in the page's policy."""
    made = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"number": number, "percent": percent, "bar_position": bar_position, "plural": plural}
    hashes = {}
    for kind, name in (("style", "style.css"), ("script", "sort.js")):
        source = made.get_template(name).render()
        hashes[kind] = "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        made.globals[kind] = Markup(source)  # ours, and in an element where nothing is escaped
    made.globals |= {"hashes": hashes, "version": version("astroboard")}
    return made


def board_view(board: Board, links: Mapping[str, str]) -> dict[str, Any]:
    """The board with what its table is drawn from: columns, spans of the bars, and which rows are tied."""
    rows, groups = board.rows, [row.group for row in board.rows]
    tied = [group is not None and groups.count(group) > 1 for group in groups]
    shown = [
        vars(row)
        | {
            "page": links.get(row.submission_sha256),
            "tied": tied[index],
            "apart": index > 0 and groups[index] != groups[index - 1] and (tied[index] or tied[index - 1]),
        }
        for index, row in enumerate(rows)
    ]
    values = {score.key: [row.metrics[score.key] for row in rows] for score in board.scores}
    return vars(board) | {
        "rows": shown,
        "ranked": [score for score in board.scores if score.ranked],
        "others": [score for score in board.scores if not score.ranked],
        "overall": [{"digits": 0, "first": "ascending", "percent": False} | column for column in OVERALL
                    if any(row[column["key"]] is not None for row in shown)],
        "bests": {score.key: best(score, values[score.key]) for score in board.scores},
        "spans": {key: span(of_score) for key, of_score in values.items()},
    }  # fmt: skip


def best(score: ScoreInfo, values: Sequence[Value]) -> float | None:
    """The best of the values of a score, None of no values."""
    return (min if score.lower_is_better else max)((value.mean for value in values), default=None)


def span(values: Sequence[Value]) -> tuple[float, float]:
    """The scale of a column's bars: from the lowest to the highest end of an interval, without outliers.

    Outliers are further from the quartiles than OUTLIER_QUARTILE_DISTANCES times the distance of these: the
    outer fences of Tukey 1977, Exploratory Data Analysis.
    """
    if not values:
        return 0.0, 0.0
    first, third = np.quantile([value.mean for value in values], [0.25, 0.75])
    reach = OUTLIER_QUARTILE_DISTANCES * (third - first)
    near = [value for value in values if first - reach <= value.mean <= third + reach]
    ends = [end for value in near for end in (value.low, value.mean, value.high) if end is not None]
    return min(ends), max(ends)


def bar_position(
    mean: float, low: float | None, high: float | None, span: tuple[float, float]
) -> dict[str, float | None] | None:
    """Where in a cell the mark of a score is, and its interval begins, and how wide that is: in per cent.

    ``beyond`` says of a score outside the span on which side it is: −1, 1, else 0. None if the span is empty.
    """
    width = span[1] - span[0]
    if width <= 0:
        return None
    left, mark, right = (
        None if end is None else round(float(np.clip(100 * (end - span[0]) / width, 0, 100)), 2)
        for end in (low, mean, high)
    )
    return {
        "mark": mark,
        "left": left,
        "width": None if left is None or right is None else round(right - left, 2),
        "beyond": int(mean > span[1]) - int(mean < span[0]),
    }


def plural(count: int, singular: str, many: str = "") -> str:
    """A count with its noun: ``1 case``, ``2,000 cases``."""
    return f"{count:,} {singular if count == 1 else many or singular + 's'}"


def percent(share: float | None) -> str:
    """A share in whole per cent; a dash for None."""
    return "–" if share is None else f"{100 * share:.0f}\u00a0%"
