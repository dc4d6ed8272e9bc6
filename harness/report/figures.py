"""Pictures of single cases and of trainings, as PNG."""

from __future__ import annotations

import base64
import csv
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import metrics
from harness.files import HarnessError, beside
from harness.tracks.stamps import SUPERNOVA

REGIONS = {"hit": "#4daf4a", "missed": "#377eb8", "false alarm": "#e41a1c"}
PEAKS = {"true peaks": ("o", "white"), "predicted peaks": ("x", "cyan")}
SHOWN_DPI, DPI = 84, 120


def map_figure(kappa: np.ndarray, prediction: np.ndarray, title: str) -> Figure:
    """True map, predicted map, their difference, and the regions that DICEE compares; (128, 128) each.

    The three highest peaks of both maps, as DPEAKS takes them, are marked and numbered.
    """
    figure = Figure(figsize=(15, 4.4 if title else 3.55), layout="constrained")
    axes = figure.subplots(1, 4)
    low, high = np.quantile(kappa, [0.005, 0.999])
    span = np.abs(prediction - kappa).max() or 1.0
    for axis, image, name, limits, colours in (
        (axes[0], kappa, "true κ", (low, high), "inferno"),
        (axes[1], prediction, "predicted κ", (low, high), "inferno"),
        (axes[2], prediction - kappa, "predicted − true", (-span, span), "RdBu_r"),
    ):
        drawn = axis.imshow(image, origin="upper", vmin=limits[0], vmax=limits[1], cmap=colours)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
        axis.set_title(name)
    for shown in axes[:2]:
        for maps, (marker, colour) in zip((kappa, prediction), PEAKS.values(), strict=True):
            for number, (row, column) in enumerate(metrics.find_peaks(maps), 1):
                shown.plot(column, row, marker, color=colour, fillstyle="none", markersize=9)
                shown.annotate(str(number), (column + 3, row - 3), color=colour, fontsize=9)
    marks = [
        Line2D([], [], marker=marker, color=colour, fillstyle="none", linestyle="", label=name)
        for name, (marker, colour) in PEAKS.items()
    ]
    axes[0].legend(handles=marks, loc="lower left", fontsize=8, facecolor="#444444", labelcolor="white")
    truth, guess = kappa > kappa.mean(dtype=float), prediction > prediction.mean(dtype=float)
    axes[3].imshow(np.where(guess, np.where(truth, 1, 3), np.where(truth, 2, 0)), vmin=0, vmax=3,
                   cmap=ListedColormap(["#f0f0f0", *REGIONS.values()]), interpolation="nearest")  # fmt: skip
    axes[3].set_title(f"above the mean: DICEE {metrics.dicee(kappa, prediction):.3f}")
    axes[3].legend(
        handles=[Patch(color=c, label=n) for n, c in REGIONS.items()], loc="lower right", fontsize=8
    )
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    if title:
        scores = (
            f"WMAPE {metrics.wmape(kappa, prediction):.2f}, DPEAKS {metrics.dpeaks(kappa, prediction):.0f}"
        )
        figure.suptitle(f"{title}   ({scores})", parse_math=False)
    return figure


def weights_figure(kappa: np.ndarray, weights: Mapping[str, np.ndarray], title: str) -> Figure:
    """A true map and weights in 0..1 that a loss is made of, by name; (H, W) each."""
    figure = Figure(figsize=(2.6 * (len(weights) + 1), 3.2), layout="constrained")
    panels = figure.subplots(1, len(weights) + 1)
    panels[0].imshow(kappa, vmax=np.quantile(kappa, 0.999), cmap="inferno")
    panels[0].set_title("true κ")
    for axis, (name, weight) in zip(panels[1:], weights.items(), strict=True):
        drawn = axis.imshow(weight, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        axis.set_title(name)
    figure.colorbar(drawn, ax=panels[1:], shrink=0.8, pad=0.01)
    for axis in panels:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.suptitle(title, parse_math=False)
    return figure


def stamp_figure(
    image: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], label: int | None, title: str
) -> Figure:
    """Science, template and difference cutout (h, w, 3) and the probability of each class."""
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.3])
    for axis, cutout, name in zip(
        axes, np.moveaxis(image, -1, 0), ("science", "template", "difference"), strict=False
    ):
        usable = np.where(np.abs(cutout) < 1e10, cutout, np.nan)
        limits = np.nanquantile(usable, [0.01, 0.995]) if np.isfinite(usable).any() else (0, 1)
        axis.imshow(usable, vmin=limits[0], vmax=limits[1], cmap="gray", interpolation="nearest")
        axis.set_title(name)
        axis.set_xticks([])
        axis.set_yticks([])
    colours = ["#4daf4a" if index == label else "#999999" for index in range(len(classes))]
    bars = axes[3].barh(list(classes), probabilities, color=colours)
    axes[3].bar_label(bars, fmt="%.2f", padding=3)
    axes[3].set_xlim(0, 1.15)
    axes[3].invert_yaxis()
    axes[3].set_title("probability" if label is None else f"probability (true: {classes[label]})")
    figure.suptitle(title, parse_math=False)
    return figure


