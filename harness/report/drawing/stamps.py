"""Pictures of alerts and of how they are classified.

The curves are scikit-learn's. They stay at 0 where no alert, or every alert, is a supernova.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, precision_recall_curve, roc_curve

import metrics
from baselines.stamps.preparation import prepare
from harness.data.store import Dataset
from harness.report import colours
from harness.report.drawing import Panel, evenly_spaced
from harness.report.drawing.tiles import Scale, Tile, image_tile, tiles_figure
from harness.report.figures import grey_picture
from harness.tracks.stamps import CALIBRATION_BINS, SUPERNOVA
from submissions.formats.stamps import CLASSES

LARGEST_PIXEL = 1e10  # larger values mark pixels without data
CHANNELS = ("science", "template", "difference")
CROP, SAMPLES = 21, 5
PANEL = (5.6, 4.4)
"""The size of a figure on the page of a submission, in inches."""
RAW, CROPPED = "63 × 63 pixels (pink: no value)", f"{CROP} × {CROP} pixels, scaled to 0..1"


def case_figure(
    inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray | None, title: str
) -> Figure | None:
    """The tiles of a case.

    Without a prediction, the second row has the images as networks see them: the central 21 × 21 pixels,
    scaled to 0..1. None without images.
    """
    if inputs is None:
        return None
    if prediction is None:
        label = "class unknown" if target is None else CLASSES[int(target)]
        return _samples_figure([inputs, prepare(inputs[None], CROP)[0]], [RAW, CROPPED], f"{title}: {label}")
    return tiles_figure(case_tiles(inputs, target, prediction), title, 4)


def case_tiles(inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray) -> list[Tile]:
    """The images (63, 63, 3) of an alert, if they are known, and the probability of each class.

    The bar of the true class is coloured, where it is known.
    """
    label = None if target is None else CLASSES[int(target)]

    def drawn(axis: Any) -> None:
        bar_colours = [colours.TRUE_CLASS if name == label else colours.OTHER_CLASS for name in CLASSES]
        axis.bar_label(axis.barh(list(CLASSES), prediction, color=bar_colours), fmt="%.2f", padding=3)
        axis.set_xlim(0, 1.25)
        axis.invert_yaxis()

    shares = [(name, float(share)) for name, share in zip(CLASSES, prediction, strict=True)]
    title = f"probability (true: {label})" if label else "probability"
    return [*([] if inputs is None else _stamp_tiles(inputs)), Tile(title, drawn, shares=shares)]


def side_by_side(
    inputs: np.ndarray | None, target: np.ndarray, predictions: Sequence[np.ndarray]
) -> dict[str, Any]:
    """The images of an alert (63, 63, 3), if there are any, as one grey picture, and shares by class."""
    drawn: dict[str, Any] = {"target": CLASSES[int(target)], "picture": None, "channels": CHANNELS}
    drawn["shares"] = [list(zip(CLASSES, map(float, each), strict=True)) for each in predictions]
    if inputs is not None:
        images = []
        for image in np.moveaxis(inputs.astype(np.float64), -1, 0):
            usable, low, high = _usable(image)
            images.append(np.nan_to_num((usable - low) / ((high - low) or 1.0)).clip(0, 1))
        drawn |= {"picture": grey_picture(np.concatenate(images, axis=1)), "side": len(inputs)}
    return drawn


def comparison_figure(
    inputs: np.ndarray | None, target: np.ndarray, predictions: Sequence[np.ndarray], names: Sequence[str],
    title: str,
) -> Figure | None:  # fmt: skip
    """The images (63, 63, 3) of an alert, and the probabilities that two submissions give each class.

    None without images.
    """
    if inputs is None:
        return None
    tiles = _stamp_tiles(inputs)
    for name, shares in zip(names, predictions, strict=True):
        tiles += [tile._replace(title=name) for tile in case_tiles(None, target, shares)]
    return tiles_figure(tiles, f"{title}: {CLASSES[int(target)]}")


def _stamp_tiles(stamp: np.ndarray) -> list[Tile]:
    """The channels of a stamp (h, w, 3), pixels without a value in a colour.

    Each has its own range, but for a crop, which is scaled to 0..1 already.
    """
    tiles = []
    colour_map = colormaps[colours.STAMP].with_extremes(bad=colours.NO_VALUE)
    for name, image in zip(CHANNELS, np.moveaxis(stamp, -1, 0), strict=True):
        usable, low, high = _usable(image)
        scale = Scale(colour_map, low, high) if len(stamp) > CROP else Scale(colour_map, 0, 1)
        tiles.append(image_tile(name, usable, scale)._replace(scale=None))
    return tiles


def _usable(image: np.ndarray) -> tuple[np.ndarray, float, float]:
    """An image, with NaN for pixels without a value, and the values from which to which it is shown."""
    usable = np.where(np.abs(image) < LARGEST_PIXEL, image, np.nan)
    low, high = np.nanquantile(usable, [0.01, 0.995]) if np.isfinite(usable).any() else (0, 1)
    return usable, low, high


def dataset_figures(data: Dataset) -> Iterator[tuple[str, Figure]]:
    """The distribution of the labels, and samples of each class: whole stamps, and as networks see them.

    These are figures 4 to 7 of Castillo & Foix (2020): ``labels``, and for each class ``samples-SN`` and
    ``samples-SN-21``. Without labels, the samples are of all alerts; without images there are none.
    """
    labels = data.truth[:] if data.track.truth.name in data.columns else None
    groups = {"": np.arange(len(data))}
    if labels is not None:
        yield "labels", labels_figure(labels)
        groups = {f"-{name}": np.flatnonzero(labels == label) for label, name in enumerate(CLASSES)}
    if data.track.inputs.name not in data.columns:
        return
    case_ids = data.case_ids()
    for suffix, rows in groups.items():
        chosen = evenly_spaced(rows, SAMPLES)
        if not chosen:
            continue
        stamps = data.inputs[chosen]
        names = [case_ids[row] for row in chosen]
        for size, images, what in (("", stamps, RAW), (f"-{CROP}", prepare(stamps, CROP), CROPPED)):
            title = f"{suffix[1:] or 'samples'}: {what}"
            yield f"samples{suffix}{size}", _samples_figure(images, names, title)


def labels_figure(labels: np.ndarray) -> Figure:
    """How many of the labels (N,) are of each class, and their share."""
    counts = np.array([(labels == label).sum() for label in range(len(CLASSES))])
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axis = figure.subplots()
    bars = axis.barh(list(CLASSES), counts, color=colours.OTHER_CLASS)
    texts = [f"{count:,} ({count / len(labels):.1%})" for count in counts]
    axis.bar_label(bars, texts, padding=3)
    axis.set(
        xlim=(0, 1.25 * max(counts.max(), 1)), xlabel="alerts", title=f"labels of {len(labels):,} alerts"
    )
    axis.invert_yaxis()
    return figure


def _samples_figure(stamps: Sequence[np.ndarray] | np.ndarray, names: Sequence[str], title: str) -> Figure:
    """A row for each stamp (h, w, 3), with its name, and a column for each channel."""
    tiles = [tile for stamp in stamps for tile in _stamp_tiles(stamp)]
    return tiles_figure(tiles, title, len(CHANNELS), names, side=2.2)


def overview(columns: Mapping[str, np.ndarray], probabilities: np.ndarray) -> dict[str, Any]:
    """The confusion matrix, as a picture and as numbers, the reliability, and the supernovae's curves."""
    labels = columns["label"]
    counts = metrics.confusion_matrix(labels, columns["predicted"], len(CLASSES))
    shares = metrics.normalise_rows(counts)
    panels = [
        Panel(confusion_figure(counts, CLASSES), "Confusion matrix",
              "the share of the true class, and how many alerts",
              "Confusion matrix; the table below has its numbers"),
        Panel(reliability_figure(labels, probabilities), "Reliability",
              "how often the most probable class is right, by its probability; on the dotted line "
              "probabilities mean what they say",
              "Reliability curve, and the number of alerts by probability"),
        Panel(precision_recall_figure(labels, probabilities), "Supernovae: precision and recall",
              "dot: where the most probable class decides; dotted: the share of supernovae",
              "Precision-recall curve of the supernovae"),
        Panel(roc_figure(labels, probabilities), "Supernovae: ROC curve",
              "dot: where the most probable class decides; dotted: by chance",
              "ROC curve of the supernovae"),
    ]  # fmt: skip
    cells = np.stack([shares, counts], axis=-1).tolist()
    return {"title": "Classes", "panels": panels, "confusion": list(zip(CLASSES, cells, strict=True))}


