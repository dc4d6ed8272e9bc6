"""Verdicts on claims as Markdown and as a page, from the record that ``claims.json`` holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.evaluation.board import Board
from harness.files import json_text, write_text
from harness.report.cells import board_table, interval, number
from harness.report.export import markdown as board_markdown
from harness.report.export import markdown_table
from harness.report.figures import inline, save_figure, sweep_figure
from harness.report.page import render, write_leaderboard

HEADER = ("claim", "verdict", "score", "A", "B", "difference [95 %]", "claimed", "of this score")


def claims_table(claims: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[list[str]]]:
    """The header and a row for each score, the first of a claim with its verdict; three columns hold text."""
    rows = []
    for claim in claims:
        first = [claim["name"], claim["verdict"].upper()]
        for score in claim["scores"]:
            rows.append(first + score_cells(score))
            first = ["", ""]
    return HEADER, rows


def score_cells(score: dict[str, Any]) -> list[str]:
    """The cells of a score from its title on: A, B, by how much they differ, what is claimed, the verdict."""
    digits = score["digits"]
    times = " times" if score["ratio"] else ""
    return [
        score["title"],
        *_a_and_b([number(value, digits) for value in score["sides"]]),
        number(score["difference"], digits) + times + interval(score["low"], score["high"], digits),
        _expected(*score["expected"]),
        score["verdict"],
    ]


def _expected(low: float | None, high: float | None) -> str:
    if low is None:
        return f"< {high:g}"
    return f"> {low:g}" if high is None else f"{low:g} to {high:g}"


def _a_and_b(sides: list[str]) -> tuple[str, str]:
    """The texts of A and of B: one side each or, of four sides, the difference of two."""
    half = len(sides) // 2
    return " – ".join(sides[:half]), " – ".join(sides[half:])


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
    """What A and B are."""
    a, b = _a_and_b([side["text"] for side in claim["sides"]])
    return f"A: {a}; B: {b}"


def markdown(record: dict[str, Any]) -> str:
    """The verdicts as one table, what was compared, and a table for each board."""
    claims = record["claims"]
    lines = markdown_table(*claims_table(claims), left=3) if claims else []
    for claim in claims:
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


def write_claims(record: dict[str, Any], out: Path) -> None:
    """Write a record into a folder: ``claims.json``, ``claims.html``, and the page of the boards.

    A board whose sides differ in a quantity is drawn over it, on the page and as ``<name of the board>.png``.
    """
    write_text(out / "claims.json", json_text(record))
    boards = [board_of(entry) for entry in record["boards"]]
    shown = []
    for entry, board in zip(record["boards"], boards, strict=True):
        picture = None
        if entry["over"]:
            sweep = board, entry["over"], entry["values"]
            save_figure(sweep_figure(*sweep), out / f"{entry['name']}.png")
            picture = inline(sweep_figure(*sweep))  # drawn anew: a second layout moves what the first placed
        header, rows = board_table(board)
        title = board_title(entry["says"], board)
        shown.append(entry | {"heading": title, "picture": picture, "header": header, "rows": rows})
    functions = {each.__name__: each for each in (score_cells, sides_text, notes)}
    page = render("claims.html", record=record, claims=record["claims"], boards=shown, **functions)
    write_text(out / "claims.html", page)
    if boards:
        write_leaderboard(boards, out)
