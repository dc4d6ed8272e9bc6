"""A page for each submission: its scores, their histograms over the cases, pictures, and its provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from scipy.stats import rankdata

from harness.data.store import Dataset, open_dataset
from harness.evaluation.board import Board
from harness.evaluation.scoring import Scored
from harness.files import write_text
from harness.progress import ProgressCallback, no_progress
from harness.report.colours import BOTH_MODES
from harness.report.drawing import value_of_case
from harness.report.figures import curves_figure, inline
from harness.report.page import NONE, page_name, render
from harness.tracks import Score, load
from submissions import open_submission

BINS = 32
QUANTILES_SHOWN = (0.005, 0.995)
Bins = tuple[Score, np.ndarray, np.ndarray]
"""A score by case, the edges of its histogram, and the share of the cases of all submissions in each bin."""


def write_submission_pages(
    board: Board, scored: Sequence[Scored], truth: Path, folder: Path, inputs: Path | None = None,
    histories: Mapping[Path, Path] = NONE, progress: ProgressCallback = no_progress,
) -> dict[str, str]:  # fmt: skip
    """Write ``submissions/<start of its SHA-256>.html`` for each row of the board that was scored here.

    ``inputs`` is a file with the inputs of the cases, for pictures of stamps; a full data set as ``truth``
    serves as well. ``histories`` has the history.csv of the training run that a submission is from, by the
    path of the submission. Where the board is of the public cases, the pages show nothing by case. Each
    submission is read once more. Returns the links that `write_leaderboard` takes, by SHA-256.
    """
    by_sha256 = {each.sha256: each for each in scored if each.report.accepted and each.source == "submission"}
    rows = [row for row in board.rows if row.submission_sha256 in by_sha256]
    links = {row.submission_sha256: page_name(row.submission_sha256) for row in rows}
    public = board.part == "public"
    bins = [] if public or not rows else _bins(list(by_sha256.values()))
    with ExitStack() as stack:
        data = stack.enter_context(open_dataset(truth))
        given = stack.enter_context(open_dataset(inputs, data.track)) if inputs else data
        for done, row in enumerate(rows):
            progress(done, len(rows), "pages")
            submission = by_sha256[row.submission_sha256]
            history = histories.get(submission.path)
            page = render(
                "submission.html", board=board, row=row, public=public, submission=submission,
                training=inline(curves_figure(history, "", submission.track.scores)) if history else None,
                histograms=[_histogram(submission, *of_score) for of_score in bins],
                **_cases(submission, data, given, {} if public else _chosen(submission), public),
            )  # fmt: skip
            write_text(folder / links[submission.sha256], page)
    return links


def _cases(
    submission: Scored, data: Dataset, given: Dataset, chosen: Mapping[str, str], public: bool
) -> dict[str, Any]:
    """The manifest of a submission, the chosen cases and, unless ``public``, what its track draws of all.

    A case is a picture, or in words where its track cannot draw it, and its index in the columns of scores.
    """
    track = submission.track
    drawing = load(track.drawing) if track.drawing else None
    overview = None if public else getattr(drawing, "overview", None)
    wanted = set(submission.case_ids if overview else chosen)
    case_ids = [case_id for case_id in data.case_ids() if case_id in wanted]
    opened = open_submission(submission.path, track.format, case_ids)
    predictions = dict(zip(case_ids, opened.read()[0] if case_ids else (), strict=True))
    inputs_of = value_of_case(given, track.inputs.name)
    target_of = value_of_case(data, track.truth.name)
    cases = []
    for case_id, name in chosen.items():
        target, prediction = target_of(case_id), predictions[case_id]
        case = {"name": name, "case_id": case_id, "index": submission.case_ids.index(case_id)}
        case |= {"target": "", "prediction": "", "alt": "", "picture": None}
        if drawing:
            case |= drawing.case_texts(case_id, target, prediction)
            with matplotlib.rc_context(BOTH_MODES):
                figure = drawing.case_figure(inputs_of(case_id), target, prediction, "")
                case["picture"] = inline(figure) if figure else None
        cases.append(case)
    drawn = None
    if overview:
        drawn = overview(submission.columns, np.array([predictions[name] for name in submission.case_ids]))
        drawn["panels"] = [panel._asdict() | {"picture": inline(panel.figure)} for panel in drawn["panels"]]
    return {"manifest": opened.manifest, "cases": cases, "overview": drawn,
            "scores": _scores_by_case(submission), "ordered_by": _ordering(submission)}  # fmt: skip


def _scores_by_case(submission: Scored) -> list[Score]:
    """The scores that are computed for each case; accuracy has a column, too, but only of right and wrong."""
    return [score for score in submission.track.scores if score.column and not score.summary]


def _ordering(submission: Scored) -> list[Score]:
    """Of the scores by case, those that rank, or all where none of them does."""
    scores = _scores_by_case(submission)
    return [score for score in scores if score.ranked] or scores


def _chosen(submission: Scored) -> dict[str, str]:
    """The best, the median and the worst case, by the mean of their ranks by the scores of a case."""
    values = [submission.columns[score.column] * score.sign for score in _ordering(submission)]
    order = np.argsort(rankdata(values, method="min", axis=1).mean(axis=0), kind="stable")
    indices = {"Best": order[0], "Median": order[len(order) // 2], "Worst": order[-1]}
    return {submission.case_ids[index]: name for name, index in indices.items()}


def _bins(scored: Sequence[Scored]) -> list[Bins]:
    """For each score by case, bins over what all submissions have, but for the extremes."""
    bins = []
    for score in _scores_by_case(scored[0]):
        values = np.concatenate([submission.columns[score.column] for submission in scored])
        low, high = np.quantile(values, QUANTILES_SHOWN)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        bins.append((score, edges, _shares(values, edges)))
    return bins


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares of the values in the bins; the outermost bins hold what lies beyond them, too."""
    return np.histogram(values.clip(edges[0], edges[-1]), edges)[0] / len(values)


def _histogram(submission: Scored, score: Score, edges: np.ndarray, all_shares: np.ndarray) -> dict[str, Any]:
    """A histogram as paths in a square of 100 × 100 units, and what it shows in numbers."""
    values = submission.columns[score.column]
    shares, width = _shares(values, edges), 100 / BINS
    scale = 95 / shares.max()
    tops, all_tops = ((100 - scale * heights).round(2).tolist() for heights in (shares, all_shares))
    inside = np.clip((values.mean() - edges[0]) / (edges[-1] - edges[0]), 0, 1)
    return {
        "score": score,
        "bars": "".join(f"M{round(width * bar, 2)} 100V{top}h{width}V100z" for bar, top in enumerate(tops)),
        "outline": "M0 100" + "".join(f"V{top}h{width}" for top in all_tops) + "V100",
        "mean_at": round(100 * float(inside), 2),
        "mean": values.mean(),
        "ends": (edges[0], edges[-1]),
        "quartiles": np.quantile(values, [0.25, 0.5, 0.75]),
    }
