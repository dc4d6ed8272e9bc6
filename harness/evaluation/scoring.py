"""Scoring a submission against the truth: the same checks as validation, then the track's scores."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from harness.data.store import DataError, Dataset, open_dataset
from harness.evaluation.board import Value
from harness.evaluation.bootstrap import (
    GroupSums,
    bootstrap,
    concatenated,
    exact_intervals,
    group_sums,
    interval,
    none_if_nan,
    settled,
)
from harness.evaluation.records import Record
from harness.files import write_csv
from harness.parallel import Processes, in_order
from harness.progress import ProgressCallback, no_progress
from harness.schemas import SCORE_CARD
from harness.tracks import ByCase, Track
from submissions import Findings, ValidationReport, open_submission
from submissions.manifest import Manifest
from submissions.reading import Chunk

CHUNK = 256
MIN_CASES_FOR_PROCESSES = 20_000
"""Fewer cases are scored sooner by threads, which need not start and import first."""
MAX_THREADS = 4
"""So many threads do as well as processes; more of them wait for each other."""


@dataclass(frozen=True)
class Scored:
    """A checked submission with its scores by case, ``columns``, in the order of the truth file.

    If ``report.accepted`` is false, there are no scores. ``source`` is "card" if they were read from a score
    card instead of the submission. ``owner`` is the name of the folder that the submission was ranked in,
    which identifies its author; None for a file that was named individually.
    """

    path: Path
    track: Track
    team: str
    method: str
    sha256: str
    report: ValidationReport
    columns: dict[str, np.ndarray]
    case_ids: list[str]
    groups: np.ndarray
    truth_fingerprint: str
    seed: int | None = None
    source: Literal["submission", "card"] = "submission"
    owner: str | None = None
    manifest: Manifest | None = None

    def class_counts(self) -> dict[str, int] | None:
        """The number of cases of each true class; None for a track without classes."""
        if not self.track.label:
            return None
        counts = np.bincount(self.columns[self.track.label].astype(int), minlength=len(self.track.classes))
        return dict(zip(self.track.classes, counts.tolist(), strict=True))

    def sums(self) -> GroupSums:
        """The sums over each group that the scores are computed from. Raises DataError if it was refused."""
        if not self.report.accepted:
            raise DataError(f"{self.path} must be accepted to have scores, got {self.report.summary()}")
        return group_sums(self.track, self.columns, self.groups)

    def values(self) -> dict[str, float]:
        """The track's scores over all cases, by key."""
        return self.sums().total_scores(self.track)


def score(
    path: str | PathLike[str], truth: Dataset | str | PathLike[str], progress: ProgressCallback = no_progress,
    executor: Executor | None = None,
) -> Scored:  # fmt: skip
    """Check a submission completely, and score it by case.

    Parameters
    ----------
    path : path of the submission
    truth : Dataset, or path of a data set with truth
        Cases are matched by id.
    progress : callable, optional
    executor : concurrent.futures.Executor, optional
        Where to score the cases in parallel. A small submission is scored by threads instead. The result is
        the same.

    Returns
    -------
    Scored
        The scores by case, or, in ``report``, the faults of the submission.

    Raises
    ------
    SubmissionError
        If the file cannot be read at all.
    DataError
        If the data set is at fault.
    """
    if not isinstance(truth, Dataset):
        with open_dataset(truth) as opened:
            return score(path, opened, progress, executor)
    path, track, case_ids = Path(path), truth.track, truth.case_ids()
    submission = open_submission(path, track.format, case_ids, truth.submissions_fingerprint)
    accepted, done = not submission.findings.faults, 0
    findings: list[Findings] = []
    columns: list[dict[str, np.ndarray]] = []
    with ExitStack() as stack:
        digest = stack.enter_context(ThreadPoolExecutor(1)).submit(submission.sha256)
        pool = executor
        if isinstance(executor, Processes) and (
            executor.workers <= MAX_THREADS or len(case_ids) < MIN_CASES_FOR_PROCESSES
        ):
            pool = stack.enter_context(ThreadPoolExecutor(min(executor.workers, MAX_THREADS)))
        # Tasks are made while others run: after the first fault, the rest is read and not scored.
        tasks = ((chunk, track.by_case if accepted else None) for chunk in submission.chunks(CHUNK))
        score_chunk = partial(_score_chunk, truth.path.absolute(), truth.truth.name)
        for cases, found, scores, error in in_order(pool, score_chunk, tasks):
            findings.append(found)
            accepted = accepted and not found.faults
            if accepted and error:  # the predictions were checked, so the truth is at fault
                raise DataError(f"{truth.path}: cases from {done} on cannot be scored: {error}")
            columns.append(scores)
            done += cases
            progress(done, len(case_ids), "cases")
        return Scored(
            path, track, submission.team, submission.method, digest.result(), submission.report(findings),
            columns=concatenated(columns) if accepted else {}, case_ids=case_ids, groups=truth.groups(),
            truth_fingerprint=truth.fingerprint, manifest=submission.manifest,
            seed=submission.manifest.seed if submission.manifest else None,
        )  # fmt: skip


