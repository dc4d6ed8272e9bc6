"""Pictures of alerts and of how they are classified.

The curves are scikit-learn's. They stay at 0 where no alert, or every alert, is a supernova.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, precision_recall_curve, roc_curve

import metrics
from baselines.stamps.preparation import prepare
from harness.data.store import Dataset
from harness.report import colours
from harness.report.drawing import Panel, evenly_spaced
from harness.report.figures import grey_picture
from harness.tracks.stamps import CALIBRATION_BINS, SUPERNOVA
from submissions.formats.stamps import CLASSES

LARGEST_PIXEL = 1e10  # larger values mark pixels without data
CHANNELS = ("science", "template", "difference")
CROP, SAMPLES = 21, 5
RAW, CROPPED = "63 × 63 pixels (pink: no value)", f"{CROP} × {CROP} pixels, scaled to 0..1"


def case_figure(
    inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray | None, title: str
) -> Figure | None:
    """Science, template and difference image (63, 63, 3) of an alert, and the probability of each class.

    The bar of the true class is coloured, where it is known. Without a prediction, the second row has the
    images as networks see them: the central 21 × 21 pixels, scaled to 0..1. None without images.
    """
    if inputs is None:
        return None
    label = None if target is None else CLASSES[int(target)]
    if prediction is None:
        figure = _samples_figure([inputs, prepare(inputs[None], CROP)[0]], [RAW, CROPPED])
        figure.suptitle(f"{title}: {label or 'class unknown'}", parse_math=False)
        return figure
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.3])
    _draw_stamp(axes[:3], inputs)
    for axis, name in zip(axes, CHANNELS, strict=False):
        axis.set_title(name)
    bar_colours = [colours.TRUE_CLASS if name == label else colours.OTHER_CLASS for name in CLASSES]
    bars = axes[3].barh(list(CLASSES), prediction, color=bar_colours)
    axes[3].bar_label(bars, fmt="%.2f", padding=3)
    axes[3].set_xlim(0, 1.15)
    axes[3].invert_yaxis()
    axes[3].set_title(f"probability (true: {label})" if label else "probability")
    figure.suptitle(title, parse_math=False)
    return figure


def side_by_side(
    inputs: np.ndarray | None, target: np.ndarray, predictions: Sequence[np.ndarray]
) -> dict[str, Any]:
    """The images of an alert (63, 63, 3), if there are any, as one grey picture, and shares by class."""
    drawn: dict[str, Any] = {"target": CLASSES[int(target)], "picture": None, "channels": CHANNELS}
    drawn["shares"] = [list(zip(CLASSES, map(float, each), strict=True)) for each in predictions]
    if inputs is not None:
        images = []
        for image in np.moveaxis(inputs.astype(np.float64), -1, 0):
            usable = np.where(np.abs(image) < LARGEST_PIXEL, image, np.nan)
            low, high = np.nanquantile(usable, [0.01, 0.995]) if np.isfinite(usable).any() else (0, 1)
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
    figure = Figure(figsize=(14, 3.6), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.6])
    _draw_stamp(axes[:3], inputs)
    for axis, name in zip(axes, CHANNELS, strict=False):
        axis.set_title(name)
    places, height = np.arange(len(CLASSES)), 0.4
    for shift, shares, name, colour in zip((-0.5, 0.5), predictions, names, colours.PAIR, strict=True):
        bars = axes[3].barh(places + shift * height, shares, height, color=colour, label=name)
        axes[3].bar_label(bars, fmt="%.2f", padding=3)
    axes[3].set_yticks(places, CLASSES)
    axes[3].set(xlim=(0, 1.15), title=f"probability (true: {CLASSES[int(target)]})")
    axes[3].invert_yaxis()
    figure.legend(loc="outside lower right")
    figure.suptitle(title, parse_math=False)
    return figure


def _draw_stamp(axes: Any, stamp: np.ndarray) -> None:
    """Draw the channels of a stamp (h, w, 3), pixels without a value in a colour.

    Each has its own range, but for a crop, which is scaled to 0..1 already.
    """
    for axis, image in zip(axes, np.moveaxis(stamp, -1, 0), strict=True):
        usable = np.where(np.abs(image) < LARGEST_PIXEL, image, np.nan)
        raw = len(stamp) > CROP and np.isfinite(usable).any()
        low, high = np.nanquantile(usable, [0.01, 0.995]) if raw else (0, 1)
        colour_map = colormaps[colours.STAMP].with_extremes(bad=colours.NO_VALUE)
        axis.imshow(usable, vmin=low, vmax=high, cmap=colour_map, interpolation="nearest")
        axis.set(xticks=[], yticks=[])


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
            figure = _samples_figure(images, names)
            figure.suptitle(f"{suffix[1:] or 'samples'}: {what}")
            yield f"samples{suffix}{size}", figure


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


def _samples_figure(stamps: Sequence[np.ndarray] | np.ndarray, names: Sequence[str]) -> Figure:
    """A row for each stamp (h, w, 3), with its name, and a column for each channel."""
    figure = Figure(figsize=(7.2, 2.3 * len(stamps) + 0.6), layout="constrained")
    axes = figure.subplots(len(stamps), len(CHANNELS), squeeze=False)
    for row, stamp, name in zip(axes, stamps, names, strict=True):
        _draw_stamp(row, stamp)
        row[0].set_ylabel(name, fontsize=8, parse_math=False)
    for axis, name in zip(axes[0], CHANNELS, strict=True):
        axis.set_title(name)
    return figure


def case_texts(case_id: str, target: np.ndarray, prediction: np.ndarray) -> dict[str, str]:
    """The true class and the probability of each class."""
    shares = ", ".join(f"{name} {share:.3f}" for name, share in zip(CLASSES, prediction, strict=True))
    alt = f"Science, template and difference image of {case_id}; {shares}"
    return {"target": f"true class {CLASSES[int(target)]}", "prediction": shares, "alt": alt}


def overview(columns: Mapping[str, np.ndarray], probabilities: np.ndarray) -> dict[str, Any]:
    """The confusion matrix, as a picture and as numbers, the reliability, and the supernovae's curves."""
    labels = columns["label"]
    counts = metrics.confusion_matrix(labels, columns["predicted"], len(CLASSES))
    shares = metrics.normalise_rows(counts)
    panels = [
        Panel(confusion_figure(counts, CLASSES), "Confusion matrix", "shares of the true class, and counts",
              "Confusion matrix; the table below has its numbers"),
        Panel(reliability_figure(labels, probabilities), "Reliability",
              "how often the most probable class is right, by its probability; on the dotted line "
              "probabilities mean what they say",
              "Reliability curve, and the number of alerts by probability"),
        Panel(supernova_curves_figure(labels, probabilities), "Supernovae against the rest",
              "the dot is where the most probable class decides",
              "Precision-recall curve and ROC curve of the supernovae", wide=True),
    ]  # fmt: skip
    cells = np.stack([shares, counts], axis=-1).tolist()
    return {"title": "Classes", "panels": panels, "confusion": list(zip(CLASSES, cells, strict=True))}


