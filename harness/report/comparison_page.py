"""The comparison of two submissions as files: ``comparison.json`` and pictures of cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.data.store import open_dataset
from harness.evaluation.comparison import Comparison
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, beside, json_text, write_text
from harness.report.drawing import value_of_case
from harness.report.figures import pixels
from harness.tracks import load
from submissions import open_submission


def write_comparison(
    comparison: Comparison, scored: Sequence[Scored], truth: Path | None, out: Path, data: Path | None = None
) -> None:
    """Write ``comparison.json`` and ``<case_id>.png`` for each case where the two submissions differ most.

    A picture has the first prediction above the second. There are none where one of the two is a score card.
    ``data`` is a data set with the inputs of the cases, which pictures of stamps need; a full data set as
    ``truth`` serves as well. Raises HarnessError where it does not have them.
    """
    case_ids = list(dict.fromkeys(case.case_id for case in comparison.cases))
    if case_ids and truth and all(submission.source == "submission" for submission in scored):
        _draw(scored, case_ids, truth, data or truth, out)
    write_text(out / "comparison.json", json_text(comparison.to_json()))


def _draw(scored: Sequence[Scored], case_ids: list[str], truth: Path, data: Path, out: Path) -> None:
    track = scored[0].track
    if not track.drawing:
        return
    from matplotlib.image import imsave

    drawing = load(track.drawing)
    predictions = [open_submission(each.path, track.format, case_ids).read()[0] for each in scored]
    with open_dataset(truth, track) as targets, open_dataset(data, track) as given:
        inputs_of = value_of_case(given, track.inputs.name)
        target_of = value_of_case(targets, track.truth.name)
        for index, case_id in enumerate(case_ids):
            pictures = []
            for submission, predicted in zip(scored, predictions, strict=True):
                title = f"{case_id}: {submission.team} / {submission.method}"
                figure = drawing.case_figure(inputs_of(case_id), target_of(case_id), predicted[index], title)
                if figure is None:
                    raise HarnessError(
                        f"pictures must have the inputs of case {case_id}, got {data} without them; name a "
                        "data set that has them, with --data"
                    )
                pictures.append(pixels(figure, figure.dpi))
            with beside(out / f"{case_id}.png") as temporary:
                imsave(temporary, np.concatenate(pictures), format="png", metadata={"Software": None})  # type: ignore[dict-item]
