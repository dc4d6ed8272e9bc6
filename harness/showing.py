"""A picture of one case: what a run predicts for it, beside the truth where that is known."""

from __future__ import annotations

from pathlib import Path

from baselines.protocol import predict
from harness.data.store import open_dataset
from harness.experiment import restored
from harness.files import HarnessError
from harness.report.figures import map_figure, save_figure, stamp_figure
from harness.tracks import get_track


def show(run: Path, data_path: Path, case_id: str, out: Path) -> None:
    """Predict one case of a data set with a run's model, and draw it into the PNG ``out``."""
    record, baseline = restored(run)
    track = get_track(record["track"])
    with open_dataset(data_path, track) as data:
        ids = data.case_ids()
        if case_id not in ids:
            raise HarnessError(
                f"{data_path} has no case {case_id!r}; its first ones are {', '.join(ids[:3])}"
            )
        row = ids.index(case_id)
        inputs = data.inputs[row : row + 1]
        known = track.truth.name in data.columns
        truth = data.truth[row] if known else None
        metadata = None if data.metadata is None else data.metadata[row : row + 1]
    prediction = predict(baseline, inputs, metadata)[0]
    title = f"{case_id}, {record['baseline']}"
    if track.classes:
        figure = stamp_figure(
            inputs[0], prediction, track.classes, None if truth is None else int(truth), title
        )
    elif truth is None:
        raise HarnessError(f"{data_path} has no truth to draw beside the prediction: name a full data set")
    else:
        figure = map_figure(truth.astype(prediction.dtype), prediction, title)
    save_figure(figure, out)
