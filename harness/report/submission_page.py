"""A page for each submission: its scores, their histograms over the cases, pictures, and its provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from scipy.stats import rankdata

from harness.data.store import open_dataset
from harness.evaluation.board import Board
from harness.evaluation.scoring import Scored
from harness.files import write_text
from harness.parallel import in_order
from harness.progress import ProgressCallback, no_progress
from harness.report.page import NONE, page_name, part_of, render
from harness.tracks import Score, Track

BINS = 32
QUANTILES_SHOWN = (0.005, 0.995)
Bins = tuple[Score, np.ndarray, np.ndarray]
"""A score by case, the edges of its histogram, and the share of the cases of all submissions in each bin."""


class Drawing(NamedTuple):
    """What to draw of a submission: a task that pickles, and tells what its result depends on.

    ``drawing`` names the module that draws for the track; ``columns`` are the scores by case, and ``chosen``
    has the cases to draw and what to call each. ``data`` has the truth of the cases, ``inputs`` their inputs.
    ``history`` is the history.csv of the run, if it is known. Where ``public``, no case is drawn.
    """

    submission: Path
    drawing: str
    columns: dict[str, np.ndarray]
    case_ids: list[str]
    chosen: Mapping[str, str]
    data: Path
    inputs: Path
    history: Path | None
    public: bool


def write_submission_pages(
    board: Board, scored: Sequence[Scored], truth: Path, folder: Path, inputs: Path | None = None,
    histories: Mapping[Path, Path] = NONE, progress: ProgressCallback = no_progress,
    executor: Executor | None = None, force: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Write ``submissions/<start of its SHA-256>.html`` for each row of the board that was scored here.

    ``inputs`` is a file with the inputs of the cases, for pictures of stamps; a full data set as ``truth``
    serves as well. ``histories`` has the history.csv of the training run that a submission is from, by the
    path of the submission. Where the board is of the public cases, the pages show nothing by case. An
    ``executor`` draws several submissions at once. What is drawn is taken from the page that is there, if
    nothing that it depends on has changed; with ``force`` all is drawn anew. Returns the links that
    `write_leaderboard` takes, by SHA-256.
    """
    by_sha256 = {each.sha256: each for each in scored if each.report.accepted and each.source == "submission"}
    rows = [row for row in board.rows if row.submission_sha256 in by_sha256]
    links = {row.submission_sha256: page_name(row.submission_sha256) for row in rows}
    if not rows:
        return links
    public, inputs = board.part == "public", inputs or truth
    bins = [] if public else _bins(list(by_sha256.values()))
    with open_dataset(truth) as data, open_dataset(inputs, data.track) as given:
        cases = f"{data.fingerprint} {given.fingerprint if data.track.inputs.name in given.columns else ''}"
    keys, drawn = {}, {}
    for sha256 in links:
        submission, history = by_sha256[sha256], histories.get(by_sha256[sha256].path)
        keys[sha256] = _key(submission, cases, history, public)
        drawn[sha256] = "" if force else part_of(folder / links[sha256], f"drawn {keys[sha256]}")
    tasks = {
        sha256: Drawing(
            each.path.absolute(), each.track.drawing, each.columns, each.case_ids,
            {} if public else _chosen(each), truth.absolute(), inputs.absolute(),
            histories[each.path].absolute() if each.path in histories else None, public,
        )
        for sha256, each in by_sha256.items() if sha256 in links and not drawn[sha256]
    }  # fmt: skip
    pool = executor if len(tasks) > 1 else None
    for done, (sha256, made) in enumerate(zip(tasks, in_order(pool, _draw, tasks.values()), strict=True)):
        drawn[sha256] = made
        progress(done + 1, len(tasks), "pages")
    for row in rows:
        submission = by_sha256[row.submission_sha256]
        page = render(
            "submission.html", board=board, row=row, public=public, submission=submission,
            histograms=[_histogram(submission, *of_score) for of_score in bins],
            key=keys[submission.sha256], drawn=Markup(drawn[submission.sha256]),
        )  # fmt: skip
        write_text(folder / links[submission.sha256], page)
    return links


def _draw(task: Drawing) -> str:
    from harness.report.submission_drawing import draw  # imports matplotlib, here or in another process

    return draw(task)


def _key(submission: Scored, cases: str, history: Path | None, public: bool) -> str:
    """A digest of all that the drawn part of a page depends on."""
    parts = (version("astroboard"), submission.sha256, submission.track.drawing, cases, public,
             history and history.read_text(encoding="utf-8"), submission.case_ids)  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def scores_by_case(track: Track) -> list[Score]:
    """The scores that are computed for each case; accuracy has a column, too, but only of right and wrong."""
    return [score for score in track.scores if score.column and not score.summary]


def ordering(track: Track) -> list[Score]:
    """Of the scores by case, those that rank, or all where none of them does."""
    scores = scores_by_case(track)
    return [score for score in scores if score.ranked] or scores


def by_difficulty(submission: Scored) -> np.ndarray:
    """The indices of the cases, best first, by the mean of their ranks by the scores of a case."""
    values = [submission.columns[score.column] * score.sign for score in ordering(submission.track)]
    return np.argsort(rankdata(values, method="min", axis=1).mean(axis=0), kind="stable")


def _chosen(submission: Scored) -> dict[str, str]:
    """The best, the median and the worst case."""
    order = by_difficulty(submission)
    indices = {"Best": order[0], "Median": order[len(order) // 2], "Worst": order[-1]}
    return {submission.case_ids[index]: name for name, index in indices.items()}


def _bins(scored: Sequence[Scored]) -> list[Bins]:
    """For each score by case, bins over what all submissions have, but for the extremes."""
    bins = []
    for score in scores_by_case(scored[0].track):
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