def _score_chunk(
    truth: Path, column: str, task: tuple[Chunk, ByCase | None]
) -> tuple[int, Findings, dict[str, np.ndarray], str]:
    """Read the cases of a chunk and, if a function is given, score them by their rows of the truth's column.

    Returns their number, what is wrong with them, their scores, and why valid ones could not be scored.
    """
    chunk, by_case = task
    predictions, findings = chunk.read()
    columns, error = {}, ""
    if by_case and not findings.faults:
        # An open HDF5 file cannot be sent to a process: the task opens it. `open_dataset` has checked it.
        with h5py.File(truth, "r") as file:
            true = file[column][chunk.start : chunk.start + len(predictions)]
        try:
            columns = by_case(true, predictions)
        except ValueError as problem:
            error = str(problem)
    return len(predictions), findings, columns, error


@dataclass(frozen=True)
class ScoreCard(Record):
    """The scores of one accepted submission; docs/score.schema.json defines the JSON.

    ``cases_sha256`` is that of the file with the scores by case, None (absent from the JSON) without one.
    ``classes`` has the number of cases of each true class, None where there are no classes.
    """

    SCHEMA = SCORE_CARD

    track: str
    team: str
    method: str
    seed: int | None
    cases: int
    groups: int
    submission_sha256: str
    truth_fingerprint: str
    metrics: Mapping[str, Value]
    cases_sha256: str | None = None
    classes: Mapping[str, int] | None = None


def score_card(scored: Scored) -> ScoreCard:
    """The score card of an accepted submission."""
    track, sums, metrics = scored.track, scored.sums(), {}
    values, stds = sums.total_scores(track), standard_deviations(scored)
    drawn, exact = bootstrap(track, [sums]), exact_intervals(track, sums)
    for score in track.scores:
        key, bounds = score.key, interval(drawn[score.key][:, 0], sums.groups)
        low, high = map(none_if_nan, settled(score, bounds, exact[key]))
        metrics[key] = Value(values[key], none_if_nan(stds[key]), low, high)
    return ScoreCard(
        track.name, scored.team, scored.method, scored.seed, len(scored.case_ids), sums.groups,
        scored.sha256, scored.truth_fingerprint, metrics, classes=scored.class_counts(),
    )  # fmt: skip


def standard_deviations(scored: Scored) -> dict[str, float]:
    """The standard deviation over the cases of each score, NaN where it is no mean over cases."""
    return {score.key: scored.columns[score.column].std() if score.column else np.nan
            for score in scored.track.scores}  # fmt: skip


def write_per_case(scored: Scored, path: Path) -> None:
    """The scores by case as CSV: ``case_id``, ``group``, then a column a score."""
    columns = [column.tolist() for column in scored.columns.values()]
    rows = zip(scored.case_ids, scored.groups.tolist(), *columns, strict=True)
    write_csv(path, ["case_id", "group", *scored.columns], rows)
