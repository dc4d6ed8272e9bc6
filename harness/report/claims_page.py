"""Verdicts on claims as Markdown and as a page, from the record that ``claims.json`` holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from harness.evaluation.board import Board
from harness.files import write_text
from harness.report.cells import board_header, board_rows, number
from harness.report.export import markdown as board_markdown
from harness.report.figures import inline, sweep_figure
from harness.report.page import render

HEADER = ("claim", "verdict", "score", "A", "B", "difference [95 %]", "claimed", "of this score")
LEFT = 3
"""The first columns of HEADER hold text, the others numbers."""


def claim_rows(claim: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each score, the first with the verdict."""
    return [
        (
            *((claim["name"], claim["verdict"].upper()) if index == 0 else ("", "")),
            score["title"],
            *values_text(score),
            difference_text(score),
            expected_text(score),
            score["verdict"],
        )
        for index, score in enumerate(claim["scores"])
    ]


def _pairs(sides: list[Any]) -> tuple[list[Any], list[Any]]:
    """What stands under A and under B: one side each or, of four sides, a pair whose difference is meant."""
    return (sides[:1], sides[1:]) if len(sides) == 2 else (sides[:2], sides[2:])


def values_text(score: dict[str, Any]) -> list[str]:
    """The values of A and of B; each a value, or two that are subtracted."""
    return [" – ".join(number(value, score["digits"]) for value in pair) for pair in _pairs(score["sides"])]


def difference_text(score: dict[str, Any]) -> str:
    """The difference of A and B, or how many times A is B, with its interval."""
    ends = ", ".join(number(score[end], score["digits"]) for end in ("low", "high"))
    interval = "" if score["low"] is None else f" [{ends}]"
    return number(score["difference"], score["digits"]) + (" times" if score["ratio"] else "") + interval


def expected_text(score: dict[str, Any]) -> str:
    """The range that is claimed of the difference."""
    low, high = score["expected"]
    if low is None:
        return f"< {high:g}"
    return f"> {low:g}" if high is None else f"{low:g} to {high:g}"


def notes(claim: dict[str, Any]) -> list[str]:
    """What would decide each of the claim's scores that is undecided, a sentence each."""
    if claim["seeds"] < 2:
        return ["One seed says nothing of others: nothing is decided by fewer than two."]
    sentences = []
    for score in (score for score in claim["scores"] if score["verdict"] == "undecided"):
        ways = []
        for name, way in score["decided_by"].items():
            seeds, cases = f"{way['seeds']:,} seeds", f"{way['cases']:,} test cases" if "cases" in way else ""
            ways.append({"seeds": seeds, "groups": cases, "both": f"{seeds} and {cases}"}[name])
        decider = " or ".join(ways) or "nothing within reach"
        sentences.append(f"{score['title']}: if the difference stays as it is, {decider} would decide it.")
    return sentences


def sides_text(claim: dict[str, Any]) -> str:
    """What A and B are; of four sides each is a difference of two."""
    texts = [side["text"] for side in claim["sides"]]
    return "; ".join(f"{name}: {' – '.join(pair)}" for name, pair in zip("AB", _pairs(texts), strict=True))


def markdown(record: dict[str, Any]) -> str:
    """The verdicts as one table, what was compared, and a table for each board."""
    lines = []
    if record["claims"]:
        lines += [f"| {' | '.join(HEADER)} |", "|" + "---|" * LEFT + "---:|" * (len(HEADER) - LEFT)]
        lines += [f"| {' | '.join(row)} |" for claim in record["claims"] for row in claim_rows(claim)]
    for claim in record["claims"]:
        lines += ["", " ".join([f"`{claim['name']}`: {claim['says']} {sides_text(claim)}.", *notes(claim)])]
    for entry in record["boards"]:
        board = board_of(entry)
        lines += ["", f"{board_title(entry['says'], board)}:", "", board_markdown(board).rstrip("\n")]
    return "\n".join(lines).strip("\n") + "\n"


def board_of(entry: dict[str, Any]) -> Board:
    """The board in an entry of the record."""
    return Board.from_json(entry["board"], f"the board {entry['name']}")


def board_title(says: str, board: Board) -> str:
    """What a board is about, and of how many cases, groups and seeds."""
    seeds = max(len(row.seeds) for row in board.rows)
    return f"{says} ({board.cases:,} cases in {board.groups:,} groups, {seeds} seeds)"


def curve(entry: dict[str, Any]) -> Figure:
    """The ranked scores of a board over what its sides differ in."""
    return sweep_figure(board_of(entry), entry["over"], entry["values"])


def write_claims_page(record: dict[str, Any], path: Path) -> None:
    """Write the verdicts and the boards of a record as a page."""
    boards = [
        {
            "heading": board_title(entry["says"], board),
            "picture": inline(curve(entry)) if entry["over"] else None,
            "header": board_header(board)[0],
            "rows": board_rows(board),
        }
        | entry
        for entry, board in ((entry, board_of(entry)) for entry in record["boards"])
    ]
    texts = {each.__name__: each for each in (values_text, difference_text, expected_text, sides_text, notes)}
    write_text(path, render("claims.html", record=record, claims=record["claims"], boards=boards, **texts))
