"""A leaderboard as a folder: JSON, and pages that need nothing from anywhere else."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import cache
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.evaluation.board import Board, Value
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, check_new, json_text, write_text
from harness.progress import ProgressCallback, duration, no_progress
from harness.report.cells import chance, class_counts, number, significant, supported_by
from submissions.limits import LINK
from submissions.report import Code, plain

OUTLIER_QUARTILE_DISTANCES = 3.0
MOST_ENTRIES = 60
"""The gallery of a board and its matrix show so many of its first rows."""
NONE: Mapping[Any, Any] = MappingProxyType({})
PAGE = re.compile(r"submissions/[0-9a-f]{16}\.html")
CODES = {str(code): code for code in Code}
CODE = re.compile(rf"(?<![\w-])({'|'.join(Code)})(?![\w-])")


def update_leaderboard(
    board: Board, folder: Path, scored: Sequence[Scored] = (), truth: Path | None = None,
    inputs: Path | None = None, histories: Mapping[Path, Path] = NONE,
    progress: ProgressCallback = no_progress, executor: Executor | None = None, force: bool = False,
    pages: bool = True,
) -> None:  # fmt: skip
    """Write a board and pages of its submissions into a folder, beside the boards of other tracks there.

    The pages are made of ``scored`` and the rest as `write_submission_pages` says; without a ``truth``, or
    without ``pages``, there are none. The rows of a ladder have none either: their scores may be from
    different submissions. Pages of the board that this one replaces are removed where nothing shows them any
    more. What the folder may hold is up to `boards_in`.
    """
    present = boards_in(folder, force)
    others = [other for other in present if not other.ladder and other.track != board.track]
    names = {row.submission_sha256: page_name(row.submission_sha256) for each in others for row in each.rows}
    links = {sha256: page for sha256, page in names.items() if (folder / page).is_file()}
    if truth and pages and not board.ladder:
        from harness.report.submission_page import write_submission_pages  # which imports this module

        links |= write_submission_pages(
            board, scored, truth, folder, inputs, histories, progress, executor, force
        )
    boards = {each.track: each for each in [*present, board]}
    galleries = {each.track: part_of(folder / "index.html", f"gallery {each.track}") for each in others}
    if truth:
        from harness.report.gallery import gallery  # imports matplotlib

        galleries[board.track] = gallery(board, scored, truth, inputs, executor)
    # Before the index is written, so that a call that breaks off leaves no page that is to be secret.
    replaced = [row.submission_sha256 for each in present if each.track == board.track for row in each.rows]
    for page in {*map(page_name, replaced)}.difference(names.values(), links.values()):
        if PAGE.fullmatch(page):  # anyone may have edited the board, whose names then lead elsewhere
            (folder / page).unlink(missing_ok=True)
    write_leaderboard(list(boards.values()), folder, links, galleries)


def part_of(page: Path, name: str) -> str:
    """The part of that name of a page that was written before; nothing where there is none."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0]


def boards_in(folder: Path, force: bool = False) -> list[Board]:
    """The boards of the folder, which are in its ``leaderboard.json``, and none where there is no such file.

    Raises HarnessError where that is no board, or where an ``index.html`` lies there without any, which an
    update would replace. With ``force`` there are then no boards.
    """
    file = folder / "leaderboard.json"
    if not file.exists():
        check_new(folder / "index.html", force=force)
        return []
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        return [Board.from_json(board, "") for board in (value if isinstance(value, list) else [value])]
    except (ValueError, RecursionError, HarnessError) as error:
        if force:
            return []
        raise HarnessError(
            f"{file} must hold boards, got others: {error}; name another folder, or replace it with --force"
        ) from error


def write_leaderboard(
    boards: Sequence[Board], folder: Path, links: Mapping[str, str] = NONE,
    galleries: Mapping[str, str] = NONE,
) -> None:  # fmt: skip
    """Write ``leaderboard.json`` (one board, or a list of them), and ``index.html``, one below the other.

    ``links`` has the page of each submission that has one, by its SHA-256, and ``galleries`` what `gallery`
    made of a board, by the id of the board on the page: see `board_ids`.
    """
    values = [board.to_json() for board in boards]
    write_text(folder / "leaderboard.json", json_text(values[0] if len(values) == 1 else values))
    safe = {name: Markup(each) for name, each in galleries.items()}
    page = render("leaderboard.html", boards=boards, links=links, galleries=safe, ids=board_ids(boards),
                  most=MOST_ENTRIES)  # fmt: skip
    write_text(folder / "index.html", page)


def board_ids(boards: Sequence[Board]) -> list[str]:
    """What each board is called on a page of them: its track, or the track and a number if that is taken."""
    ids: list[str] = []
    for board in boards:
        names = chain([board.track], (f"{board.track}-{number}" for number in count(2)))
        ids.append(next(name for name in names if name not in ids))
    return ids


def page_name(sha256: str) -> str:
    """The page of a submission in the folder of the board."""
    return f"submissions/{sha256[:16]}.html"


def render(template: str, **values: Any) -> str:
    """The text of a template with these values."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Templates with autoescape, since strangers chose the names of teams, methods and files.

    Style and script are admitted by their hashes in the page's policy.
    """
    made = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=lambda value: plain(value) if type(value) is str else value,
    )  # fmt: skip
    filters = (coded, duration, safe_link, number, significant, chance, percent, bar_position, plural,
               supported_by, class_counts)  # fmt: skip
    made.filters |= {each.__name__: each for each in filters}
    hashes = {}
    for kind, name in (("style", "style.css"), ("script", "board.js")):
        source = made.get_template(name).render()
        hashes[kind] = "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        made.globals[kind] = Markup(source)  # ours, and in an element where nothing is escaped
    made.globals |= {"hashes": hashes, "version": version("astroboard")}
    return made


def spans(board: Board) -> dict[str, tuple[float, float]]:
    """The scale of the bars of each score, by key."""
    return {score.key: span([row.metrics[score.key] for row in board.rows]) for score in board.scores}


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
    start, end = span
    if end <= start:
        return None
    left, mark, right = (
        None if value is None else round(float(np.clip(100 * (value - start) / (end - start), 0, 100)), 2)
        for value in (low, mean, high)
    )
    width = None if left is None or right is None else round(right - left, 2)
    return {"mark": mark, "left": left, "width": width, "beyond": int(mean > end) - int(mean < start)}


def plural(count: int, singular: str, many: str = "") -> str:
    """A count with its noun: ``1 case``, ``2,000 cases``."""
    return f"{count:,} {singular if count == 1 else many or singular + 's'}"


def percent(share: float | None) -> str:
    """A share in whole per cent; a dash for None."""
    return "–" if share is None else f"{100 * share:.0f}\u00a0%"


def safe_link(address: str | None) -> str | None:
    """The address, if it is one that a manifest may have: a board may have been edited by anyone."""
    return address if address and re.fullmatch(LINK, address) else None


def coded(text: str) -> list[tuple[str, Code | None]]:
    """A text in pieces: those that are codes of `validate` with their code, the others with None."""
    return [(part, CODES.get(part)) for part in CODE.split(text) if part]
