"""A page for each submission: its scores, their histograms over the cases, pictures, and its provenance."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from importlib.metadata import version
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from scipy.stats import rankdata

from harness.data.store import Dataset, open_dataset
from harness.evaluation.board import Board, Cell, Row
from harness.evaluation.scoring import Scored
from harness.files import HarnessError, csv_text, write_text
from harness.parallel import in_order, unless_few
from harness.progress import ProgressCallback, no_progress
from harness.report.colours import BOTH_MODES
from harness.report.drawing import Panel, value_of_case
from harness.report.drawing.tiles import alone
from harness.report.figures import curve_panels, inline_pixels, inline_svg, ramp
from harness.report.page import NONE, page_name, part_of, render, spans
from harness.tracks import Score, Track, load
from submissions import open_submission

FEW_PAGES = 12
"""So many pages are drawn in the time in which two processes start, import and draw them."""
BINS = 32
QUANTILES_SHOWN = (0.005, 0.995)
LEFT, RIGHT, TOP, BOTTOM = 34, 314, 8, 128
"""The frame of a histogram in its picture, which is 320 wide and 150 high."""


class Drawing(NamedTuple):
    """What to draw of a submission: a task that pickles, and tells what its result depends on.

    ``drawing`` names the module that draws for the track; ``columns`` are the scores by case, and ``chosen``
    has the cases to draw and what to call each: none, where the board is public and nothing by case is drawn.
    ``data`` has the truth of the cases, ``inputs`` their inputs. ``history`` is the history.csv of the run,
    if it is known.
    """

    submission: Path
    drawing: str
    columns: dict[str, np.ndarray]
    case_ids: list[str]
    chosen: Mapping[str, str]
    data: Path
    inputs: Path
    history: Path | None


def write_submission_pages(
    board: Board, scored: Sequence[Scored], truth: Path, folder: Path, inputs: Path | None = None,
    histories: Mapping[Path, Path] = NONE, progress: ProgressCallback = no_progress,
    executor: Executor | None = None, force: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Write ``submissions/<start of its SHA-256>.html`` for each row of the board that was scored here.

    ``inputs`` is a file with the inputs of the cases, for pictures of stamps; a full data set as ``truth``
    serves as well. ``histories`` has the history.csv of the training run that a submission is from, by the
    path of the submission. Where the board is of the public cases, the pages show nothing by case. An
    ``executor`` draws several submissions at once, but the processes of `harness.parallel.executor` are not
    started for FEW_PAGES or fewer. What is drawn is taken from the page that is there, if nothing that it
    depends on has changed; with ``force`` all is drawn anew. Returns the links that `write_leaderboard`
    takes, by SHA-256.
    """
    rows, by_sha256 = shown_rows(board, scored)
    links = {row.submission_sha256: page_name(row.submission_sha256) for row in rows}
    if not rows:
        return links
    public, inputs = board.part == "public", inputs or truth
    with open_dataset(truth) as data, open_dataset(inputs, data.track) as given:
        cases = f"{data.fingerprint} {given.fingerprint if data.track.inputs.name in given.columns else ''}"
    keys, drawn, tasks = {}, {}, {}
    for sha256, page in links.items():
        each = by_sha256[sha256]
        history = histories.get(each.path)
        keys[sha256] = _key(each, cases, history, public)
        drawn[sha256] = "" if force else part_of(folder / page, f"drawn {keys[sha256]}")
        if not drawn[sha256]:
            tasks[sha256] = Drawing(
                each.path.absolute(), each.track.drawing, each.columns, each.case_ids,
                {} if public else _chosen(each), truth.absolute(), inputs.absolute(),
                history and history.absolute(),
            )  # fmt: skip
    pool = unless_few(executor, len(tasks), FEW_PAGES)
    for done, (sha256, made) in enumerate(zip(tasks, in_order(pool, draw, tasks.values()), strict=True), 1):
        drawn[sha256] = made
        progress(done, len(tasks), "pages")
    pooled, of_board = _pooled(list(by_sha256.values())), {"spans": spans(board), "bests": _bests(board)}
    for place, row in enumerate(rows):
        submission = by_sha256[row.submission_sha256]
        page = render(
            "submission.html", board=board, row=row, public=public, submission=submission,
            histograms=[] if public else [_histogram(submission, *each) for each in pooled],
            neighbours={"Previous": rows[place - 1] if place else None, "Next": (*rows, None)[place + 1]},
            links=links, **of_board, csv="" if public else _as_csv(submission),
            key=keys[submission.sha256], drawn=Markup(drawn[submission.sha256]),
        )  # fmt: skip
        write_text(folder / links[submission.sha256], page)
    return links


def shown_rows(board: Board, scored: Sequence[Scored]) -> tuple[list[Row], dict[str, Scored]]:
    """The rows of a board of which a submission was scored here, and these submissions by their SHA-256."""
    by_sha256 = {each.sha256: each for each in scored if each.report.accepted and each.source == "submission"}
    rows = [row for row in board.rows if row.source != "card" and row.submission_sha256 in by_sha256]
    return rows, by_sha256


