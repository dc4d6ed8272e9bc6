"""The leaderboard as one HTML page that needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.files import json_text, write_text
from harness.report.terminal import number

OVERALL = (
    {"key": "mean_rank", "name": "mean of ranks", "note": "the order", "target": "ranks", "digits": 2},
    {"key": "rank_of_means", "name": "rank of means", "note": "another order", "target": "means"},
    {"key": "p_better_than_next", "name": "P(better)", "note": "than the next", "target": "next",
     "percent": True, "first": "descending"},
)  # fmt: skip
FAR = 3.0


def write_page(boards: Sequence[dict[str, Any]], path: Path, pages: Mapping[str, str] | None = None) -> None:
    """Write the boards, one below the other.

    ``pages`` has a link for each submission that has a page of its own, by its SHA-256. Names of teams and
    methods are escaped: they are strangers'.
    """
    views = [board_view(board, pages or {}) for board in boards]
    write_text(path, render("leaderboard.html", boards=views, resamples=boards[0]["resamples"]))


def render(template: str, **values: Any) -> str:
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Templates with autoescape, and the style and script, which the page's policy admits by their hashes."""
    made = Environment(
        loader=PackageLoader("harness.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"number": number, "percent": percent, "place": place, "plural": plural}
    hashes = {}
    for kind, name in (("style", "style.css"), ("script", "sort.js")):
        source = made.get_template(name).render()
        hashes[kind] = "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        made.globals[kind] = Markup(source)  # ours, and in an element where nothing is escaped
    made.globals |= {"hashes": hashes, "version": version("astroboard")}
    return made


def board_view(board: dict[str, Any], pages: Mapping[str, str]) -> dict[str, Any]:
    """The board with what its table is drawn from: columns, spans of the bars, and which rows are tied."""
    rows, groups = board["rows"], [row["group"] for row in board["rows"]]
    tied = [group is not None and groups.count(group) > 1 for group in groups]
    shown = [
        row
        | {
            "page": pages.get(row["submission_sha256"]),
            "tied": tied[index],
            "apart": index > 0 and groups[index] != groups[index - 1] and (tied[index] or tied[index - 1]),
        }
        for index, row in enumerate(rows)
    ]
    return board | {
        "rows": shown,
        "ranked": [one for one in board["scores"] if one["ranked"]],
        "others": [one for one in board["scores"] if not one["ranked"]],
        "overall": [{"digits": 0, "first": "ascending", "percent": False} | one for one in OVERALL
                    if any(row[one["key"]] is not None for row in rows)],
        "bests": {one["key"]: best(one, rows) for one in board["scores"]},
        "spans": {one["key"]: span([row["metrics"][one["key"]] for row in rows]) for one in board["scores"]},
    }  # fmt: skip


def best(score: dict[str, Any], rows: Sequence[dict[str, Any]]) -> float | None:
    known = [mean for row in rows if (mean := row["metrics"][score["key"]]["mean"]) is not None]
    return (min if score["lower_is_better"] else max)(known, default=None)


def span(scores: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """What the bars of a column reach over: all its intervals, but for rows far beyond the others.

    Far is more than FAR times the distance of the quartiles away from them, as Tukey's fences have it.
    """
    known = [one for one in scores if one["mean"] is not None]
    if not known:
        return 0.0, 0.0
    first, third = np.quantile([one["mean"] for one in known], [0.25, 0.75])
    reach = FAR * (third - first)
    near = [one for one in known if first - reach <= one["mean"] <= third + reach]
    ends = [one[end] for one in near for end in ("low", "mean", "high") if one[end] is not None]
    return min(ends), max(ends)


def place(score: dict[str, Any], span: tuple[float, float]) -> dict[str, float | None] | None:
    """Where in a cell the score lies, where its interval starts and how wide it is, in per cent.

    ``beyond`` says of a score outside the span on which side it is: −1, 1, else 0.
    """
    width = span[1] - span[0]
    if score["mean"] is None or width <= 0:
        return None
    low, mark, high = (
        None if score[end] is None else round(float(np.clip(100 * (score[end] - span[0]) / width, 0, 100)), 2)
        for end in ("low", "mean", "high")
    )
    return {
        "mark": mark,
        "left": low,
        "width": None if low is None or high is None else round(high - low, 2),
        "beyond": int(score["mean"] > span[1]) - int(score["mean"] < span[0]),
    }


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}\u00a0%"


def write_board(
    boards: Sequence[dict[str, Any]], folder: Path, pages: Mapping[str, str] | None = None
) -> None:
    """Write ``leaderboard.json`` (one board, or a list of them) and ``index.html`` into the folder.

    ``pages`` has the link to the page of a submission, by its SHA-256.
    """
    write_text(folder / "leaderboard.json", json_text(boards[0] if len(boards) == 1 else list(boards)))
    write_page(boards, folder / "index.html", pages or {})
