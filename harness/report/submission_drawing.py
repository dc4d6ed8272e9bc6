"""The drawn part of the page of a submission: its cases, and its training."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import matplotlib
import numpy as np

from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError
from harness.report.colours import BOTH_MODES
from harness.report.drawing import Panel, value_of_case
from harness.report.drawing.tiles import alone
from harness.report.figures import curve_panels, inline, inline_svg, ramp
from harness.report.page import render
from harness.report.submission_page import Drawing, ordering, scores_by_case
from harness.tracks import Track, load
from submissions import open_submission


def draw(task: Drawing) -> str:
    """The HTML of the drawn part."""
    with ExitStack() as stack:
        data = stack.enter_context(open_dataset(task.data))
        given = stack.enter_context(open_dataset(task.inputs, data.track))
        with matplotlib.rc_context(BOTH_MODES):
            training = _training(task, data.track)
            return render(
                "drawn.html", columns=task.columns, training=training, damaged=training is None,
                scores=scores_by_case(data.track), ordered_by=ordering(data.track),
                **_cases(task, data, given),
            )  # fmt: skip


def _training(task: Drawing, track: Track) -> list[dict[str, Any]] | None:
    """The learning curves, if the training is known; None if its history cannot be drawn."""
    try:
        return _shown(curve_panels(task.history, track.scores)) if task.history else []
    except HarnessError:
        return None  # the board and the rest of the page need no curves


def _shown(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    return [panel._asdict() | {"picture": inline_svg(panel.figure)} for panel in panels]


def _cases(task: Drawing, data: Dataset, given: Dataset) -> dict[str, Any]:
    """The chosen cases and, unless ``public``, what the track draws of all.

    A case has its tiles, where its track draws any, and its index in the columns of scores.
    """
    track = data.track
    drawing = load(task.drawing) if task.drawing else None
    overview = None if task.public else getattr(drawing, "overview", None)
    wanted = set(task.case_ids if overview else task.chosen)
    case_ids = [case_id for case_id in data.case_ids() if case_id in wanted]
    read = open_submission(task.submission, track.format, case_ids).read()[0] if case_ids else ()
    predictions = dict(zip(case_ids, read, strict=True))
    inputs_of = value_of_case(given, track.inputs.name)
    target_of = value_of_case(data, track.truth.name)
    cases = []
    for case_id, name in task.chosen.items():
        case: dict[str, Any] = {"name": name, "case_id": case_id, "index": task.case_ids.index(case_id)}
        tiles = (
            drawing.case_tiles(inputs_of(case_id), target_of(case_id), predictions[case_id])
            if drawing
            else []
        )
        case["tiles"] = [
            tile._asdict()
            | {"picture": None if tile.shares else inline(alone(tile)), "ramp": ramp(tile.scale)}
            for tile in tiles
        ]
        cases.append(case)
    drawn = None
    if overview:
        drawn = overview(task.columns, np.array([predictions[name] for name in task.case_ids]))
        drawn["panels"] = _shown(drawn["panels"])
    return {"cases": cases, "overview": drawn, "pictures": track.inputs.name in given.columns or not overview}
