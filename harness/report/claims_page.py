"""Verdicts on claims, for the terminal, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.files import write_text
from harness.report.page import render
from harness.report.terminal import number

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


def markdown(claims: Sequence[dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(HEADER)} |", "|" + "---|" * LEFT + "---:|" * (len(HEADER) - LEFT)]
    lines += [f"| {' | '.join(row)} |" for claim in claims for row in claim_rows(claim)]
    for claim in claims:
        lines += ["", " ".join([f"`{claim['name']}`: {claim['says']} {sides_text(claim)}.", *notes(claim)])]
    return "\n".join(lines) + "\n"


def write_claims_page(record: dict[str, Any], path: Path) -> None:
    shown = [
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
    write_text(path, render("claims.html", record=record, claims=shown))
