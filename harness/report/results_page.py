"""The records of `reproduce` as one page of Markdown: every number in it is in a record.

docs/results.md is this page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from harness.evaluation.board import Board, Value
from harness.files import HarnessError, read_json, write_text
from harness.report.cells import number, significant, supported
from harness.report.claims_tables import (
    ALSO_SHOWN,
    board_of,
    board_rows,
    board_title,
    claims_table,
    notes,
    sides_text,
    tally_text,
    trained_text,
)
from harness.report.export import markdown_table
from harness.report.figures import save_figure, sweep_figure
from harness.schemas import CLAIMS

TITLES = {"claim": "The reports' claims", "experiment": "Experiments", "ablation": "Ablations"}
INVERSION = "ks93-masked"


def write_results(
    records: Sequence[dict[str, Any]], folder: Path, kind: str = "png", expected: Sequence[str] = ()
) -> None:
    """Write ``results.md`` into a folder, and the picture of each curve beside it, as png, svg or pdf.

    Of the names of claims and boards that are ``expected``, the page lists those that no record has.
    """
    for entry in joined(records)["boards"]:
        if entry["over"]:
            figure = sweep_figure(board_of(entry), entry["over"], entry["values"])
            save_figure(figure, folder / f"{entry['name']}.{kind}")
    write_text(folder / "results.md", results_page(records, kind, expected))


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file. Raises HarnessError where it lacks what `reproduce` writes."""
    record = read_json(path, CLAIMS)
    try:
        results_page([record])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise HarnessError(
            f"{path} must be a record as this version's `astroboard reproduce` writes it, got one that is "
            f"damaged or older: {type(error).__name__} {error}"
        ) from error
    return record


