"""A picture of one case: the prediction of a run, beside the truth where that is known."""

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

FILES = ("validation.h5", "train.h5", "test-inputs.h5")


def show(run: Path, data_path: Path | None, case_id: str, out: Path, weights: bool = False) -> None:
    """Predict one case of a data set with a run's model, and draw it into the PNG ``out``.

    Without a data set, the files of the one that the run was trained on are searched for the case. With
    ``weights``, draw those that the run's multi-focal loss gives the pixels of the true map instead. Raises
    HarnessError where there is no such case, or no truth for the picture.
    """
    record, baseline = restored(run)
    track = get_track(record["track"])
    data_path = data_path or _file_with(case_id, Path(record.get("folder", "")), track)
    with open_dataset(data_path, track) as data:
        ids = data.case_ids()
        if case_id not in ids:
            raise HarnessError(
                f"{data_path} has no case {case_id!r}; its first ones are {', '.join(ids[:3])}"
            )
        row = ids.index(case_id)
        inputs = data.inputs[row : row + 1]
        truth = data.truth[row] if track.truth.name in data.columns else None
        metadata = None if data.metadata is None else data.metadata[row : row + 1]
    figure: Figure | None = None
    if weights:
        if truth is None or truth.ndim != 2:
            raise HarnessError("weights are of a true map: name a full data set of mass-mapping")
        figure = _weights(baseline, truth.astype("float32"), case_id)
    elif track.drawing:
        prediction = predict(baseline, inputs, metadata)[0]
        title = f"{case_id}, {record['baseline']}"
        figure = load(track.drawing).case_figure(inputs[0], truth, prediction, title)
    if figure is None:
        raise HarnessError(f"{data_path} has no truth to draw beside the prediction: name a full data set")
    save_figure(figure, out)


def _file_with(case_id: str, folder: Path, track: Track) -> Path:
    """The file of a split data set that has the case."""
    for path in (folder / name for name in FILES):
        if path.is_file():
            with open_dataset(path, track) as data:
                if case_id in data.case_ids():
                    return path
    raise HarnessError(
        f"no {' or '.join(FILES)} in {folder}, where the run was trained, has a case {case_id!r}: "
        "name a data set with --data"
    )


def _weights(baseline: Baseline, target: np.ndarray, case_id: str) -> Figure:
    """The weights of a true map (H, W) in the multi-focal loss of a baseline, or in that with defaults."""
    from baselines.mass_mapping.losses import WEIGHTS, MultiFocal

    chosen = getattr(baseline, "loss_settings", {}) if getattr(baseline, "loss", "") == "multifocal" else {}
    loss = MultiFocal(**chosen)
    weights = {f"{name}, a = {a:g}": WEIGHTS[name](target[None]) for name, a in loss.settings.items()}
    weights["weighted mean"] = loss.weight(target[None])
    pictures = {name: np.array(maps[0]) for name, maps in weights.items()}
    return weights_figure(target, pictures, f"{case_id}: weights of the multi-focal loss")