def confusion_figure(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """A confusion matrix (K, K): each cell with its count, and coloured by its share of the row."""
    shares = metrics.normalise_rows(confusion)
    figure, axis = _panel()
    axis.imshow(shares, vmin=0, vmax=1, cmap=colours.SHARES, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.2f}\n{confusion[row, column]:.0f}"
        axis.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black")
    axis.set_xticks(range(len(classes)), classes)
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted class", ylabel="true class")
    return figure


def _binary(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which alerts are supernovae, their probability, and the confusion (2, 2) by the most probable class."""
    true = labels == SUPERNOVA
    called = probabilities.argmax(axis=1) == SUPERNOVA
    confusion = metrics.confusion_matrix(true.astype(int), called.astype(int), 2)
    return true, probabilities[:, SUPERNOVA], confusion


def precision_recall_figure(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Precision and recall of supernovae against the rest, of labels (N,) and probabilities (N, 5).

    The dot is what the most probable class gives.
    """
    true, share, confusion = _binary(labels, probabilities)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # where one of the classes is absent
        precisions, recalls, _ = precision_recall_curve(true, share)
    precisions[-1] = precisions[-2]  # at recall 0, in place of a 1 that no threshold gives
    figure, axis = _panel()
    axis.step(recalls[::-1] * true.any(), precisions[::-1], where="pre")
    recall = metrics.recall_from_confusion(confusion, 1)
    axis.plot(recall, metrics.precision_from_confusion(confusion, 1), "ko")
    axis.axhline(np.mean(true), color=colours.REFERENCE_LINE, linestyle=":")
    average = metrics.average_precision(labels, probabilities, SUPERNOVA)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02),
             title=f"average precision {average:.3f}")  # fmt: skip
    return figure