def joined(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The claims, boards, runs and versions of several records as one record.

    Of several results of a claim, the last one that has runs counts, and of several boards of one name the
    last one. ``left_out`` has what these boards lack, and the boards that no record has.
    """
    claims: dict[str, dict[str, Any]] = {}
    boards: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {}  # with what each lacks
    versions: dict[str, set[str]] = {}
    for record in records:
        for claim in record["claims"]:
            if claim["name"] not in claims or any(side["runs"] for side in claim["sides"]):
                claims[claim["name"]] = claim
        ranked = {entry["name"]: entry for entry in record["boards"]}
        lacking = {entry["name"]: entry for entry in record["left_out"]}
        for name in ranked | lacking:
            if name in ranked or name not in boards:
                boards[name] = ranked.get(name), lacking.get(name)
        for name, version in record["versions"].items():
            versions.setdefault(name, set()).add(version)
    return {
        "claims": list(claims.values()),
        "boards": [entry for entry, _ in boards.values() if entry],
        "left_out": [lacks for _, lacks in boards.values() if lacks],
        "runs": list({run["name"]: run for record in records for run in record["runs"]}.values()),
        "versions": {name: " and ".join(sorted(found)) for name, found in versions.items()},
    }


def results_page(records: Sequence[dict[str, Any]], kind: str = "png", expected: Sequence[str] = ()) -> str:
    """The page: what was trained, the claims, the boards, the diagnostics, and what was left out."""
    record = joined(records)
    boards = [(entry, board_of(entry)) for entry in record["boards"]]
    lines = ["# Results: scores of the methods, and verdicts on the claims", "", *_introduction(record), ""]
    lines += _sizes(records)
    for kind_of_claim, title in TITLES.items():
        lines += _claims(title, [claim for claim in record["claims"] if claim["kind"] == kind_of_claim])
    lines += [] if not boards else ["## Leaderboards", ""]
    for entry, board in boards:
        lines += _board(entry, board, kind)
    lines += _inversion(boards)
    lines += _diagnostics(boards)
    lines += _trainings(record)
    lines += _left_out(record, expected)
    return "\n".join(lines).rstrip("\n") + "\n"


def _introduction(record: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return [
        trained_text(record),
        "",
        *([f"{tally_text(record['claims'])}.", ""] if record["claims"] else []),
        "`astroboard reproduce` wrote this page from its records, and `--report` rewrites it. Reported",
        "scores are those of the reports, of another team and of ALeRCE (2021), on their own data; those of",
        "`ks93-masked` are ours, on two cases of the challenge as read off figures.",
        "[claims.md](claims.md) explains the verdicts, [definitions.md](definitions.md) the scores,",
        "[training.md](training.md) the losses, and [ranking.md](ranking.md) the columns of leaderboards.",
        "± is the standard deviation over seeds, [ ] a 95 % interval.",
        "",
        f"Versions: {versions}." if versions else "",
    ]


def _sizes(records: Sequence[dict[str, Any]]) -> list[str]:
    """A row for each preset and track of a record's claims and boards."""
    rows: list[tuple[str, ...]] = []
    for record in records:
        used = {(entry["preset"], entry["track"]) for entry in (*record["claims"], *record["boards"])}
        rows += [
            (preset, track, _settings_text(size), f"{cases:,}", f"{size['seeds'][track]}")
            for preset, size in record["presets"].items()
            for track, cases in size["cases"].items()
            if (preset, track) in used
        ]
    header = ("preset", "track", "other settings", "simulated cases", "seeds")
    return [*markdown_table(header, list(dict.fromkeys(rows)), left=3), ""]


def _settings_text(size: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in size.get("settings", {}).items())


def _claims(title: str, claims: list[dict[str, Any]]) -> list[str]:
    if not claims:
        return []
    header, rows = claims_table(claims)
    lines = [f"## {title}", "", *markdown_table(header, rows, left=4), ""]
    for claim in claims:
        where = f"Preset `{claim['preset']}`, data set `{claim['data']}`."
        text = [f"`{claim['name']}`: {claim['says']} {where} {sides_text(claim)}.", *notes(claim)]
        lines += [" ".join(text), ""]
    return lines


def _board(entry: dict[str, Any], board: Board, kind: str) -> list[str]:
    header, rows = board_rows(entry, board)
    lines = [f"{board_title(entry, board)}:", ""]
    lines += [*markdown_table(header, rows, left=2), ""]
    lines += [entry["note"], ""] if entry["note"] else []
    if entry["over"]:
        shown = "" if kind == "pdf" else "!"  # Markdown shows no PDF, but links to it
        lines += [f"{shown}[The ranked scores over {entry['over']}]({entry['name']}.{kind})", ""]
    return lines


def _inversion(boards: Sequence[tuple[dict[str, Any], Board]]) -> list[str]:
    """The inversion on each board that has it, side by side."""
    found = [(entry, row, board) for entry, board in boards for row in board.rows if row.method == INVERSION]
    if len({entry["data"] for entry, _, _ in found}) < 2:
        return []
    keys = [score.key for score in found[0][2].scores if score.ranked] + [*ALSO_SHOWN]
    scores = [score for score in found[0][2].scores if score.key in keys]
    rows = [
        [
            entry["says"],
            entry["data"],
            *(_shown(row.metrics[score.key], score.digits) for score in scores),
        ]
        for entry, row, _ in found
    ]
    header = ["maps", "data", *(score.title for score in scores)]
    return [f"`{INVERSION}` on each of them:", "", *markdown_table(header, rows, left=2), ""]


def _diagnostics(boards: Sequence[tuple[dict[str, Any], Board]]) -> list[str]:
    lines = []
    for entry, _ in boards:
        scores, methods = entry["diagnostics"]["scores"], entry["diagnostics"]["methods"]
        rows = [
            [method, *(significant(values[score["key"]]) for score in scores)]
            for method, values in methods.items()
        ]
        header = ["method", *(score["title"] for score in scores)]
        lines += [
            f"{entry['says']}, preset {entry['preset']}:",
            "",
            *markdown_table(header, rows, left=1),
            "",
        ]
    if not lines:
        return []
    meanings = {
        score["title"]: score["meaning"] for entry, _ in boards for score in entry["diagnostics"]["scores"]
    }
    explained = " ".join(f"{title}: {meaning}" for title, meaning in meanings.items())
    return ["## Diagnostics", "", explained, "", *lines]


def _trainings(record: dict[str, Any]) -> list[str]:
    """A row for each network that was compared. Numbers that differ between seeds or folds are means."""
    names: dict[tuple[str, ...], tuple[str, str]] = {}  # of the runs: the network, and its data
    for claim in record["claims"]:
        names |= {tuple(side["runs"]): (side["text"], claim["data"]) for side in claim["sides"]}
    for entry in record["boards"]:
        names |= {tuple(runs): (method, entry["data"]) for method, runs in entry["runs"].items()}
    rows, facts_of = [], {run["name"]: run for run in record["runs"]}
    for of_method, (method, data) in names.items():
        facts = [facts_of[name] for name in of_method]
        if not facts or not facts[0]["epochs"]:
            continue

        def average(key: str, facts: list[dict[str, Any]] = facts) -> float:
            return mean(run[key] or 0.0 for run in facts)

        minutes, gain = average("seconds") / 60, "–"
        if all(run["late_gain"] is not None for run in facts):
            gain = f"{100 * average('late_gain'):.3g} %"
        counts = [f"{average(key):,.0f}" for key in ("parameters", "cases", "epochs", "steps", "images")]
        rows.append([method, data, facts[0]["preset"], f"{len(facts)}", *counts, f"{minutes:.1f}", gain])
    header = ("network", "data", "preset", "runs", "weights", "training cases", "epochs", "steps",
              "training images", "minutes", "gain in the last quarter")  # fmt: skip
    if not rows:
        return []
    explained = (
        "All numbers are per run. Training images are counted once per epoch. The last column is the share "
        "of the decrease in validation loss that came in the last quarter of the epochs; for a fine-tuned "
        "network it is that of the network that it started from."
    )
    return ["## Trainings", "", explained, "", *markdown_table(header, sorted(rows), left=3), ""]


def _left_out(record: dict[str, Any], expected: Sequence[str]) -> list[str]:
    """What boards lack, and which claims and boards have no result."""
    lines = [f"- `{each['name']}` ({each['says']}): {each['lacking']}" for each in record["left_out"]]
    found = {each["name"] for key in ("claims", "boards", "left_out") for each in record[key]}
    if missing := [f"`{name}`" for name in expected if name not in found]:
        lines.append(f"- no result: {', '.join(missing)}; `astroboard reproduce NAME` tests one of them")
    return ["## Left out", "", *lines] if lines else []


def _shown(value: Value, digits: int) -> str:
    """A score, to the digits that its interval supports."""
    return number(value.mean, supported(value.mean, value.low, value.high, digits))