def curves_figure(history: Path, title: str) -> Figure:
    """Learning curves of a run: a panel for each quantity of ``history.csv``, validation beside training."""
    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise HarnessError(f"{history} has no epochs to draw")
    columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    names = [name for name in columns if name not in ("epoch", "seconds") and not name.startswith("val_")]
    names += [
        name for name in columns if name.startswith("val_") and name.removeprefix("val_") not in columns
    ]
    figure = Figure(figsize=(4.2 * len(names), 3.4), layout="constrained")
    for axis, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for key, text in ((name, "training"), (f"val_{name}", "validation")):
            if key in columns:
                on = "validation" if key.startswith("val_") else text
                axis.plot(columns["epoch"], columns[key], label=on)
        axis.set_title(name.removeprefix("val_"))
        axis.set_xlabel("epoch")
        axis.legend()
    figure.suptitle(title, parse_math=False)
    return figure


def sweep_figure(board: Mapping[str, Any], over: str, values: Mapping[str, float]) -> Figure:
    """A panel for each ranked score of a board over what its methods differ in, with 95 % intervals.

    The axis is logarithmic where the values reach over a factor of 4 and none is 0.
    """
    ranked = [one for one in board["scores"] if one["ranked"]]
    rows = sorted(board["rows"], key=lambda row: values[row["method"]])
    places = [values[row["method"]] for row in rows]
    figure = Figure(figsize=(4.2 * len(ranked), 3.4), layout="constrained")
    for axis, one in zip(np.atleast_1d(figure.subplots(1, len(ranked))), ranked, strict=True):
        scores = [row["metrics"][one["key"]] for row in rows]
        means = np.array([score["mean"] for score in scores])
        ends = np.array([[score[end] for score in scores] for end in ("low", "high")], float)
        axis.errorbar(places, means, np.abs(ends - means), marker="o", capsize=3)
        if min(places) > 0 and max(places) > 4 * min(places):
            axis.set_xscale("log", base=2)
        axis.set_xticks(places, [f"{value:g}" for value in places])
        axis.minorticks_off()
        axis.set_title(f"{one['title']} {'↓' if one['lower_is_better'] else '↑'}")
        axis.set_xlabel(over)
    return figure


def confusion_figure(confusion: np.ndarray, classes: Sequence[str]) -> Figure:
    """A confusion matrix (K, K): each cell with its count, and coloured by its share of the row."""
    shares = metrics.normalise_rows(confusion)
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axis = figure.subplots()
    drawn = axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
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
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    called = probabilities.argmax(axis=1) == SUPERNOVA
    confusion = metrics.confusion_matrix((labels == SUPERNOVA).astype(int), called.astype(int), 2)
    recall = metrics.recall_from_confusion(confusion, 1)
    precision, recalls, _ = metrics.precision_recall_curve(labels, probabilities, SUPERNOVA)
    left.step([0, *recalls], [precision[0], *precision], where="pre")
    left.plot(recall, metrics.precision_from_confusion(confusion, 1), "ko", label="most probable class")
    left.legend(loc="lower left")
    left.axhline(np.mean(labels == SUPERNOVA), color="#999999", linestyle=":")
    average = metrics.average_precision(labels, probabilities, SUPERNOVA)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02),
             title=f"precision and recall: average {average:.3f}")  # fmt: skip
    false, true, _ = metrics.roc_curve(labels, probabilities, SUPERNOVA)
    right.plot(false, true)
    right.plot(1 - metrics.recall_from_confusion(confusion, 0), recall, "ko")
    right.plot([0, 1], [0, 1], color="#999999", linestyle=":")
    area = metrics.roc_auc(labels, probabilities, SUPERNOVA)
    right.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(0, 0.2), ylim=(0, 1.02),
              title=f"ROC: whole area {area:.3f}")  # fmt: skip
    return figure


def reliability_figure(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """How often the most probable class is the true one, by its probability, and how often it has which."""
    confidences, accuracies, cases = metrics.reliability_curve(labels, probabilities)
    edges, filled = np.linspace(0, 1, len(cases) + 1), cases > 0
    figure = Figure(figsize=(4.8, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color="#999999", linestyle=":")
    upper.plot(confidences[filled], accuracies[filled], "o-")
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02),
              title=f"calibration error {metrics.calibration_error(labels, probabilities):.3f}")  # fmt: skip
    lower.bar(edges[:-1], cases, width=np.diff(edges), align="edge", edgecolor="white")
    lower.set(xlabel="probability of the most probable class", ylabel="alerts")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, the same bytes for the same picture."""
    with beside(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def inline(figure: Figure) -> dict[str, Any]:
    """A figure within the page: its address, width and height in pixels of the screen.

    WebP, since noise makes a PNG of a map five times as large.
    """
    file = BytesIO()
    figure.savefig(file, format="webp", dpi=DPI, pil_kwargs={"quality": 85})
    width, height = (round(SHOWN_DPI * side) for side in figure.get_size_inches())
    data = base64.b64encode(file.getvalue()).decode()
    return {"src": f"data:image/webp;base64,{data}", "width": width, "height": height}
