"""A page for each submission: its scores, their spread over the cases, cases to look at, its provenance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from scipy.stats import rankdata

import metrics
from harness.data.store import Dataset, open_dataset
from harness.evaluation.scoring import CHUNK, Scored
from harness.files import write_text
from harness.progress import ProgressCallback, no_progress
from harness.report import figures
from harness.report.page import board_view, render
from harness.tracks import STAMPS, Score, Track
from submissions import Manifest, open_submission

BINS = 32
INSIDE = (0.005, 0.995)
# Pictures of images have no ground, and text that is read on white and on the dark page alike.
_TEXT = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")
_GROUND = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
BOTH_MODES: dict[Any, str] = (
    dict.fromkeys(_TEXT, "#75838f")
    | dict.fromkeys(_GROUND, "none")
    | {"legend.facecolor": "white", "legend.labelcolor": "black"}
)


def write_submission_pages(
    board: dict[str, Any],
    scored: Sequence[Scored],
    truth: Path,
    folder: Path,
    inputs: Path | None = None,
    histories: Mapping[Path, Path] | None = None,
    progress: ProgressCallback = no_progress,
) -> dict[str, str]:
    """Write ``submissions/<start of its SHA-256>.html`` for each row of the board that was scored here.

    Returns the links that `write_page` takes, by SHA-256. ``inputs`` is a file with the stamps of the cases,
    which pictures of them need; a full data set as ``truth`` does as well. ``histories`` has the history.csv
    of the run that a submission is from, by the submission's path. Each submission is read once more. Where
    the board is of the public part of the cases, the pages show nothing by case.
    """
    view, public = board_view(board, {}), board["part"] == "public"
    here = {one.sha256: one for one in scored if one.report.accepted and one.source == "submission"}
    rows = [row for row in view["rows"] if row["submission_sha256"] in here]
    pages = {row["submission_sha256"]: f"submissions/{row['submission_sha256'][:16]}.html" for row in rows}
    with ExitStack() as stack:
        true = stack.enter_context(open_dataset(truth))
        given = stack.enter_context(open_dataset(inputs, true.track)) if inputs else true
        row_of = {case_id: row for row, case_id in enumerate(true.case_ids())}
        spreads = [] if public or not rows else _spreads(true.track, list(here.values()))
        for done, row in enumerate(rows):
            progress(done, len(rows), "pages")
            one = here[row["submission_sha256"]]
            chosen = {} if public else _chosen(one)
            wanted = chosen if public or not one.track.classes else one.case_ids
            manifest, predictions = _read(one, list(row_of), wanted)
            history = (histories or {}).get(one.path)
            page = render(
                "submission.html",
                board=view,
                row=row,
                public=public,
                histograms=[_histogram(one, *spread) for spread in spreads],
                ordered_by=[score.title for score in _case_scores(one)],
                cases=[
                    _case(one, case_id, name, true.truth[row_of[case_id]], predictions[case_id], given)
                    for case_id, name in chosen.items()
                ],
                classes=_classification(one, predictions) if predictions and one.track.classes else None,
                training=figures.inline(figures.curves_figure(history, "")) if history else None,
                provenance=_provenance(one, row, manifest),
            )
            write_text(folder / pages[one.sha256], page)
    return pages


def _read(
    one: Scored, case_ids: Sequence[str], wanted: Collection[str]
) -> tuple[Manifest | None, dict[str, np.ndarray]]:
    """The manifest of a submission, and its predictions for the cases that are wanted."""
    names = set(wanted)
    rows = {row: case_id for row, case_id in enumerate(case_ids) if case_id in names}
    predictions = {}
    with open_submission(one.path, one.track.format, case_ids) as submission:
        for start, chunk in submission.chunks(CHUNK) if rows else ():
            for row in rows.keys() & set(range(start, start + len(chunk))):
                predictions[rows[row]] = chunk[row - start].copy()
        return submission.manifest, predictions


def _case_scores(one: Scored) -> list[Score]:
    """Of the scores by case, those that rank, or all where none of them does."""
    by_case = _scores_by_case(one.track)
    return [score for score in by_case if score.ranked] or by_case


def _scores_by_case(track: Track) -> list[Score]:
    """The scores that are means of a number a case; right or wrong is a label, not a number."""
    return [one for one in track.scores if one.column and one.column != "correct"]


def _chosen(one: Scored) -> dict[str, str]:
    """The best, the median and the worst case, by the mean of their ranks by the scores of a case."""
    scores = _case_scores(one)
    signs = [1 if score.lower_is_better else -1 for score in scores]
    values = [sign * one.columns[score.column or ""] for sign, score in zip(signs, scores, strict=True)]
    order = np.argsort(rankdata(values, method="min", axis=1).mean(axis=0), kind="stable")
    places = {"Best": order[0], "Median": order[len(order) // 2], "Worst": order[-1]}
    return {one.case_ids[index]: name for name, index in places.items()}


def _case(
    one: Scored, case_id: str, name: str, truth: np.ndarray, prediction: np.ndarray, given: Dataset
) -> dict[str, Any]:
    """A case as the page shows it. A picture of stamps needs images, and other things than maps have none."""
    index, classes, picture = one.case_ids.index(case_id), one.track.classes, None
    with matplotlib.rc_context(BOTH_MODES):
        if classes and (image := _image(given, case_id)) is not None:
            picture = figures.inline(figures.stamp_figure(image, prediction, classes, int(truth), ""))
        elif not classes and prediction.ndim == 2:
            picture = figures.inline(figures.map_figure(truth.astype("f4"), prediction.astype("f4"), ""))
    return {
        "name": name,
        "case_id": case_id,
        "scores": [(score, one.columns[score.column or ""][index]) for score in _scores_by_case(one.track)],
        "label": classes[int(truth)] if classes else None,
        "probabilities": ", ".join(f"{c} {p:.3f}" for c, p in zip(classes, prediction, strict=bool(classes))),
        "picture": picture,
    }


def _image(given: Dataset, case_id: str) -> np.ndarray | None:
    ids = given.case_ids() if given.track.inputs.name in given.columns else []
    return np.asarray(given.inputs[ids.index(case_id)]) if case_id in ids else None


def _classification(one: Scored, predictions: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The confusion matrix as rows (class, counts, shares) and as a picture, and the supernovae's curves."""
    labels, names = one.columns["label"], one.track.classes
    counts = metrics.confusion_matrix(labels, one.columns["predicted"], len(names))
    rows = zip(names, counts.tolist(), metrics.normalise_rows(counts).tolist(), strict=True)
    confusion = figures.inline(figures.confusion_figure(counts, names))
    shown = {"names": names, "rows": list(rows), "confusion": confusion}
    if names == STAMPS.classes:
        probabilities = np.array([predictions[case_id] for case_id in one.case_ids])
        shown["curves"] = figures.inline(figures.supernova_curves_figure(labels, probabilities))
        shown["reliability"] = figures.inline(figures.reliability_figure(labels, probabilities))
    return shown


