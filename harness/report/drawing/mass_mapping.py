"""Pictures of convergence maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import metrics
from harness.report import colours

PEAKS = {"true peaks": ("o", colours.TRUE_PEAKS), "predicted peaks": ("x", colours.PREDICTED_PEAKS)}


def case_figure(
    _inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray, title: str
) -> Figure | None:
    """True map, predicted map, their difference, and the regions that DICEE compares; (128, 128) each.

    The three highest peaks of both maps, as DPEAKS takes them, are marked and numbered. The inputs are not
    drawn. None without a target.
    """
    if target is None:
        return None
    target, prediction = target.astype(np.float32), prediction.astype(np.float32)
    figure = Figure(figsize=(15, 4.4 if title else 3.55), layout="constrained")
    axes = figure.subplots(1, 4, subplot_kw={"xticks": [], "yticks": []})
    limits = tuple(np.quantile(target, [0.005, 0.999]))
    largest = np.abs(prediction - target).max() or 1.0
    for axis, image, name, (low, high), colour_map in (
        (axes[0], target, "true κ", limits, colours.MAP),
        (axes[1], prediction, "predicted κ", limits, colours.MAP),
        (axes[2], prediction - target, "predicted − true", (-largest, largest), colours.DIFFERENCE),
    ):
        drawn = axis.imshow(image, origin="upper", vmin=low, vmax=high, cmap=colour_map)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
        axis.set_title(name)
    for axis in axes[:2]:
        _mark_peaks(axis, target, prediction)
    marks = [
        Line2D([], [], marker=marker, color=colour, fillstyle="none", linestyle="", label=name)
        for name, (marker, colour) in PEAKS.items()
    ]
    axes[0].legend(
        handles=marks, loc="lower left", fontsize=8, facecolor=colours.PEAKS_LEGEND, labelcolor="white"
    )
    _draw_regions(axes[3], target, prediction)
    if title:
        wmape, dpeaks = metrics.wmape(target, prediction), metrics.dpeaks(target, prediction)
        figure.suptitle(f"{title}   (WMAPE {wmape:.2f}, DPEAKS {dpeaks:.0f})", parse_math=False)
    return figure


def _mark_peaks(axis: Any, target: np.ndarray, prediction: np.ndarray) -> None:
    for image, (marker, colour) in zip((target, prediction), PEAKS.values(), strict=True):
        for number, (row, column) in enumerate(metrics.find_peaks(image), 1):
            axis.plot(column, row, marker, color=colour, fillstyle="none", markersize=9)
            axis.annotate(str(number), (column + 3, row - 3), color=colour, fontsize=9)


def _draw_regions(axis: Any, target: np.ndarray, prediction: np.ndarray) -> None:
    """Draw which pixels are above the mean of their map: in both, in one, or in neither."""
    true, predicted = target > target.mean(dtype=float), prediction > prediction.mean(dtype=float)
    axis.imshow(
        np.where(predicted, np.where(true, 1, 3), np.where(true, 2, 0)), vmin=0, vmax=3,
        cmap=ListedColormap([colours.NEITHER_REGION, *colours.REGIONS.values()]), interpolation="nearest",
    )  # fmt: skip
    axis.set_title(f"above the mean: DICEE {metrics.dicee(target, prediction):.3f}")
    patches = [Patch(color=colour, label=name) for name, colour in colours.REGIONS.items()]
    axis.legend(handles=patches, loc="lower right", fontsize=8)


def case_texts(case_id: str, _target: np.ndarray, _prediction: np.ndarray) -> dict[str, str]:
    """A map has no short text; ``alt`` says which pictures there are."""
    pictures = "True map, predicted map, their difference and the regions above the mean"
    alt = f"{pictures} of {case_id}, with the three highest peaks of both maps"
    return {"target": "", "prediction": "", "alt": alt}


def weights_figure(kappa: np.ndarray, weights: Mapping[str, np.ndarray], title: str) -> Figure:
    """A true map and, by name, the weights in 0..1 that a loss gives to its pixels; (H, W) each."""
    figure = Figure(figsize=(2.6 * (len(weights) + 1), 3.2), layout="constrained")
    axes = figure.subplots(1, len(weights) + 1, subplot_kw={"xticks": [], "yticks": []})
    axes[0].imshow(kappa, vmax=np.quantile(kappa, 0.999), cmap=colours.MAP)
    axes[0].set_title("true κ")
    for axis, (name, weight) in zip(axes[1:], weights.items(), strict=True):
        drawn = axis.imshow(weight, vmin=0, vmax=1, cmap=colours.WEIGHT, interpolation="nearest")
        axis.set_title(name)
    figure.colorbar(drawn, ax=axes[1:], shrink=0.8, pad=0.01)
    figure.suptitle(title, parse_math=False)
    return figure