def roc_figure(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """The ROC curve of supernovae against the rest, up to a false-positive rate of 0.2, with that dot."""
    true, share, confusion = _binary(labels, probabilities)
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        false_rates, true_rates, _ = np.nan_to_num(roc_curve(true, share, drop_intermediate=False))
    figure, axis = _panel()
    axis.plot(false_rates, true_rates)
    recall = metrics.recall_from_confusion(confusion, 1)
    axis.plot(1 - metrics.recall_from_confusion(confusion, 0), recall, "ko")
    axis.plot([0, 1], [0, 1], color=colours.REFERENCE_LINE, linestyle=":")
    axis.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(0, 0.2), ylim=(0, 1.02),
             title=f"area below the whole curve {auc(false_rates, true_rates):.3f}")  # fmt: skip
    return figure


def _panel() -> tuple[Figure, Any]:
    figure = Figure(figsize=PANEL, layout="constrained")
    return figure, figure.subplots()


def reliability_figure(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """How often the most probable class is the true one, by its probability, and how many alerts have it.

    Bars are Wilson's 95 % intervals: of few alerts they are long.
    """
    confidence = probabilities.max(axis=1).astype(np.float64).clip(max=1)  # a sum of 1 within a tolerance
    correct = probabilities.argmax(axis=1) == labels
    accuracies, confidences = calibration_curve(correct, confidence, n_bins=CALIBRATION_BINS)
    bins = metrics.calibration_bins(confidence, CALIBRATION_BINS)
    cases = np.bincount(bins, minlength=CALIBRATION_BINS)
    hits = np.bincount(bins, correct, minlength=CALIBRATION_BINS)
    filled = np.flatnonzero(cases)
    of_bins = zip(hits[filled].astype(int), cases[filled], strict=True)
    ends = np.array([binomtest(*each).proportion_ci(method="wilson") for each in of_bins]).T
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    figure = Figure(figsize=PANEL, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color=colours.REFERENCE_LINE, linestyle=":")
    upper.plot(confidences, accuracies, "o-")
    upper.vlines(confidences, *ends, colors="C0", alpha=0.5)
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02),
              title=f"calibration error {metrics.calibration_error(labels, probabilities):.3f}")  # fmt: skip
    drawn = lower.bar(edges[:-1], cases, width=np.diff(edges), align="edge", edgecolor="white")
    lower.bar_label(drawn, [f"{count:,}" if count else "" for count in cases], fontsize="x-small")
    lower.set(xlabel="probability of the most probable class", ylabel="alerts", ylim=(0, 1.3 * cases.max()))
    return figure
