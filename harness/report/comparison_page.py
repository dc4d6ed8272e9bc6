"""The comparison of two submissions as files: ``comparison.json`` and pictures of cases."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import Dataset, open_dataset
from harness.evaluation.comparison import compare_scores
from harness.evaluation.entries import CARD, score_all
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, beside, json_text, write_text
from harness.progress import ProgressCallback, no_progress
from harness.report.drawing import value_of_case
from harness.tracks import load
from submissions import open_submission


def compare(
    first: Path,
    second: Path,
    truth: Path | None,
    out: Path | None = None,
    data: Path | None = None,
    progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
    cases_shown: int = 3,
) -> dict[str, Any]:
    """Compare two submissions, or score cards, that were scored against one truth file.

    For each score the difference first − second with its 95 % interval, and the chance that the first is
    better (paired bootstrap over groups); for each ranked score that is a mean over cases the
    ``cases_shown`` cases where they differ most. With ``out``, ``comparison.json`` and a picture of each of
    these cases, the first above the second, unless one of the two is a card; pictures of stamps need ``data``
    with their images.
    """
    with ExitStack() as stack:
        true = stack.enter_context(open_dataset(truth)) if truth else None
        _, scored, unreadable = score_all([first, second], true, progress, executor)
        for name, reason in unreadable:
            raise HarnessError(f"{name} cannot be compared: {reason}")
        for one in scored:
            if not one.report.accepted:
                raise HarnessError(f"{one.path.name} cannot be compared: {one.report.summary()}")
        comparison = compare_scores(scored[0], scored[1], cases_shown).to_json()
        if out is not None:
            if true is not None and CARD not in (first.suffix, second.suffix):
                shown = stack.enter_context(open_dataset(data, true.track)) if data else true
                _draw(scored, comparison["cases"], true, shown, out)
            write_text(out / "comparison.json", json_text(comparison))
    return comparison


def _draw(scored: list[Scored], cases: list[dict[str, Any]], true: Dataset, data: Dataset, out: Path) -> None:
    """Write ``<case_id>.png`` for each case: the first prediction above the second."""
    track, case_ids = true.track, list(dict.fromkeys(case["case_id"] for case in cases))
    if not case_ids or not track.drawing:
        return
    from matplotlib.image import imsave

    drawing = load(track.drawing)
    inputs_of, target_of = value_of_case(data, track.inputs.name), value_of_case(true, track.truth.name)
    predictions = [_predictions(submission, case_ids) for submission in scored]
    for index, case_id in enumerate(case_ids):
        pictures = []
        for submission, predicted in zip(scored, predictions, strict=True):
            title = f"{case_id}: {submission.team} / {submission.method}"
            figure = drawing.case_figure(inputs_of(case_id), target_of(case_id), predicted[index], title)
            if figure is None:
                raise HarnessError(
                    f"--data must be a data set with the inputs of case {case_id}, got {data.path}; name one "
                    "that has them"
                )
            pictures.append(_pixels(figure))
        with beside(out / f"{case_id}.png") as temporary:
            imsave(temporary, np.concatenate(pictures), format="png", metadata={"Software": None})  # type: ignore[dict-item]


def _predictions(submission: Scored, case_ids: list[str]) -> np.ndarray:
    predictions, _ = open_submission(submission.path, submission.track.format, case_ids).read()
    return predictions


def _pixels(figure: Any) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())
