"""The stamps as a competition on Kaggle: its scoring function, and its tables of ids and classes."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import metrics
from harness.data.split import public_cases, secret_seed
from harness.data.store import open_dataset
from harness.evaluation.rounding import supported_step, to_step
from harness.files import write_csv
from harness.tracks import Score
from harness.tracks.stamps import STAMPS
from submissions import Code, SubmissionError, open_submission
from submissions.formats.stamps import CLASS_NUMBERS, CLASSES

with suppress(ImportError):  # Kaggle has it; any mapping of columns will do, such as a dict
    import pandas as pd  # type: ignore

# Scores of predicted classes: Kaggle's tables have no probabilities. Precision and recall are none of them:
# whoever calls a single alert a supernova, or all of them, would lead.
KEYS = ("accuracy", "sn_f1", "sn_f2", "balanced_accuracy")
_by_key = {score.key: score for score in STAMPS.scores}
SCORES: dict[str, Score] = {key: _by_key[key] for key in KEYS}


class ParticipantVisibleError(Exception):
    """A fault of the submission; Kaggle shows its text to the participant, and that of no other error."""


def score(
    solution: "pd.DataFrame", submission: "pd.DataFrame", row_id_column_name: str, metric: str = "accuracy"
) -> float:
    """A score of ``SCORES``, 0 to 1, best at 1, of classes that are matched by their row id.

    It is rounded so that no single row shows, as `supported_step` says: else two submissions that differ in
    one row would tell whether that row is public, and its class.
    Both frames have the column of ids and one of classes, by name or number from 0; ``Usage`` may be there.
    Raises ParticipantVisibleError for faults of the submission, ValueError for those of the solution.
    """
    if metric not in SCORES:
        raise ValueError(f"metric must be one of {', '.join(SCORES)}, got {metric!r}")
    labels = _classes(solution, row_id_column_name, ValueError)
    predictions = _classes(submission, row_id_column_name, ParticipantVisibleError)
    if missing := [name for name in labels if name not in predictions]:
        raise ParticipantVisibleError(f"{len(missing)} ids have no row, the first of them {missing[0]}")
    predicted = [predictions[name] for name in labels]
    confusion = metrics.confusion_matrix(list(labels.values()), predicted, len(CLASSES))
    counts, chosen = confusion.ravel().astype(int), SCORES[metric]
    one = np.eye(counts.size).reshape(-1, *confusion.shape)[counts > 0]
    assert chosen.summary
    value, fewer = (chosen.summary({"confusion": each}, counts) for each in (confusion, confusion - one))
    step = supported_step(float(value), np.repeat(fewer, counts[counts > 0]), chosen.digits, chosen.spread)
    return float(to_step(float(value), step))


def _classes(frame: Any, id_column: str, fault: type[Exception]) -> dict[str, int]:
    """The number of the class of each row id; raises ``fault`` for a frame without them."""
    columns = [column for column in frame if column not in (id_column, "Usage")]
    if id_column not in frame or len(columns) != 1:
        raise fault(f"the columns must be {id_column} and one of classes, got {', '.join(map(str, frame))}")
    classes: dict[str, int] = {}
    for row_id, value in zip(map(str, frame[id_column]), map(str, frame[columns[0]]), strict=True):
        if row_id in classes:
            raise fault(f"id {row_id} comes twice")
        if value not in CLASS_NUMBERS:
            raise fault(f"id {row_id} must have one of {', '.join(CLASSES)}, got {value[:50]!r}")
        classes[row_id] = CLASS_NUMBERS[value]
    return classes


def write_solution(truth: Path, out: Path, public_fraction: float, seed: int | None) -> int:
    """Write the true classes as ``case_id,label,Usage``, split by object; returns the number of rows."""
    with open_dataset(truth, STAMPS) as data:
        public = public_cases(data.groups(), public_fraction, secret_seed(data) if seed is None else seed)
        usage = np.where(public, "Public", "Private").tolist()
        return _write(out, ("case_id", "label", "Usage"), data.case_ids(), data.truth[:], usage)


def write_predictions(submission: Path, data: Path, out: Path) -> int:
    """Write the most probable classes of a submission as ``case_id,label``; returns the number of rows.

    Raises SubmissionError for a submission that would not be scored.
    """
    with open_dataset(data, STAMPS) as cases:
        case_ids = cases.case_ids()
    probabilities, report = open_submission(submission, STAMPS.format, case_ids).read()
    if not report.accepted:
        raise SubmissionError("\n".join(report.lines()), Code.BAD_ROW)
    return _write(out, ("case_id", "label"), case_ids, probabilities.argmax(axis=1))


def _write(
    out: Path, header: Sequence[str], case_ids: list[str], labels: np.ndarray, *more: list[str]
) -> int:
    """Write a table of case ids, the names of their classes, and further columns; returns the rows."""
    write_csv(out, header, zip(case_ids, (CLASSES[label] for label in labels), *more, strict=True))
    return len(case_ids)