def confusion_figure(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """A confusion matrix (K, K): each cell with its count, and coloured by its share of the row."""
    shares = metrics.normalise_rows(confusion)
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axis = figure.subplots()
    drawn = axis.imshow(shares, vmin=0, vmax=1, cmap=colours.SHARES)
    figure.colorbar(drawn, ax=axis, label="share of the true class", shrink=0.85)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.2f}\n{confusion[row, column]:.0f}"
        axis.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else "black")
    axis.set_xticks(range(len(classes)), classes)
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    return figure


def supernova_curves_figure(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Supernovae against the rest, of labels (N,) and probabilities (N, 5): precision-recall and ROC curve.

    The ROC curve is drawn up to a false-positive rate of 0.2. The dot is what the most probable class gives.
    """
    true, share = labels == SUPERNOVA, probabilities[:, SUPERNOVA]
    called = probabilities.argmax(axis=1) == SUPERNOVA
    confusion = metrics.confusion_matrix(true.astype(int), called.astype(int), 2)
    recall = metrics.recall_from_confusion(confusion, 1)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # where one of the classes is absent
        precisions, recalls, _ = precision_recall_curve(true, share)
        false_rates, true_rates, _ = np.nan_to_num(roc_curve(true, share, drop_intermediate=False))
    precisions[-1] = precisions[-2]  # at recall 0, in place of a 1 that no threshold gives
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.step(recalls[::-1] * true.any(), precisions[::-1], where="pre")
    left.plot(recall, metrics.precision_from_confusion(confusion, 1), "ko", label="most probable class")
    left.legend(loc="lower left")
    left.axhline(np.mean(true), color=colours.REFERENCE_LINE, linestyle=":")
    average = metrics.average_precision(labels, probabilities, SUPERNOVA)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02),
             title=f"precision and recall: average {average:.3f}")  # fmt: skip
    right.plot(false_rates, true_rates)
    right.plot(1 - metrics.recall_from_confusion(confusion, 0), recall, "ko")
    right.plot([0, 1], [0, 1], color=colours.REFERENCE_LINE, linestyle=":")
    right.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(0, 0.2), ylim=(0, 1.02),
              title=f"ROC: whole area {auc(false_rates, true_rates):.3f}")  # fmt: skip
    return figure


def reliability_figure(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """How often the most probable class is the true one, by its probability, and how many alerts have it."""
    confidence = probabilities.max(axis=1).astype(np.float64).clip(max=1)  # a sum of 1 within a tolerance
    correct = probabilities.argmax(axis=1) == labels
    accuracies, confidences = calibration_curve(correct, confidence, n_bins=CALIBRATION_BINS)
    bins = metrics.calibration_bins(confidence, CALIBRATION_BINS)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    figure = Figure(figsize=(4.8, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color=colours.REFERENCE_LINE, linestyle=":")
    upper.plot(confidences, accuracies, "o-")
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02),
              title=f"calibration error {metrics.calibration_error(labels, probabilities):.3f}")  # fmt: skip
    cases = np.bincount(bins, minlength=CALIBRATION_BINS)
    lower.bar(edges[:-1], cases, width=np.diff(edges), align="edge", edgecolor="white")
    lower.set(xlabel="probability of the most probable class", ylabel="alerts")
    return figure
