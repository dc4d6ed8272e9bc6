"""Verdicts on claims and boards of methods as tables, from the record of `reproduce`."""

from __future__ import annotations

from typing import Any

from harness.evaluation.board import Board
from harness.report.cells import board_table, number, with_interval
from harness.tracks import get_track

HEADER = ("score", "A", "B", "difference [95 %]", "claimed", "of this score", "reported A", "reported B")
ALSO_SHOWN = ("mae", "correlation")
"""Scores of maps that do not rank, and tell whether a network has learnt anything."""
ONE_SEED = "one seed: the interval is over groups alone, and another seed may say otherwise"


def verdict_text(claim: dict[str, Any]) -> str:
    """The verdict on a claim, with what is missing or what it does not cover."""
    if claim["lacking"]:
        return f"{claim['verdict']}: {'; '.join(claim['lacking'])}"
    return f"{claim['verdict']} (one seed)" if claim["seeds"] == 1 else str(claim["verdict"])


def claims_table(
    claims: list[dict[str, Any]], brief: bool = False
) -> tuple[tuple[str, ...], list[list[str]]]:
    """The header and a row for each score, the first of a claim with its verdict; four columns hold text.

    A ``brief`` table does not say what is missing, nor what the reports state.
    """
    width = HEADER.index("reported A") if brief else len(HEADER)
    rows = []
    for claim in claims:
        first = [claim["name"], claim["standing"], claim["verdict"] if brief else verdict_text(claim)]
        for cells in score_rows(claim) or [[""] * len(HEADER)]:
            rows.append(first + cells[:width])
            first = ["", "", ""]
    return ("claim", "standing", "verdict", *HEADER[:width]), rows


def score_rows(claim: dict[str, Any]) -> list[list[str]]:
    """The cells under HEADER of the scores of a claim: those judged, then those that boards show as well.

    A score that is judged and does not decide is marked so.
    """
    rows = []
    for score in claim["scores"]:
        digits, times = score["digits"], " times" if score["ratio"] else ""
        rows.append([
            score["title"],
            *_pair([number(value, digits) for value in score["sides"]]),
            with_interval(score["difference"], score["low"], score["high"], digits, times),
            _expected(*score["expected"]),
            score["verdict"] + ("" if score["decides"] else " (does not decide)"),
            *_pair(_reported(claim, score["key"], digits)),
        ])  # fmt: skip
    judged = {score["key"] for score in claim["scores"]}
    for score in get_track(claim["track"]).scores if claim["scores"] else ():
        if score.key not in judged and (score.ranked or score.in_tables or score.key in ALSO_SHOWN):
            sides = [number(side["scores"][score.key], score.digits) for side in claim["sides"]]
            reported = _reported(claim, score.key, score.digits)
            rows.append([score.title, *_pair(sides), "–", "–", "–", *_pair(reported)])
    return rows


def _reported(claim: dict[str, Any], key: str, digits: int) -> list[str]:
    """What the report states of a score of each side, a dash where it states nothing."""
    values = [reported["scores"].get(key) for reported in claim["reported"]]
    values += [None] * (len(claim["sides"]) - len(values))
    return [number(value, digits) for value in values]


def _expected(low: float | None, high: float | None) -> str:
    if low is None:
        return f"< {high:g}"
    return f"> {low:g}" if high is None else f"{low:g} to {high:g}"


def _pair(sides: list[str]) -> tuple[str, str]:
    """The texts of A and of B: one side each or, of four sides, the difference of two."""
    half = len(sides) // 2
    a, b = (
        list(dict.fromkeys(side)) if set(side) == {"–"} else side for side in (sides[:half], sides[half:])
    )
    return " – ".join(a), " – ".join(b)


def notes(claim: dict[str, Any]) -> list[str]:
    """What a reader should know of the verdict, and what would decide each undecided score."""
    sentences = [f"Reported of {name}: {each['of']}." for name, each in _reports(claim)]
    if claim["seeds"] == 1 and not claim["lacking"]:
        sentences.append(f"{ONE_SEED[0].upper()}{ONE_SEED[1:]}.")
    for score in (
        score for score in claim["scores"] if score["verdict"] == "undecided" and claim["seeds"] > 1
    ):
        ways = []
        for name, way in score["decided_by"].items():
            seeds, cases = f"{way['seeds']:,} seeds", f"{way['cases']:,} test cases" if "cases" in way else ""
            ways.append({"seeds": seeds, "groups": cases, "both": f"{seeds} and {cases}"}[name])
        decider = " or ".join(ways) or "nothing within reach"
        sentences.append(f"{score['title']}: if the difference stays as it is, {decider} would decide it.")
    return sentences


def _reports(claim: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    sides = claim["sides"]
    names = ["A", "B"] if len(sides) == 2 else [side["text"] for side in sides]
    return list(zip(names, claim["reported"], strict=False))  # of B a report may state nothing


def sides_text(claim: dict[str, Any]) -> str:
    """What A and B are."""
    a, b = _pair([side["text"] for side in claim["sides"]])
    return f"A: {a}; B: {b}"


def board_of(entry: dict[str, Any]) -> Board:
    """The board in an entry of the record."""
    return Board.from_json(entry["board"], f"the board {entry['name']}")


def board_title(entry: dict[str, Any], board: Board) -> str:
    """What a board is about, at which preset, and of how many cases, groups and seeds."""
    seeds = max(len(row.seeds) for row in board.rows)
    counted = f"{seeds} seed{'' if seeds == 1 else 's'}"
    size = f"{board.cases:,} cases in {board.groups:,} groups, {counted}"
    return f"{entry['says']} ({size}, preset {entry['preset']})"


def board_rows(entry: dict[str, Any], board: Board) -> tuple[list[str], list[list[str]]]:
    """The table of a board and, below its rows, what the reports state, which is not ranked."""
    header, rows = board_table(board, ALSO_SHOWN)
    titles = {score.title: score for score in board.scores}
    shown = [titles[title.rsplit(" ", 1)[0]] for title in header if title.rsplit(" ", 1)[0] in titles]
    blank = len(header) - len(shown) - 2
    for reported in entry["reported"]:
        cells = [number(reported["scores"].get(score.key), score.digits) for score in shown]
        rows.append(["reported", reported["of"], *["–"] * blank, *cells])
    return header, rows
