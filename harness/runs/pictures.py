"""Pictures of cases: the prediction of a run beside the truth, or the content of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from baselines.protocol import Baseline, predict
from harness.data.store import Dataset, open_dataset
from harness.files import HarnessError, check_new
from harness.report.drawing.mass_mapping import weights_figure
from harness.report.figures import picture_format, save_figure
from harness.runs.folder import finished
from harness.runs.training import restored
from harness.tracks import Track, get_track, load

FILES = ("validation.h5", "train.h5", "test-inputs.h5")


def show(
    source: Path, data_path: Path | None = None, case_id: str | None = None, out: Path | None = None,
    weights: bool = False, force: bool = False, kind: str | None = None,
) -> list[Path]:  # fmt: skip
    """Draw one case of a run or of a data set, or a whole data set, and return the files.

    The ``source`` is a run's folder or a data set. Of a run, the case is predicted and drawn beside the
    truth; without ``data_path``, the files of the data set that the run was trained on are searched for it.
    With ``weights``, the weights that the multi-focal loss gives the pixels of the true map are drawn
    instead: those of the run's settings, or of the report's. The case is the first one where none is named.
    But of a data set without ``case_id`` and ``weights`` all figures are drawn that its track has for it.

    ``kind`` is png, svg or pdf; without it that of the suffix of ``out``, or png.
    ``out`` is the picture; of a whole data set, it is a folder. By default pictures lie in the run's folder,
    or in the folder ``<data set>.pictures``. Raises HarnessError where there is no such case, nothing to draw
    it from, or a picture already, unless that is to be replaced: ``force``.
    """
    folder = source if source.is_dir() else source.with_suffix(".pictures")
    if source.is_file() and case_id is None and not weights:
        return _draw_all(source, out or folder, force, kind or "png")
    name, track = "", None
    if source.is_dir():
        record = finished(source)
        name, track = record["baseline"], get_track(record["track"])
        data_path = data_path or _file_with(case_id, Path(record.get("folder", "")), track)
    with open_dataset(data_path or source, track) as data:
        ids = data.case_ids()
        case_id = case_id or ids[0]
        if case_id not in ids:
            first = ", ".join(ids[:3])
            raise HarnessError(
                f"the case must be one of {data.path}, got {case_id!r}; its first ones are {first}"
            )
        out = out or folder / f"{case_id}{'.weights' if weights else ''}.{kind or 'png'}"
        picture_format(out, kind)
        check_new(out, force=force)
        baseline = restored(source) if name else None  # after all else is checked
        figure = _draw_case(data, case_id, baseline, name, weights)
    save_figure(figure, out, kind)
    return [out]


def _draw_all(path: Path, folder: Path, force: bool, kind: str) -> list[Path]:
    """Draw all figures of a data set into a folder."""
    written = []
    with open_dataset(path) as data:
        drawing = load(data.track.drawing) if data.track.drawing else None
        if drawing is None or not hasattr(drawing, "dataset_figures"):
            raise HarnessError(f"{path} must be of a track that draws data sets, got {data.track.name}")
        for name, figure in drawing.dataset_figures(data):
            written.append(folder / f"{name}.{kind}")
            check_new(written[-1], force=force)
            save_figure(figure, written[-1])
    return written


def _draw_case(data: Dataset, case_id: str, baseline: Baseline | None, name: str, weights: bool) -> Figure:
    """A case with the prediction of a baseline, if there is one, or with the weights of a loss."""
    track, row = data.track, data.case_ids().index(case_id)
    inputs = data.columns[track.inputs.name][row] if track.inputs.name in data.columns else None
    truth = data.columns[track.truth.name][row] if track.truth.name in data.columns else None
    if weights:
        if truth is None or truth.ndim != 2:
            raise HarnessError(
                "weights must be of a true map, got none; name a full data set of mass-mapping"
            )
        return _weights(baseline, truth.astype("float32"), case_id)
    prediction, title = None, case_id
    if baseline:
        metadata = None if data.metadata is None else data.metadata[row : row + 1]
        prediction = predict(baseline, data.inputs[row : row + 1], metadata)[0]
        title = f"{case_id}, {name}"
    drawing = load(track.drawing) if track.drawing else None
    figure: Figure | None = drawing and drawing.case_figure(inputs, truth, prediction, title)
    if figure is None:
        needed = "truth to draw beside the prediction" if baseline else "inputs to draw"
        raise HarnessError(f"{data.path} must have the {needed}, got none; name a full data set")
    return figure


def _file_with(case_id: str | None, folder: Path, track: Track) -> Path:
    """The file of a split data set that has the case; the first one for no case in particular."""
    for path in (folder / name for name in FILES):
        if path.is_file():
            with open_dataset(path, track) as data:
                if case_id is None or case_id in data.case_ids():
                    return path
    raise HarnessError(
        f"the case must be in {' or '.join(FILES)} of {folder}, where the run was trained, got "
        f"{case_id or 'no such file'}; name a data set with --inputs"
    )


def _weights(baseline: Baseline | None, target: np.ndarray, case_id: str) -> Figure:
    """The weights of a true map (H, W) in the multi-focal loss of a baseline, or in that with defaults."""
    from baselines.mass_mapping.losses import WEIGHTS, MultiFocal

    chosen = getattr(baseline, "loss_settings", {}) if getattr(baseline, "loss", "") == "multifocal" else {}
    loss = MultiFocal(**chosen)
    weights, structure = {}, ""
    for name in WEIGHTS:
        title = f"{name}, a = {loss.settings[name]:g}"
        alone = MultiFocal(**loss.settings | dict.fromkeys(WEIGHTS, 0.0) | {name: 1.0})
        weights[title] = np.array(alone.weight(target[None])[0])
        structure = title if name == "structure" else structure
    weights["weighted mean"] = np.array(loss.weight(target[None])[0])
    return weights_figure(target, weights, structure, f"{case_id}: weights of the multi-focal loss")
