"""Classifying alerts, as brokers hand them out, with a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines.protocol import BaselineError, predict
from harness.data.sources.base import Problem, read_source
from harness.files import HarnessError
from harness.progress import ProgressCallback, no_progress
from harness.runs.training import restored
from harness.tracks import get_track


def classify(
    run: Path, sources: Sequence[Path], progress: ProgressCallback = no_progress
) -> tuple[list[dict[str, Any]], list[str]]:
    """``candid``, ``objectId``, most probable ``class`` and ``probabilities`` of each alert in the sources.

    Sources are what data sets of the run's track are packed from; they need no labels. The second list has
    the reason for each alert and file that cannot be used. Raises HarnessError if the run is no classifier.
    """
    record, baseline = restored(run, progress)
    track = get_track(record["track"])
    if not track.classes:
        raise HarnessError(f"{run} must be a run of a classifier, got one of the track {track.name!r}")
    answers: list[dict[str, Any]] = []
    left_out: list[str] = []
    for source in sources:
        for alerts in read_source(track.sources, source):
            if isinstance(alerts, Problem):
                left_out += [str(alerts.error)] if alerts.error else []
                continue
            try:
                images, metadata = alerts.columns[track.inputs.name], alerts.columns.get("metadata")
                probabilities = predict(baseline, images, metadata)
            except BaselineError as error:  # these alerts lack what the model needs; those of others may not
                left_out.append(f"{source}: {error}")
                break
            answers += [
                {
                    "candid": candid,
                    "objectId": name,
                    "class": track.classes[row.argmax()],
                    "probabilities": dict(zip(track.classes, row.tolist(), strict=True)),
                }
                for candid, name, row in zip(alerts.case_id, alerts.group, probabilities, strict=True)
            ]
            progress(len(answers), 0, "alerts")
    return answers, left_out
