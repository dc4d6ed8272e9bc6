"""One case under every method: what the entries of a board predict for a few cases, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from harness.data.store import open_dataset
from harness.evaluation.board import Board
from harness.evaluation.scoring import Scored
from harness.parallel import in_order, unless_few
from harness.report.drawing import value_of_case
from harness.report.page import MOST_ENTRIES, render
from harness.report.submission_page import FEW_PAGES, by_difficulty, ordering
from harness.tracks import get_track, load
from submissions import open_submission

CASES = ("best", "better than three in four", "median", "worse than three in four", "worst")


def gallery(
    board: Board, scored: Sequence[Scored], truth: Path, inputs: Path | None = None,
    executor: Executor | None = None,
) -> str:  # fmt: skip
    """The HTML of a board's gallery: the truth and the predictions of its first MOST_ENTRIES rows.

    The cases are quantiles of those of the first row, from its best to its worst. A row shows its first seed.
    There is no gallery, but an empty text, of public cases, of released scores, of score cards alone, and of
    a track that draws none.
    """
    by_sha256 = {each.sha256: each for each in scored if each.report.accepted and each.source == "submission"}
    rows = [row for row in board.rows if row.source != "card" and row.submission_sha256 in by_sha256]
    rows = rows[:MOST_ENTRIES]
    drawing = scored[0].track.drawing if scored else ""
    side_by_side = getattr(load(drawing), "side_by_side", None) if drawing else None
    if not rows or board.part == "public" or board.ladder or not side_by_side:
        return ""
    entries = [by_sha256[row.submission_sha256] for row in rows]
    order = by_difficulty(entries[0])
    places = np.linspace(0, len(order) - 1, len(CASES)).round().astype(int)
    called = (f"{name} for {rows[0].method}" for name in CASES)
    chosen = dict(zip(order[places].tolist(), called, strict=True))  # by index: few cases are named once
    label = "Case, from the best to the worst of the first entry"
    return strips(
        entries, [f"{row.rank}" for row in rows], chosen, truth, inputs, executor, label, len(chosen) // 2
    )


def strips(
    entries: Sequence[Scored], marks: Sequence[str], chosen: Mapping[int, str], truth: Path,
    inputs: Path | None = None, executor: Executor | None = None, label: str = "Case", first: int = 0,
) -> str:  # fmt: skip
    """The HTML of some cases under each of the submissions, one case at a time, on the scale of its truth.

    ``chosen`` has the indices of the cases and what each is called; ``marks`` stand before the methods. A
    slider with this ``label`` goes through the cases, from the one that is ``first``.
    """
    track = entries[0].track
    side_by_side = load(track.drawing).side_by_side
    case_ids = [entries[0].case_ids[index] for index in chosen]
    tasks = [(entry.path.absolute(), track.name, case_ids) for entry in entries]
    pool = unless_few(executor, len(tasks), FEW_PAGES)
    predictions = list(in_order(pool, _predictions, tasks))
    shown, cases = ordering(track), []
    with open_dataset(truth) as data, open_dataset(inputs or truth, data.track) as given:
        inputs_of = value_of_case(given, track.inputs.name)
        target_of = value_of_case(data, track.truth.name)
        for number, (index, name) in enumerate(chosen.items()):
            case_id = case_ids[number]
            drawn = side_by_side(
                inputs_of(case_id), target_of(case_id), [each[number] for each in predictions]
            )
            texts = [
                [(score.title, entry.columns[score.column][index]) for score in shown] for entry in entries
            ]
            cases.append({"name": name, "case_id": case_id, "texts": texts, **drawn})
    return render(
        "gallery.html", track=track.name, entries=list(zip(marks, entries, strict=True)), cases=cases,
        label=label, first=first,
    )  # fmt: skip


def _predictions(task: tuple[Path, str, list[str]]) -> np.ndarray:
    """The predictions (cases, ...) that a submission to a track has for some cases."""
    path, track, case_ids = task
    return np.array(open_submission(path, get_track(track).format, case_ids).read()[0])
