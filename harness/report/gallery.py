"""One case under every method: what the entries of a board predict for a few cases, side by side."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from pathlib import Path

import numpy as np

from harness.data.store import open_dataset
from harness.evaluation.board import Board
from harness.evaluation.scoring import Scored
from harness.parallel import in_order, unless_few
from harness.report.drawing import value_of_case
from harness.report.page import MOST_ENTRIES, render
from harness.report.submission_page import FEW_PAGES, by_difficulty, ordering, shown_rows
from harness.tracks import get_track, load
from submissions import open_submission

Shown = tuple[np.ndarray | None, np.ndarray | None, list[np.ndarray]]
"""The inputs and the target of a case, None where there are none, and what each entry predicts."""
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
    rows, by_sha256 = shown_rows(board, scored)
    rows = rows[:MOST_ENTRIES]
    drawing = scored[0].track.drawing if rows else ""
    if not drawing or board.part == "public" or board.ladder or not hasattr(load(drawing), "side_by_side"):
        return ""
    entries = [by_sha256[row.submission_sha256] for row in rows]
    order = by_difficulty(entries[0])
    places = np.linspace(0, len(order) - 1, len(CASES)).round().astype(int)
    called = (f"{name} for {rows[0].method}" for name in CASES)
    chosen = dict(zip(order[places].tolist(), called, strict=True))  # by index: few cases are named once
    case_ids = [entries[0].case_ids[index] for index in chosen]
    label = "Case, from the best to the worst of the first entry"
    with closing(shown_cases(entries, case_ids, truth, inputs, executor)) as shown:
        return strips(entries, [f"{row.rank}" for row in rows], chosen, shown, label, len(chosen) // 2)


def strips(
    entries: Sequence[Scored], marks: Sequence[str], chosen: Mapping[int, str], shown: Iterable[Shown],
    label: str, first: int = 0,
) -> str:  # fmt: skip
    """The HTML of some cases under each of the submissions, one case at a time, on the scale of its truth.

    ``chosen`` has the indices of the cases and what each is called; ``marks`` stand before the methods. A
    slider with this ``label`` goes through the cases, from the one that is ``first``.
    """
    track, cases = entries[0].track, []
    for (index, name), case in zip(chosen.items(), shown, strict=True):
        texts = [
            [(score.title, entry.columns[score.column][index]) for score in ordering(track)]
            for entry in entries
        ]
        drawn = load(track.drawing).side_by_side(*case)
        cases.append({"name": name, "case_id": entries[0].case_ids[index], "texts": texts, **drawn})
    return render(
        "gallery.html", track=track.name, entries=list(zip(marks, entries, strict=True)), cases=cases,
        label=label, first=first,
    )  # fmt: skip


def shown_cases(
    entries: Sequence[Scored], case_ids: list[str], truth: Path, inputs: Path | None,
    executor: Executor | None = None,
) -> Generator[Shown, None, None]:  # fmt: skip
    """What is shown of some cases under each of the submissions, in the order of the cases."""
    track = entries[0].track
    tasks = [(entry.path.absolute(), track.name, case_ids) for entry in entries]
    pool = unless_few(executor, len(tasks), FEW_PAGES)
    predictions = list(in_order(pool, _predictions, tasks))
    with open_dataset(truth) as data, open_dataset(inputs or truth, data.track) as given:
        inputs_of = value_of_case(given, track.inputs.name)
        target_of = value_of_case(data, track.truth.name)
        for index, case_id in enumerate(case_ids):
            yield inputs_of(case_id), target_of(case_id), [each[index] for each in predictions]


def _predictions(task: tuple[Path, str, list[str]]) -> np.ndarray:
    """The predictions (cases, ...) that a submission to a track has for some cases."""
    path, track, case_ids = task
    return np.array(open_submission(path, get_track(track).format, case_ids).read()[0])
