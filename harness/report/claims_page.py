"""Verdicts on claims, for the terminal, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure

from harness.files import write_text
from harness.report.export import markdown as board_markdown
from harness.report.figures import inline, sweep_figure
from harness.report.page import render
from harness.report.terminal import header, number, text_rows

T = TypeVar("T")
HEADER = ("claim", "verdict", "score", "A", "B", "difference [95 %]", "claimed", "of this score")
LEFT = 3  # columns of text


def claim_rows(claim: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each score, the first with the verdict."""
    return [
        (
            *((claim["name"], claim["verdict"].upper()) if index == 0 else ("", "")),
            row["title"],
            *values_text(row),
            difference_text(row),
            expected_text(row),
            row["verdict"],
        )
        for index, row in enumerate(claim["scores"])
    ]


def _pairs(sides: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """What stands under A and under B: one side each, or of two pairs the differences."""
    return (sides[:1], sides[1:]) if len(sides) == 2 else (sides[:2], sides[2:])


def values_text(row: dict[str, Any]) -> list[str]:
    return [" – ".join(number(side, row["digits"]) for side in pair) for pair in _pairs(row["sides"])]


def difference_text(row: dict[str, Any]) -> str:
    ends = ", ".join(number(row[end], row["digits"]) for end in ("low", "high"))
    bounds = "" if row["low"] is None else f" [{ends}]"
    return number(row["difference"], row["digits"]) + (" times" if row["ratio"] else "") + bounds


def expected_text(row: dict[str, Any]) -> str:
    low, high = row["expected"]
    if low is None:
        return f"< {high:g}"
    return f"> {low:g}" if high is None else f"{low:g} to {high:g}"


def notes(claim: dict[str, Any]) -> list[str]:
    """What would decide each of the claim's scores that is undecided, a sentence each."""
    sentences = []
    for row in (row for row in claim["scores"] if row["verdict"] == "undecided"):
        ways = []
        for name, way in row["decided_by"].items():
            seeds, cases = f"{way['seeds']:,} seeds", f"{way['cases']:,} test cases" if "cases" in way else ""
            ways.append({"seeds": seeds, "groups": cases, "both": f"{seeds} and {cases}"}[name])
        would = f"{' or '.join(ways)} would" if ways else "nothing within reach would"
        sentences.append(f"{row['title']}: if the difference stays as it is, {would} decide it.")
    if claim["seeds"] < 2:
        sentences = ["One seed says nothing of others: nothing is decided by fewer than two."]
    return sentences


def sides_text(claim: dict[str, Any]) -> str:
    """What A and B are; of two pairs A and B are the differences."""
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
    for one in record["boards"]:
        lines += ["", f"{board_title(one)}:", "", board_markdown(one["board"]).rstrip("\n")]
    return "\n".join(lines).strip("\n") + "\n"


def board_title(one: dict[str, Any]) -> str:
    board = one["board"]
    seeds = max(len(row["seeds"]) for row in board["rows"])
    return f"{one['says']} ({board['cases']:,} cases in {board['groups']:,} groups, {seeds} seeds)"


def curve(one: dict[str, Any]) -> Figure:
    """The ranked scores of a board over what its sides differ in."""
    return sweep_figure(one["board"], one["over"], one["values"])


def write_claims_page(record: dict[str, Any], path: Path) -> None:
    claims = [
        claim
        | {
            "between": sides_text(claim),
            "notes": notes(claim),
            "rows": [
                row
                | {
                    "values": values_text(row),
                    "found": difference_text(row),
                    "claimed": expected_text(row),
                }
                for row in claim["scores"]
            ],
        }
        for claim in record["claims"]
    ]
    boards = [
        one
        | {
            "heading": board_title(one),
            "picture": inline(curve(one)) if one["over"] else None,
            "header": header(one["board"])[0],
            "rows": text_rows(one["board"]),
        }
        for one in record["boards"]
    ]
    write_text(path, render("claims.html", record=record, claims=claims, boards=boards))
