"""Scoring a submission against the truth: the same checks as validation, then the track's scores."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.store import DataError, Dataset
from harness.files import beside
from harness.progress import Report as Progress
from harness.progress import silent
from harness.resampling import bootstrap, group_sums, interval, scores_of
from harness.tracks import Track
from submissions import Report, open_submission

SCHEMA = "astroboard-score/1"
CHUNK = 256


@dataclass(frozen=True)
class Scored:
    """A submission read to its end. ``columns`` holds the scores by case, in the order of the truth file.

    Where ``report.accepted`` is false there are no scores.
    """

    path: Path
    track: Track
    team: str
    method: str
    sha256: str
    report: Report
    columns: dict[str, np.ndarray]
    case_ids: list[str]
    groups: np.ndarray
    truth_fingerprint: str

    def sums(self) -> np.ndarray:
        """Sums over each group of the statistics that the scores are made of: (groups, S + 1)."""
        return group_sums(self.track, self.columns, self.groups)


def score(path: Path, truth: Dataset, progress: Progress = silent) -> Scored:
    """Read a submission, checking all of it, and score it by case.

    Cases are matched by id. Raises SubmissionError where the file cannot be read at all.
    """
    track, case_ids = truth.track, truth.case_ids()
    columns: dict[str, list[np.ndarray]] = {}
    with open_submission(path, track.format, case_ids) as submission:
        for start, predictions in submission.chunks(CHUNK):
            if submission.report.accepted:
                true = truth.truth[start : start + len(predictions)]
                try:
                    by_case = track.by_case(true, predictions)
                except ValueError as error:  # the predictions were checked, so it is about the truth
                    raise DataError(
                        f"{truth.path}: cases from {start} on cannot be scored: {error}"
                    ) from error
                for name, values in by_case.items():
                    columns.setdefault(name, []).append(values)
            progress(start + len(predictions), len(case_ids), "cases")
        accepted = submission.report.accepted
        return Scored(
            path=path,
            track=track,
            team=submission.team,
            method=submission.method,
            sha256=submission.sha256,
            report=submission.report,
            columns={name: np.concatenate(parts) for name, parts in columns.items()} if accepted else {},
            case_ids=case_ids,
            groups=truth.groups(),
            truth_fingerprint=truth.fingerprint,
        )


def score_card(scored: Scored) -> dict[str, Any]:
    """The score card of an accepted submission.

    ``std`` is the standard deviation over the cases, null for a score that is no mean over cases. ``low`` and
    ``high`` bound the 95 % interval of the score (bootstrap over groups), null where there is one group only.
    """
    sums = scored.sums()
    values = scores_of(scored.track, sums.sum(axis=0))
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(values)
    if len(sums) > 1:
        low, high = interval(bootstrap(scored.track, sums[None])[:, 0])
        bounds = list(zip(low.tolist(), high.tolist(), strict=True))
    metrics = {}
    for one, value, (lower, upper) in zip(scored.track.scores, values.tolist(), bounds, strict=True):
        std = float(scored.columns[one.column].std()) if one.column else None
        metrics[one.key] = {"mean": value, "std": std, "low": lower, "high": upper}
    return {
        "schema": SCHEMA,
        "track": scored.track.name,
        "team": scored.team,
        "method": scored.method,
        "cases": len(scored.case_ids),
        "groups": len(sums),
        "submission_sha256": scored.sha256,
        "truth_fingerprint": scored.truth_fingerprint,
        "metrics": metrics,
    }


def write_per_case(scored: Scored, path: Path) -> None:
    """The scores by case as CSV: ``case_id``, ``group``, then a column a score."""
    with beside(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["case_id", "group", *scored.columns])
        columns = [column.tolist() for column in scored.columns.values()]
        table.writerows(zip(scored.case_ids, scored.groups.tolist(), *columns, strict=True))
