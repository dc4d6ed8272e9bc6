"""Verdicts on claims and boards of methods as tables, from the record of `reproduce`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.evaluation.board import Board
from harness.report.cells import board_table, in_table, number, significant, stated, supported, with_interval
from harness.report.forest import forest_row
from harness.tracks import get_track

HEADER = ("score", "A", "B", "difference [95 %]", "confirmed if", "verdict on score", "reported A",
          "reported B")  # fmt: skip
ALSO_SHOWN = ("mae", "correlation")
"""Scores of maps that do not rank, and tell whether a network has learnt anything."""
ONE_SEED = "One seed: the interval covers the choice of test cases only. Another training may differ."
TRAIN_LONGER = "To test it, train longer with --set epochs=NUMBER, or at a larger --preset."
VERDICTS = ("confirmed", "refuted", "mixed", "undecided", "not tested")
OURS = "Our own questions"
REAL = "real"
"""The name of the only data set that is not simulated."""


def tally(claims: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """How many claims have each verdict; those that none has are left out."""
    counts = Counter(claim["verdict"] for claim in claims)
    return [(each, counts[each]) for each in VERDICTS if counts[each]]


def tally_text(claims: Sequence[dict[str, Any]]) -> str:
    """The tally in words: ``7 confirmed, 2 refuted``."""
    return ", ".join(f"{count} {verdict}" for verdict, count in tally(claims))


def by_report(claims: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The claims by the report that they are from, which a source names before its colon; ours are last."""
    reports: dict[str, list[dict[str, Any]]] = {}
    for claim in sorted(claims, key=lambda claim: claim["standing"] == "ours"):
        name = OURS if claim["standing"] == "ours" else claim["source"].partition(":")[0]
        reports.setdefault(name, []).append(claim)
    return reports


def trained_text(record: dict[str, Any]) -> str:
    """What was trained: how large networks, for how many steps, on how many cases, simulated or real ones."""
    facts = {run["name"]: run for run in record["runs"] if run["epochs"]}
    names: dict[tuple[str, str], set[str]] = {}
    for entry in (*record["claims"], *record["boards"]):
        listed = [side["runs"] for side in entry["sides"]] if "sides" in entry else entry["runs"].values()
        kind = "real" if entry["data"] == REAL else "simulated"
        names.setdefault((entry["track"], kind), set()).update(*listed)
    texts = []
    for (track, kind), chosen in names.items():
        runs = [facts[name] for name in sorted(chosen & set(facts))]
        if runs:
            weights, steps, cases = (
                _span([run[key] for run in runs]) for key in ("parameters", "steps", "cases")
            )
            plural = "" if len(runs) == 1 else "s"
            texts.append(
                f"{len(runs)} network{plural} of {weights} weights, {steps} steps each, on {cases} {kind} "
                f"{get_track(track).noun}"
            )
    if not texts:
        return "No network was trained."
    hours = sum(run["seconds"] for run in facts.values()) / 3600
    hardware = "; ".join(dict.fromkeys(run["hardware"] for run in facts.values()))
    return (
        f"Trained here: {'; '.join(texts)}. All trainings together took {hours:.1f} hours"
        + (f" ({hardware}). " if hardware else ". ")
        + "The verdicts hold for networks of this size, after this training. The reports trained larger "
        "networks, or longer, on other data."
    )


def _span(numbers: Sequence[float | None]) -> str:
    """From the least to the greatest number, in words: ``840``, ``588 thousand to 4.1 million``."""
    known = [number for number in numbers if number]
    return " to ".join(dict.fromkeys(map(_in_words, (min(known), max(known))))) if known else "0"


def _in_words(number: float) -> str:
    if number < 1e5:
        return f"{number:,.0f}"
    if number < 1e6:
        return f"{number / 1e3:.0f} thousand"
    return f"{number / 1e6:.{1 if number < 1e7 else 0}f} million"


