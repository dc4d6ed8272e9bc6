"""Pictures of alerts and of how they are classified.

The curves are scikit-learn's. They stay at 0 where no alert, or every alert, is a supernova.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, precision_recall_curve, roc_curve

import metrics
from harness.report import colours
from harness.report.drawing import Panel
from harness.tracks.stamps import CALIBRATION_BINS, SUPERNOVA
from submissions.formats.stamps import CLASSES

LARGEST_PIXEL = 1e10  # larger values mark pixels without data


def case_figure(
    inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray, title: str
) -> Figure | None:
    """Science, template and difference image (h, w, 3) of an alert, and the probability of each class.

    The bar of the true class is coloured, where it is known. None without images.
    """
    if inputs is None:
        return None
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.3])
    images = np.moveaxis(inputs, -1, 0)
    for axis, image, name in zip(axes, images, ("science", "template", "difference"), strict=False):
        usable = np.where(np.abs(image) < LARGEST_PIXEL, image, np.nan)
        low, high = np.nanquantile(usable, [0.01, 0.995]) if np.isfinite(usable).any() else (0, 1)
        axis.imshow(usable, vmin=low, vmax=high, cmap=colours.STAMP, interpolation="nearest")
        axis.set_title(name)
        axis.set_xticks([])
        axis.set_yticks([])
    label = None if target is None else int(target)
    bar_colours = [colours.OTHER_CLASS] * len(CLASSES)
    if label is not None:
        bar_colours[label] = colours.TRUE_CLASS
    bars = axes[3].barh(list(CLASSES), prediction, color=bar_colours)
    axes[3].bar_label(bars, fmt="%.2f", padding=3)
    axes[3].set_xlim(0, 1.15)
    axes[3].invert_yaxis()
    axes[3].set_title("probability" if label is None else f"probability (true: {CLASSES[label]})")
    figure.suptitle(title, parse_math=False)
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
