"""What a trained model makes of alerts as a broker hands them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines.protocol import BaselineError, predict
from harness.data.sources.base import Problem, read_source
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.runs.training import restored
from harness.tracks import STAMPS


def classify(
    run: Path, sources: Sequence[Path], progress: ProgressCallback = no_progress
) -> tuple[list[dict[str, Any]], list[str]]:
    """``candid``, ``objectId``, most probable ``class`` and ``probabilities`` of each alert in the sources.

    Sources are what the track's data sets are packed from, and need no labels. The second list
    names the alerts and files that cannot be used, and says why.
    """
    record, baseline = restored(run)
    if record["track"] != STAMPS.name:
        raise HarnessError(f"{run} is a run of {record['track']!r}: one of {STAMPS.name!r} was expected")
    answers: list[dict[str, Any]] = []
    left_out: list[str] = []
    for source in sources:
        for alerts in read_source(STAMPS.sources, source):
            if isinstance(alerts, Problem):
                left_out += [str(alerts.error)] if alerts.error else []
                continue
            try:
                images, metadata = alerts.columns[STAMPS.inputs.name], alerts.columns.get("metadata")
                probabilities = predict(baseline, images, metadata)
            except BaselineError as error:  # these alerts lack what it looks at; others may not
                left_out.append(f"{source}: {error}")
                break
            answers += [
                {
                    "candid": candid,
                    "objectId": name,
                    "class": STAMPS.classes[row.argmax()],
                    "probabilities": dict(zip(STAMPS.classes, row.tolist(), strict=True)),
                }
                for candid, name, row in zip(alerts.case_id, alerts.group, probabilities, strict=True)
            ]
            progress(len(answers), 0, "alerts")
    return answers, left_out
