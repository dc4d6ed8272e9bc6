"""Comparing two submissions: how far apart they are, how surely, and on which cases most."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError, beside, json_text, write_text
from harness.progress import Report, silent
from harness.ranking import CARD, check_one_truth, score_all
from harness.resampling import MIN_GROUPS, bootstrap, chance_lower, interval
from harness.scoring import Scored, known
from harness.tracks import Score
from submissions import open_submission

SCHEMA = "astroboard-comparison/1"
SHOWN = 3


def compare(
    first: Path,
    second: Path,
    truth: Path | None,
    out: Path | None = None,
    data: Path | None = None,
    report: Report = silent,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Compare two submissions, or score cards, that were scored against one truth file.

    For each score the difference first − second with its 95 % interval, and the chance that the first is
    better (paired bootstrap over groups); for each ranked score that is a mean over cases the SHOWN cases
    where they differ most. With ``out``, ``comparison.json`` and a picture of each of these cases, the first
    above the second, unless one of the two is a card; pictures of stamps need ``data`` with their images.
    """
    with ExitStack() as stack:
        true = stack.enter_context(open_dataset(truth)) if truth else None
        _, scored, unreadable = score_all([first, second], true, report, executor)
        for name, reason in unreadable:
            raise HarnessError(f"{name} cannot be compared: {reason}")
        for one in scored:
            if not one.report.accepted:
                raise HarnessError(f"{one.path.name} cannot be compared: {one.report.summary()}")
        comparison = compared(scored[0], scored[1])
        if out is not None:
            if true is not None and CARD not in (first.suffix, second.suffix):
                shown = stack.enter_context(open_dataset(data, true.track)) if data else true
                _draw(scored, comparison["cases"], true, shown, out)
            write_text(out / "comparison.json", json_text(comparison))
    return comparison


def compared(first: Scored, second: Scored) -> dict[str, Any]:
    """The comparison of two that were scored on the same cases, as JSON values."""
    track = first.track
    check_one_truth([first, second])
    sums = [first.sums(), second.sums()]
    groups, one, other = sums[0].shape[0], first.values(), second.values()
    drawn = bootstrap(track, sums)
    low, high = interval(drawn[:, 0] - drawn[:, 1], groups)
    signed = drawn * [1 if score.lower_is_better else -1 for score in track.scores]
    chance = chance_lower(*np.moveaxis(signed if groups >= MIN_GROUPS else signed[:0], 1, 0))
    return {
        "schema": SCHEMA,
        "track": track.name,
        "cases_compared": len(first.case_ids),
        "groups": groups,
        "truth_fingerprint": first.truth_fingerprint,
        **{
            name: {"file": each.path.name, "team": each.team, "method": each.method,
                   "submission_sha256": each.sha256, "source": each.source}
            for name, each in (("a", first), ("b", second))
        },
        "scores": [
            {
                "key": score.key,
                "title": score.title,
                "lower_is_better": score.lower_is_better,
                "ranked": score.ranked,
                "digits": score.digits,
                "a": float(one[index]),
                "b": float(other[index]),
                "difference": float(one[index] - other[index]),
                "low": known(low[index]),
                "high": known(high[index]),
                "p_a_better": known(chance[index]),
            }
            for index, score in enumerate(track.scores)
        ],
        "cases": _cases(first, second),
    }  # fmt: skip


def _cases(first: Scored, second: Scored) -> list[dict[str, Any]]:
    """Where they differ most by each ranked score; equal differences by how far all scores differ."""
    scores: list[Score] = [one for one in first.track.scores if one.column]
    columns = [one.column or "" for one in scores]
    differences = np.stack([first.columns[name].astype(float) - second.columns[name] for name in columns])
    spread = differences.std(axis=1, keepdims=True)
    total = np.abs(differences / np.where(spread > 0, spread, 1)).sum(axis=0)
    cases = []
    for score, difference in zip(scores, differences, strict=True):
        if not score.ranked:
            continue
        order = np.lexsort((-total, -np.abs(difference)))[:SHOWN]
        cases += [
            {
                "score": score.key,
                "case_id": first.case_ids[row],
                "group": int(first.groups[row]),
                "a": float(first.columns[score.column or ""][row]),
                "b": float(second.columns[score.column or ""][row]),
                "difference": float(difference[row]),
            }
            for row in order
            if difference[row]
        ]
    return cases


def _draw(scored: list[Scored], cases: list[dict[str, Any]], true: Dataset, data: Dataset, out: Path) -> None:
    """Write ``<case_id>.png`` for each case: the first prediction above the second."""
    from matplotlib.image import imsave

    from harness.report.figures import map_figure, stamp_figure

    track, ids = true.track, list(dict.fromkeys(case["case_id"] for case in cases))
    if not ids:
        return
    if track.classes and track.inputs.name not in data.columns:
        raise HarnessError(
            f"{data.path} has no images: name a data set that has, with --data, to draw stamps"
        )
    rows = {case_id: row for row, case_id in enumerate(true.case_ids())}
    places = {case_id: row for row, case_id in enumerate(data.case_ids())} if track.classes else rows
    if absent := [case_id for case_id in ids if case_id not in places]:
        raise HarnessError(f"{data.path} has no images of {', '.join(absent[:3])}: they cannot be drawn")
    predictions = [_predictions(one, ids) for one in scored]
    for index, case_id in enumerate(ids):
        truth, pictures = true.truth[rows[case_id]], []
        for one, predicted in zip(scored, predictions, strict=True):
            title = f"{case_id}: {one.team} / {one.method}"
            if track.classes:
                image = data.inputs[places[case_id]]
                figure = stamp_figure(image, predicted[index], track.classes, int(truth), title)
            else:
                figure = map_figure(truth.astype(np.float32), predicted[index].astype(np.float32), title)
            pictures.append(_pixels(figure))
        with beside(out / f"{case_id}.png") as temporary:
            imsave(temporary, np.concatenate(pictures), format="png", metadata={"Software": None})  # type: ignore[dict-item]


def _predictions(one: Scored, case_ids: list[str]) -> np.ndarray:
    with open_submission(one.path, one.track.format, case_ids) as submission:
        return np.concatenate([chunk for _, chunk in submission.chunks()])


def _pixels(figure: Any) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())