@rc_context(BOTH_MODES)
def draw(task: Drawing) -> str:
    """The HTML of the drawn part of a page: its cases, and its training."""
    with open_dataset(task.data) as data, open_dataset(task.inputs, data.track) as given:
        training = _training(task, data.track)
        return render(
            "drawn.html", columns=task.columns, training=training, damaged=training is None,
            scores=scores_by_case(data.track), ordered_by=ordering(data.track), **_cases(task, data, given),
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
    """The chosen cases and, unless they are public, what the track draws of all.

    A case has its tiles, where its track draws any, and its index in the columns of scores.
    """
    track = data.track
    drawing = load(task.drawing) if task.drawing else None
    draw_all = getattr(drawing, "overview", None) if task.chosen else None  # none of a public board
    case_ids = task.case_ids if draw_all else list(task.chosen)
    read = open_submission(task.submission, track.format, case_ids).read()[0] if case_ids else ()
    predictions = dict(zip(case_ids, read, strict=True))
    inputs_of = value_of_case(given, track.inputs.name)
    target_of = value_of_case(data, track.truth.name)
    cases = []
    for case_id, name in task.chosen.items():
        shown = inputs_of(case_id), target_of(case_id), predictions[case_id]
        tiles = [
            tile._asdict()
            | {"picture": None if tile.shares else inline_pixels(alone(tile)), "ramp": ramp(tile.scale)}
            for tile in (drawing.case_tiles(*shown) if drawing else ())
        ]
        index = task.case_ids.index(case_id)
        cases.append({"name": name, "case_id": case_id, "index": index, "tiles": tiles})
    overview = draw_all(task.columns, np.array(read)) if draw_all else None
    if overview:
        overview["panels"] = _shown(overview["panels"])
    known = track.inputs.name in given.columns
    return {"cases": cases, "overview": overview, "pictures": known or not overview}


def _key(submission: Scored, cases: str, history: Path | None, public: bool) -> str:
    """A digest of all that the drawn part of a page depends on. A history may hold any bytes."""
    text = history and history.read_text(encoding="utf-8", errors="surrogateescape")
    parts = (version("astroboard"), submission.sha256, submission.track.drawing, cases, public,
             text, submission.case_ids)  # fmt: skip
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


def table_by_case(scored: Sequence[Scored], prefixes: Sequence[str]) -> tuple[list[str], Iterable[Any]]:
    """The header and the rows of the scores by case of submissions, each with a prefix to its columns."""
    scores = scores_by_case(scored[0].track)
    header = ["case_id", "group", *(f"{prefix}{score.key}" for score in scores for prefix in prefixes)]
    columns = [each.columns[score.column].tolist() for score in scores for each in scored]
    return header, zip(scored[0].case_ids, scored[0].groups.tolist(), *columns, strict=True)


def _as_csv(submission: Scored) -> str:
    """The address of the scores by case as CSV."""
    text = csv_text(*table_by_case([submission], [""]))
    return f"data:text/csv;base64,{base64.b64encode(text.encode()).decode()}"


def _bests(board: Board) -> dict[str, Cell]:
    """The best cell of each score, by key; of equal ones that of the first row."""
    best = {}
    for score in board.scores:
        cells = (row.metrics[score.key] for row in board.rows)
        best[score.key] = min(cells, key=lambda cell: score.sign * cell.mean)
    return best


def _counts(ascending: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The histogram of sorted values, as of `numpy.histogram`, which would sort them for each page."""
    starts = ascending.searchsorted(edges[:-1], side="left")
    return np.diff(starts, append=ascending.searchsorted(edges[-1], side="right"))


def _pooled(scored: Sequence[Scored]) -> list[tuple[Score, np.ndarray]]:
    """Each score by case, and its values of all submissions in ascending order."""
    return [
        (score, np.sort(np.concatenate([submission.columns[score.column] for submission in scored])))
        for score in scores_by_case(scored[0].track)
    ]


def _histogram(submission: Scored, score: Score, of_all: np.ndarray) -> dict[str, Any]:
    """A histogram as paths in its frame, its axes, and what it shows in numbers.

    The bins span the cases of this submission, but for extremes, which the outermost bins hold. The outline
    is of the cases of all submissions, whose values are sorted, as shares of them: those beyond the bins are
    left out.
    """
    values = submission.columns[score.column]
    low, high = np.quantile(values, QUANTILES_SHOWN)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    low, high = float(edges[0]), float(edges[-1])
    counts = np.histogram(values.clip(low, high), edges)[0]
    all_counts = _counts(of_all, edges) * len(values) / len(of_all)
    most, width = 1.05 * counts.max(), (RIGHT - LEFT) / BINS

    def height(count: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * min(count / most, 1), 2)

    def across(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * float(np.clip((value - low) / (high - low), 0, 1)), 2)

    bars = (
        f"M{round(LEFT + width * bar, 2)} {BOTTOM}V{height(count)}h{width}V{BOTTOM}z"
        for bar, count in enumerate(counts)
    )
    outline = (f"V{height(count)}h{width}" for count in all_counts)
    return {
        "score": score,
        "bars": "".join(bars),
        "outline": f"M{LEFT} {BOTTOM}{''.join(outline)}V{BOTTOM}",
        "mean_at": across(values.mean()),
        "mean": values.mean(),
        "x_ticks": [(across(tick), f"{tick:.6g}") for tick in _ticks(low, high, 4)],
        "y_ticks": [(height(tick), f"{tick:.0f}") for tick in _ticks(0, most, 2) if tick == round(tick)],
        "quartiles": np.quantile(values, [0.25, 0.75]),
        "frame": (LEFT, RIGHT, TOP, BOTTOM),
    }


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two numbers: at most that many and one, at distances of 1, 2 or 5."""
    rough = (high - low) / most
    decade = 10.0 ** floor(log10(rough))
    step = decade * next(each for each in (1, 2, 5, 10) if each * decade >= rough * (1 - 1e-9))
    return [float(step * index) for index in range(ceil(low / step), floor(high / step) + 1)]
