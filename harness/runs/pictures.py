"""A picture of one case: what a run predicts for it, beside the truth where that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from baselines.protocol import Baseline, predict
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.report.drawing.mass_mapping import weights_figure
from harness.report.figures import save_figure
from harness.runs.training import restored
from harness.tracks import Track, get_track, load

PARTS = ("validation.h5", "train.h5", "test-inputs.h5")


def show(run: Path, data_path: Path | None, case_id: str, out: Path, weights: bool = False) -> None:
    """Predict one case of a data set with a run's model, and draw it into the PNG ``out``.

    Without a data set, the parts of the one that the run was trained on are looked through.
    With ``weights``, draw instead those that the run's multi-focal loss gives to the pixels of the true map.
    """
    record, baseline = restored(run)
    track = get_track(record["track"])
    data_path = data_path or _holding(Path(record.get("folder", "")), track, case_id)
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
    if weights:
        if track.classes or truth is None:
            raise HarnessError("weights are of a true map: name a full data set of mass-mapping")
        save_figure(_weights(baseline, truth.astype("float32"), case_id), out)
        return
    prediction = predict(baseline, inputs, metadata)[0]
    title = f"{case_id}, {record['baseline']}"
    figure = load(track.drawing).case_figure(inputs[0], truth, prediction, title) if track.drawing else None
    if figure is None:
        raise HarnessError(f"{data_path} has no truth to draw beside the prediction: name a full data set")
    save_figure(figure, out)


def _holding(folder: Path, track: Track, case_id: str) -> Path:
    for path in (folder / name for name in PARTS):
        if path.is_file():
            with open_dataset(path, track) as data:
                if case_id in data.case_ids():
                    return path
    raise HarnessError(
        f"no {' or '.join(PARTS)} in {folder}, where the run was trained, has a case {case_id!r}: "
        "name a data set with --data"
    )


def _weights(baseline: Baseline, kappa: np.ndarray, case_id: str) -> Figure:
    from baselines.mass_mapping.losses import WEIGHTS, MultiFocal

    chosen = getattr(baseline, "loss_settings", {}) if getattr(baseline, "loss", "") == "multifocal" else {}
    loss = MultiFocal(**chosen)
    parts = {
        f"{name}, a = {a:g}": np.array(WEIGHTS[name](kappa[None])[0]) for name, a in loss.settings.items()
    }
    title = f"{case_id}: weights of the multi-focal loss"
    return weights_figure(kappa, parts | {"weighted mean": np.array(loss.weight(kappa[None])[0])}, title)
