"""A page for each submission: its scores, their histograms over the cases, pictures, and its provenance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from scipy.stats import rankdata

from harness.data.store import open_dataset
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, write_text
from harness.progress import ProgressCallback, no_progress
from harness.report import figures
from harness.report.colours import BOTH_MODES
from harness.report.drawing import value_of_case
from harness.report.page import BoardSource, board_view, render, submission_page
from harness.tracks import Score, Track, load
from submissions import Manifest, open_submission

BINS = 32
QUANTILES_SHOWN = (0.005, 0.995)
NOTHING_BY_CASE: dict[str, Any] = {"histograms": [], "ordered_by": [], "cases": [], "overview": None}
Bins = tuple[Score, np.ndarray, np.ndarray]
"""A score by case, the edges of its histogram, and the share of the cases of all submissions in each bin."""


@dataclass(frozen=True)
class _Cases:
    """The cases of the truth file, and how their track draws them (None: not at all)."""

    case_ids: list[str]
    inputs_of: Callable[[str], np.ndarray | None]
    target_of: Callable[[str], np.ndarray | None]
    drawing: Any


def write_submission_pages(
    source: BoardSource, folder: Path, progress: ProgressCallback = no_progress
) -> dict[str, str]:
    """Write ``submissions/<start of its SHA-256>.html`` for each row of the board that was scored here.

    Returns the links that `write_page` takes, by SHA-256. Each submission is read once more. Where the board
    is of the public cases, the pages show nothing by case. Raises HarnessError if the source has no truth.
    """
    if source.truth is None:
        raise HarnessError("pages of submissions must have a truth file, got none")
    view, public = board_view(source.board, {}), source.board.part == "public"
    by_sha256 = {
        submission.sha256: submission
        for submission in source.scored
        if submission.report.accepted and submission.source == "submission"
    }
    rows = [row for row in view["rows"] if row["submission_sha256"] in by_sha256]
    links = {row["submission_sha256"]: submission_page(row["submission_sha256"]) for row in rows}
    bins = [] if public or not rows else _bins(list(by_sha256.values()))
    with ExitStack() as stack:
        data = stack.enter_context(open_dataset(source.truth))
        track = data.track
        given = stack.enter_context(open_dataset(source.inputs, track)) if source.inputs else data
        cases = _Cases(
            data.case_ids(), value_of_case(given, track.inputs.name), value_of_case(data, track.truth.name),
            load(track.drawing) if track.drawing else None,
        )  # fmt: skip
        for done, row in enumerate(rows):
            progress(done, len(rows), "pages")
            submission = by_sha256[row["submission_sha256"]]
            if public:
                manifest, by_case = _read(submission, cases.case_ids, ())[0], NOTHING_BY_CASE
            else:
                manifest, by_case = _by_case(submission, cases, bins)
            history = source.histories.get(submission.path)
            page = render(
                "submission.html",
                board=view,
                row=row,
                public=public,
                training=figures.inline(figures.curves_figure(history, "")) if history else None,
                provenance=_provenance(submission, row, manifest),
                **by_case,
            )
            write_text(folder / links[submission.sha256], page)
    return links


def _by_case(
    submission: Scored, cases: _Cases, bins: Sequence[Bins]
) -> tuple[Manifest | None, dict[str, Any]]:
    """The manifest of a submission, and what its page shows of the cases."""
    chosen, overview = _chosen(submission), getattr(cases.drawing, "overview", None)
    wanted = submission.case_ids if overview else chosen
    manifest, predictions = _read(submission, cases.case_ids, wanted)
    shown = {
        "histograms": [_histogram(submission, *of_score) for of_score in bins],
        "ordered_by": [score.title for score in _case_scores(submission.track)],
        "cases": [
            _case(submission, cases, case_id, predictions[case_id]) | {"name": name}
            for case_id, name in chosen.items()
        ],
        "overview": None,
    }
    if overview:
        drawn = overview(submission.columns, np.array([predictions[name] for name in submission.case_ids]))
        shown["overview"] = drawn | {"pictures": [figures.inline(panel.figure) for panel in drawn["panels"]]}
    return manifest, shown


def _read(
    submission: Scored, case_ids: Sequence[str], wanted: Collection[str]
) -> tuple[Manifest | None, dict[str, np.ndarray]]:
    """The manifest of a submission, and its predictions for the cases that are wanted."""
    names = set(wanted)
    found = [case_id for case_id in case_ids if case_id in names]
    opened = open_submission(submission.path, submission.track.format, found)
    predictions = opened.read()[0] if found else ()
    return opened.manifest, dict(zip(found, predictions, strict=True))


def _case_scores(track: Track) -> list[Score]:
    """Of the scores by case, those that rank, or all where none of them does."""
    by_case = _scores_by_case(track)
    return [score for score in by_case if score.ranked] or by_case


def _scores_by_case(track: Track) -> list[Score]:
    """The scores that are computed for each case; accuracy has a column, too, but only of right and wrong."""
    return [score for score in track.scores if score.column and not score.summary]


def _chosen(submission: Scored) -> dict[str, str]:
    """The best, the median and the worst case, by the mean of their ranks by the scores of a case."""
    scores = _case_scores(submission.track)
    values = [submission.columns[score.column] * score.sign for score in scores]
    order = np.argsort(rankdata(values, method="min", axis=1).mean(axis=0), kind="stable")
    indices = {"Best": order[0], "Median": order[len(order) // 2], "Worst": order[-1]}
    return {submission.case_ids[index]: name for name, index in indices.items()}


def _case(submission: Scored, cases: _Cases, case_id: str, prediction: np.ndarray) -> dict[str, Any]:
    """A case as the page shows it: its scores, in words, and as a picture where its track can draw it."""
    index, target = submission.case_ids.index(case_id), cases.target_of(case_id)
    texts, figure = {"target": "", "prediction": "", "alt": ""}, None
    with matplotlib.rc_context(BOTH_MODES):
        if cases.drawing:
            texts = cases.drawing.case_texts(case_id, target, prediction)
            figure = cases.drawing.case_figure(cases.inputs_of(case_id), target, prediction, "")
        picture = figures.inline(figure) if figure else None
    scores = _scores_by_case(submission.track)
    return texts | {
        "case_id": case_id,
        "scores": [(score, submission.columns[score.column][index]) for score in scores],
        "picture": picture,
    }


def _bins(scored: Sequence[Scored]) -> list[Bins]:
    """For each score by case, bins over what all submissions have, but for the extremes."""
    bins = []
    for score in _scores_by_case(scored[0].track):
        values = np.concatenate([submission.columns[score.column] for submission in scored])
        low, high = np.quantile(values, QUANTILES_SHOWN)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        bins.append((score, edges, _shares(values, edges)))
    return bins


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares of the values in the bins; the outermost bins hold what lies beyond them, too."""
    return np.histogram(values.clip(edges[0], edges[-1]), edges)[0] / len(values)


