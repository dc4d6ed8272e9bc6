"""The records of `reproduce` as pages, of which docs/results.md is one: every number in it is in a record."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from harness.evaluation.board import Board
from harness.files import HarnessError, json_text, read_json, write_text
from harness.report import claims_tables as tables
from harness.report.cells import number, significant, supported_by
from harness.report.export import markdown_table
from harness.report.figures import inline_svg, save_figure, sweep_figure
from harness.report.page import render, write_leaderboard
from harness.schemas import CLAIMS

TITLES = {"claim": "The reports' claims", "experiment": "Experiments", "ablation": "Ablations"}
INVERSION = "ks93-masked"
ABOUT = """\
`astroboard reproduce` wrote this page from its records, and `--report` rewrites it. Reported
scores are those of the reports, of another team and of ALeRCE (2021), on their own data; those of
`ks93-masked` are ours, on two cases of the challenge as read off figures.
[claims.md](claims.md) explains the verdicts, [definitions.md](definitions.md) the scores,
[training.md](training.md) the losses, and [ranking.md](ranking.md) the columns of leaderboards.
± is the standard deviation over seeds, [ ] a 95 % interval."""


def write_claims(record: dict[str, Any], out: Path, kind: str = "png", expected: Sequence[str] = ()) -> None:
    """Write a record into a folder: ``claims.json``, its pages, and the page of the boards.

    The pages are ``claims.html`` and, as Markdown, that of `write_results`, which explains ``expected``. A
    board whose sides differ in a quantity is drawn over it, on the page and in a file with the name of the
    board: png, svg or pdf, as ``kind`` says.
    """
    write_text(out / "claims.json", json_text(record))
    write_results([record], out, kind, expected)
    boards, shown = [tables.board_of(entry) for entry in record["boards"]], []
    for entry, board in zip(record["boards"], boards, strict=True):
        # Drawn anew: a second layout moves what the first placed.
        picture = inline_svg(sweep_figure(board, entry["over"], entry["values"])) if entry["over"] else None
        header, rows = tables.board_rows(entry, board)
        title = tables.board_title(entry, board)
        shown.append(entry | {"heading": title, "picture": picture, "header": header, "rows": rows})
    write_text(out / "claims.html", render("claims.html", record=record, boards=shown, tables=tables))
    if boards:
        write_leaderboard(boards, out)


def write_results(
    records: Sequence[dict[str, Any]], folder: Path, kind: str = "png", expected: Sequence[str] = ()
) -> None:
    """Write ``results.md`` into a folder, and the picture of each curve beside it, as png, svg or pdf.

    Of the names of claims and boards that are ``expected``, the page lists those that no record has.
    """
    for entry in joined(records)["boards"]:
        if entry["over"]:
            figure = sweep_figure(tables.board_of(entry), entry["over"], entry["values"])
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
    boards = [(entry, tables.board_of(entry)) for entry in record["boards"]]
    parts = [*_introduction(record), _sizes(records)]
    for kind_of_claim, title in TITLES.items():
        parts += _claims(title, [claim for claim in record["claims"] if claim["kind"] == kind_of_claim])
    parts += ["## Leaderboards"] if boards else []
    for entry, board in boards:
        parts += _board(entry, board, kind)
    parts += [*_inversion(boards), *_diagnostics(boards), *_trainings(record), *_left_out(record, expected)]
    return "\n\n".join(parts) + "\n"


def _introduction(record: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return [
        "# Results: scores of the methods, and verdicts on the claims",
        tables.trained_text(record),
        *([f"{tables.tally_text(record['claims'])}."] if record["claims"] else []),
        ABOUT,
        f"Versions: {versions}." if versions else "",
    ]


def _sizes(records: Sequence[dict[str, Any]]) -> str:
    """A row for each preset and track of a record's claims and boards."""
    rows: list[tuple[str, ...]] = []
    for record in records:
        used = {(entry["preset"], entry["track"]) for entry in (*record["claims"], *record["boards"])}
        for preset, size in record["presets"].items():
            settings = ", ".join(f"{name} = {value}" for name, value in size.get("settings", {}).items())
            rows += [
                (preset, track, settings, f"{cases:,}", f"{size['seeds'][track]}")
                for track, cases in size["cases"].items()
                if (preset, track) in used
            ]
    header = ("preset", "track", "other settings", "simulated cases", "seeds")
    return markdown_table(header, list(dict.fromkeys(rows)), left=3)