def forest(claim: dict[str, Any]) -> list[dict[str, Any]]:
    """A row of the forest plot for each score that is judged: its cells by name, and where its marks are."""
    rows = []
    for score, cells in zip(claim["scores"], score_rows(claim), strict=False):
        reported = [each["scores"].get(score["key"]) for each in claim["reported"]]
        known = len(reported) == len(claim["sides"]) and None not in reported
        weights = [side["weight"] for side in claim["sides"]]
        at = forest_row(
            score["difference"], score["low"], score["high"], tuple(score["expected"]),
            sum(weight * value for weight, value in zip(weights, reported, strict=True)) if known else None,
            score["ratio"],
        )  # fmt: skip
        rows.append({**dict(zip(HEADER, cells, strict=True)), "at": at, "verdict": score["verdict"],
                     "decides": score["decides"]})  # fmt: skip
    return rows


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

    A score that is judged has the digits that the interval of the difference supports, others have three
    significant ones. One that is judged and does not decide is marked so.
    """
    rows = []
    for score in claim["scores"]:
        difference = score["difference"], score["low"], score["high"], score["digits"]
        digits, times = supported(*difference), " times" if score["ratio"] else ""
        sides = [significant(each) if times else number(each, digits) for each in score["sides"]]
        rows.append([
            score["title"],
            *_pair(sides),
            with_interval(*difference, times),
            _expected(*score["expected"]),
            score["verdict"] + ("" if score["decides"] else " (does not decide)"),
            *_pair(_reported(claim, score["key"])),
        ])  # fmt: skip
    judged = {score["key"] for score in claim["scores"]}
    for score in get_track(claim["track"]).scores if claim["scores"] else ():
        if score.key not in judged and (score.ranked or score.in_tables or score.key in ALSO_SHOWN):
            sides = [significant(side["scores"][score.key]) for side in claim["sides"]]
            rows.append([score.title, *_pair(sides), "–", "–", "–", *_pair(_reported(claim, score.key))])
    return rows


def side_table(claim: dict[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """The header and rows of what A and B have of each score here, and of those that the report states."""
    chosen = [HEADER.index(name) for name in ("score", "A", "B", "reported A", "reported B")]
    header, *rows = ([cells[each] for each in chosen] for cells in (HEADER, *score_rows(claim)))
    return tuple(header), rows


def _reported(claim: dict[str, Any], key: str) -> list[str]:
    """What the report states of a score of each side, a dash where it states nothing."""
    values = [reported["scores"].get(key) for reported in claim["reported"]]
    return list(map(stated, values + [None] * (len(claim["sides"]) - len(values))))


def _expected(low: float | None, high: float | None) -> str:
    if low is None:
        return f"< {high:g}"
    return f"> {low:g}" if high is None else f"{low:g} to {high:g}"


def _pair(sides: list[str]) -> tuple[str, str]:
    """The texts of A and of B: one side each or, of four sides, the difference of two."""
    half = len(sides) // 2
    a, b = (" – ".join(side) if set(side) != {"–"} else "–" for side in (sides[:half], sides[half:]))
    return a, b


def notes(claim: dict[str, Any]) -> list[str]:
    """Notes on the verdict, and what would decide each undecided score."""
    names = ["A", "B"] if len(claim["sides"]) == 2 else [side["text"] for side in claim["sides"]]
    reported = zip(names, claim["reported"], strict=False)  # of B a report may state nothing
    sentences = [f"Reported {name}: {each['of']}." for name, each in reported]
    if claim["seeds"] == 1 and not claim["lacking"]:
        sentences.append(ONE_SEED)
    fixed = any("epochs = " in side["text"] for side in claim["sides"])  # by the claim, whatever is set
    if claim["lacking"] and claim["scores"] and not fixed:
        sentences.append(TRAIN_LONGER)
    undecided = [score for score in claim["scores"] if score["verdict"] == "undecided" and claim["seeds"] > 1]
    if undecided:
        needs = "; ".join(f"for {score['title']} {_ways(score['decided_by'])}" for score in undecided)
        sentences.append(f"Needed for a verdict, if the differences stay the same: {needs}.")
    return sentences


def _ways(decided_by: dict[str, dict[str, int]]) -> str:
    """What would decide a score: ``either 7 seeds or 600 test cases``."""
    ways = []
    for name, way in decided_by.items():
        seeds, cases = f"{way['seeds']:,} seeds", f"{way['cases']:,} test cases" if "cases" in way else ""
        ways.append({"seeds": seeds, "groups": cases, "both": f"{seeds} with {cases}"}[name])
    return ("either " if len(ways) > 1 else "") + (" or ".join(ways) or "more than can be estimated")


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
    shown = in_table(board, ALSO_SHOWN)
    blank = len(header) - len(shown) - 2
    for reported in entry["reported"]:
        cells = [stated(reported["scores"].get(score.key)) for score in shown]
        rows.append(["reported", reported["of"], *["–"] * blank, *cells])
    return header, rows