def _histogram(submission: Scored, score: Score, edges: np.ndarray, all_shares: np.ndarray) -> dict[str, Any]:
    """A histogram as paths in a square of 100 × 100 units, and what it shows in words."""
    values = submission.columns[score.column]
    shares, width = _shares(values, edges), 100 / BINS
    scale = 95 / shares.max()
    lefts = [round(width * index, 2) for index in range(BINS)]
    tops, all_tops = ((100 - scale * heights).round(2).tolist() for heights in (shares, all_shares))
    first, median, third = np.quantile(values, [0.25, 0.5, 0.75])
    inside = np.clip((values.mean() - edges[0]) / (edges[-1] - edges[0]), 0, 1)
    return {
        "score": score,
        "bars": "".join(f"M{x} 100V{top}h{width}V100z" for x, top in zip(lefts, tops, strict=True)),
        "outline": "M0 100" + "".join(f"V{top}h{width}" for top in all_tops) + "V100",
        "mean_at": round(100 * float(inside), 2),
        "mean": values.mean(),
        "low": edges[0],
        "high": edges[-1],
        "first": first,
        "median": median,
        "third": third,
    }


def _provenance(submission: Scored, row: dict[str, Any], manifest: Manifest | None) -> list[tuple[str, Any]]:
    """Where a submission is from: names and values of what is known."""
    known: dict[str, Any] = {
        "file": row["file"], "SHA-256": submission.sha256, "truth": submission.truth_fingerprint
    }  # fmt: skip
    if manifest:
        known["made for the data set"] = manifest.dataset_fingerprint
        known |= {name: getattr(manifest, name) for name in ("seed", "hardware", "seconds")}
        known["versions"] = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return [(name, value) for name, value in known.items() if value not in (None, "")]