def _spreads(track: Track, scored: Sequence[Scored]) -> list[tuple[Score, np.ndarray, np.ndarray]]:
    """For each score by case the edges of the bins, and the shares of all submissions' cases in them."""
    spreads = []
    for score in _scores_by_case(track):
        values = np.concatenate([one.columns[score.column or ""] for one in scored])
        low, high = np.quantile(values, INSIDE)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        spreads.append((score, edges, _shares(values, edges)))
    return spreads


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares of the values in the bins; the outermost bins hold what lies beyond them, too."""
    return np.histogram(values.clip(edges[0], edges[-1]), edges)[0] / len(values)


def _histogram(one: Scored, score: Score, edges: np.ndarray, everyone: np.ndarray) -> dict[str, Any]:
    """A histogram as paths in a square of 100 × 100 units, and what it shows in words."""
    values = one.columns[score.column or ""]
    shares, width = _shares(values, edges), 100 / BINS
    scale = 95 / shares.max()
    tops = [(round(width * i, 2), round(100 - scale * mine, 2), round(100 - scale * all_, 2))
            for i, (mine, all_) in enumerate(zip(shares, everyone, strict=True))]  # fmt: skip
    quartiles = zip(("first", "median", "third"), np.quantile(values, [0.25, 0.5, 0.75]), strict=True)
    inside = np.clip((values.mean() - edges[0]) / (edges[-1] - edges[0]), 0, 1)
    return {
        "score": score,
        "bars": "".join(f"M{x} 100V{top}h{width}V100z" for x, top, _ in tops),
        "outline": "M0 100" + "".join(f"V{top}h{width}" for _, _, top in tops) + "V100",
        "mean_at": round(100 * float(inside), 2),
        "mean": values.mean(),
        "low": edges[0],
        "high": edges[-1],
        **dict(quartiles),
    }


def _provenance(one: Scored, row: dict[str, Any], manifest: Manifest | None) -> list[tuple[str, Any]]:
    """What is known of where a submission is from: names and values."""
    known: dict[str, Any] = {"file": row["file"], "SHA-256": one.sha256, "truth": one.truth_fingerprint}
    if manifest:
        known["made for the data set"] = manifest.dataset_fingerprint
        known |= {name: getattr(manifest, name) for name in ("seed", "hardware", "seconds")}
        known["versions"] = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    return [(name, value) for name, value in known.items() if value not in (None, "")]
