"""Putting claims to the test: the runs that each compares, their scores, and a verdict with its interval.

docs/claims.md explains what is in the folder, how the verdicts are made, and what is taken from the disk.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from math import exp, inf, isfinite, log
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from harness.claims.diagnostics import EPOCH, MEASURED
from harness.claims.execute import SIZES, TEAM, Parts, Place, Run, made, scored_parts, versions_of
from harness.claims.spec import EPOCH_SECONDS, Board, Claim, compared
from harness.claims.verdicts import Difference, difference, needed, together, verdict
from harness.evaluation.bootstrap import bootstrap
from harness.evaluation.entries import check_one_truth
from harness.evaluation.leaderboard import rank_entries
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, json_text, write_text
from harness.progress import ProgressCallback, no_progress
from harness.report.page import write_board
from harness.runs.training import finished
from harness.schemas import CLAIMS
from harness.tracks import Score, get_track

Sides = list[list[Parts]]
"""What was trained for each side, from each seed."""


def reproduce(
    out: Path, preset: str, wanted: Sequence[str] = (), seeds: int | None = None, real: Path | None = None,
    progress: ProgressCallback = no_progress, tell: Callable[[str], Any] = lambda _: None,
    executor: Executor | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Test claims and fill boards, by name, kind or track, and return the record; ``tell`` hears of each.

    ``real`` is a data set of labelled alerts, which are cross-validated by object. An ``executor`` trains
    several at a time. The folder ``out`` gets the record as ``claims.json``, with ``claims.html`` and the
    page of the boards, anew after every claim. What it holds of earlier calls, also of one that was killed,
    is not done again.
    """
    place, numbers = Place(out.absolute(), preset, real, progress), range(seeds or SIZES[preset].seeds)
    plan: dict[str, Sides] = {}
    chosen = compared(preset, wanted, real is not None)
    for one in chosen:
        plan[one.name] = [[place.parts(one.data, side, seed) for seed in numbers] for side in one.sides]
    every = list(dict.fromkeys(run for sides in plan.values() for run in _runs(sides)))
    coming, come = made(every, executor, progress), set[Run]()
    record: dict[str, Any] = {"schema": CLAIMS, "preset": preset, "seeds": len(numbers)}
    record |= {"claims": [], "boards": []}
    scored: dict[Parts, Scored] = {}
    for one in chosen:
        for parts in (parts for side in plan[one.name] for parts in side):
            while not come.issuperset(parts):
                come.add(next(coming))
            if parts not in scored:
                scored[parts] = scored_parts(parts, progress)
        if isinstance(one, Board):
            record["boards"].append(_board(one, plan[one.name], scored))
            tell(f"{one.name}: {len(one.sides)} rows")
        else:
            record["claims"].append(_judged(one, plan[one.name], scored))
            tell(f"{one.name}: {record['claims'][-1]['verdict']}")
        record["versions"] = {k: v for parts in scored for k, v in versions_of(parts[0].baseline).items()}
        _write(record, out)
    return record


def _runs(sides: Sides) -> list[Run]:
    """All runs of the sides, those that others start from before these."""
    found = [run for side in sides for parts in side for run in parts]
    return [each for run in found for each in ((run.start, run) if run.start else (run,))]


def _write(record: dict[str, Any], out: Path) -> None:
    from harness.report.claims_page import curve, write_claims_page
    from harness.report.figures import save_figure

    write_text(out / "claims.json", json_text(record))
    for one in record["boards"]:
        if one["over"]:
            save_figure(curve(one), out / f"{one['name']}.png")
    write_claims_page(record, out / "claims.html")
    if record["boards"]:
        write_board([one["board"] for one in record["boards"]], out)