def _claims(title: str, claims: list[dict[str, Any]]) -> list[str]:
    if not claims:
        return []
    parts = [f"## {title}", markdown_table(*tables.claims_table(claims), left=4)]
    for claim in claims:
        where = f"Preset `{claim['preset']}`, data set `{claim['data']}`."
        says = f"`{claim['name']}`: {claim['says']} {where} {tables.sides_text(claim)}."
        parts.append(" ".join([says, *tables.notes(claim)]))
    return parts


def _board(entry: dict[str, Any], board: Board, kind: str) -> list[str]:
    parts = [f"{tables.board_title(entry, board)}:", markdown_table(*tables.board_rows(entry, board), left=2)]
    parts += [entry["note"]] if entry["note"] else []
    if entry["over"]:
        shown = "" if kind == "pdf" else "!"  # Markdown shows no PDF, but links to it
        parts.append(f"{shown}[The ranked scores over {entry['over']}]({entry['name']}.{kind})")
    return parts


def _inversion(boards: Sequence[tuple[dict[str, Any], Board]]) -> list[str]:
    """The inversion on each board that has it, side by side."""
    found = [(entry, row, board) for entry, board in boards for row in board.rows if row.method == INVERSION]
    if len({entry["data"] for entry, _, _ in found}) < 2:
        return []
    scores = [score for score in found[0][2].scores if score.ranked or score.key in tables.ALSO_SHOWN]
    rows = []
    for entry, row, _ in found:
        values = [(row.metrics[score.key], score) for score in scores]
        shown = [number(value.mean, supported_by(value, score)) for value, score in values]
        rows.append([entry["says"], entry["data"], *shown])
    header = ["maps", "data", *(score.title for score in scores)]
    return [f"`{INVERSION}` on each of them:", markdown_table(header, rows, left=2)]


def _diagnostics(boards: Sequence[tuple[dict[str, Any], Board]]) -> list[str]:
    parts: list[str] = []
    meanings: dict[str, str] = {}
    for entry, _ in boards:
        scores, methods = entry["diagnostics"]["scores"], entry["diagnostics"]["methods"]
        rows = [
            [method, *(significant(values[score["key"]]) for score in scores)]
            for method, values in methods.items()
        ]
        header = ["method", *(score["title"] for score in scores)]
        parts += [f"{entry['says']}, preset {entry['preset']}:", markdown_table(header, rows, left=1)]
        meanings |= {score["title"]: score["meaning"] for score in scores}
    explained = " ".join(f"{title}: {meaning}" for title, meaning in meanings.items())
    return ["## Diagnostics", explained, *parts] if parts else []


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
        averaged = ("parameters", "cases", "epochs", "steps", "images")
        counts = [f"{mean(run[key] or 0.0 for run in facts):,.0f}" for key in averaged]
        minutes, gains = mean(run["seconds"] for run in facts) / 60, [run["late_gain"] for run in facts]
        gain = "–" if None in gains else f"{100 * mean(gains):.3g} %"
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
    return ["## Trainings", explained, markdown_table(header, sorted(rows), left=3)]


def _left_out(record: dict[str, Any], expected: Sequence[str]) -> list[str]:
    """What boards lack, and which claims and boards have no result."""
    lines = [f"- `{each['name']}` ({each['says']}): {each['lacking']}" for each in record["left_out"]]
    found = {each["name"] for key in ("claims", "boards", "left_out") for each in record[key]}
    if missing := [f"`{name}`" for name in expected if name not in found]:
        lines.append(f"- no result: {', '.join(missing)}; `astroboard reproduce NAME` tests one of them")
    return ["## Left out", "\n".join(lines)] if lines else []