def _board(board: Board, sides: Sides, scored: dict[Parts, Scored]) -> dict[str, Any]:
    """The board's part of the record: its rows are methods, the seeds of a side together."""
    alone = len({side.baseline for side in board.sides}) == len(board.sides)
    track = get_track(board.track)
    entries, names = [], []
    for side, seeds in zip(board.sides, sides, strict=True):
        names.append(side.baseline if alone else str(side))
        for number, parts in enumerate(seeds):
            entries.append(replace(scored[parts], track=track, method=names[-1], team=TEAM, seed=number))
    # The training set itself tells how large it is, where that is what the sides differ in.
    sizes = [float(finished(seeds[0][0].folder)["cases"]) for seeds in sides]
    found = rank_entries(track, entries).to_json() | {"title": board.says}
    return {
        **{
            name: getattr(board, name) for name in ("name", "kind", "says", "source", "track", "data", "over")
        },
        "values": dict(zip(names, board.values or sizes, strict=True)) if board.over else {},
        "runs": {
            name: [run.folder.name for parts in seeds for run in parts]
            for name, seeds in zip(names, sides, strict=True)
        },
        "board": found,
    }


def _judged(claim: Claim, sides: Sides, scored: dict[Parts, Scored]) -> dict[str, Any]:
    """The claim's part of the record."""
    every = [scored[parts] for side in sides for parts in side]
    check_one_truth(every)
    track, weights, seeds = MEASURED[claim.track], [weight for weight, _ in claim.weighted], len(sides[0])
    sums = [one.sums() for one in every]
    by_run, drawn = [one.values() for one in every], bootstrap(track, sums)
    groups, cases = sums[0].groups, len(every[0].case_ids)
    rows = []
    for key, expected in claim.expected.items():
        if key == EPOCH_SECONDS:
            seconds = np.array([[_epoch_seconds(parts[0]) for parts in side] for side in sides])
            found = difference(np.tensordot(weights, np.log(seconds), 1))
            rows.append(_row(EPOCH, seconds.mean(axis=1), found, expected, cases))
        else:
            (score,) = (score for score in track.scores if score.key == key)
            values = np.array([scores[key] for scores in by_run]).reshape(len(sides), seeds)
            resampled = np.einsum("k,rks->rs", weights, drawn[key].reshape(-1, len(sides), seeds))
            found = difference(np.tensordot(weights, values, 1), resampled, groups)
            rows.append(_row(score, values.mean(axis=1), found, expected, cases))
    return {
        **{name: getattr(claim, name) for name in ("name", "kind", "says", "source", "track", "data")},
        "verdict": together([row["verdict"] for row in rows]),
        "sides": [
            {
                "weight": weight,
                "text": str(side),
                "runs": [run.folder.name for parts in seeds for run in parts],
            }
            for (weight, side), seeds in zip(claim.weighted, sides, strict=True)
        ],
        **{"cases": cases, "groups": groups, "seeds": seeds, "scores": rows},
    }


def _row(
    one: Score, means: np.ndarray, found: Difference, expected: tuple[float, float], cases: int
) -> dict[str, Any]:
    """A line of the record, with the mean over the seeds of each side. Of times the logarithm was judged."""
    as_shown: Callable[[float], float] = exp if one is EPOCH else float
    bounds = _logarithms(expected) if one is EPOCH else expected
    low, high = found.interval()
    judged = verdict(low, high, bounds)
    decided_by = needed(found, bounds) if judged == "undecided" else {}
    return {
        **{"key": one.key, "title": one.title, "digits": one.digits, "ratio": one is EPOCH},
        "expected": [end if isfinite(end) else None for end in expected],
        "sides": means.tolist(),
        "difference": as_shown(found.value),
        "low": as_shown(low) if isfinite(low) else None,
        "high": as_shown(high) if isfinite(high) else None,
        "verdict": judged,
        "decided_by": {
            way: {"seeds": seeds} | ({"groups": groups, "cases": round(groups * cases / found.groups)}
                                     if found.groups else {})
            for way, (groups, seeds) in decided_by.items()
        },
    }  # fmt: skip


def _logarithms(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    return log(low) if low > 0 else -inf, log(high)


def _epoch_seconds(run: Run) -> float:
    """The median over the epochs of a run: the first one builds the graph."""
    path = run.folder / "history.csv"
    try:
        with path.open(encoding="utf-8") as file:
            return median(float(row["seconds"]) for row in csv.DictReader(file))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise HarnessError(f"{path} does not tell the seconds of epochs, remove the run: {error}") from error
