"""Pictures of convergence maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

import metrics
from harness.data.store import Dataset
from harness.report import colours
from harness.report.drawing import evenly_spaced
from harness.report.figures import colour_table, grey_picture

PEAKS = {"true peaks": ("x", colours.TRUE_PEAKS), "predicted peaks": ("o", colours.PREDICTED_PEAKS)}
TRUE_PEAKS_SHOWN, PREDICTED_PEAKS_SHOWN, PEAKS_WITH_WEIGHTS = 5, 3, 10
"""How many peaks are marked, as in figures 1 and 3 of the report."""
INPUTS = ("e1", "e2", "Δe")
SAMPLES = 4
ACROSS, SPRITE_BYTES, INPUT_BYTES = 8, 110_000, 12_000
"""Tiles in a row of the picture of a case under every method; the bytes that it and its inputs may have."""
REACH = 0.25
"""The largest difference that is drawn there, in units of the scale of the true map."""
NO_TICKS: dict[str, Any] = {"xticks": [], "yticks": []}
BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02), "ncols": 2, "fontsize": 8}
"""Settings of a legend below its axis, where it hides nothing."""


def case_figure(
    inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray | None, title: str
) -> Figure | None:
    """True map, predicted map, their difference, and the regions that DICEE compares; (128, 128) each.

    On both maps the five highest true peaks are crosses and the three highest predicted ones circles, with
    their ranks, as in figure 1 of Urcelay, Hernandez & Ugarte (2024): peaks that change places, which DPEAKS
    pairs by rank, can be seen. Without a prediction, the inputs (128, 128, 3) and the true map are drawn,
    those of them that are known. None for a prediction without a target.
    """
    if prediction is None:
        figure = Figure(figsize=(15, 4.4), layout="constrained")
        _draw_case(figure.subplots(1, 4, subplot_kw=NO_TICKS), inputs, target)
        figure.suptitle(title, parse_math=False)
        return figure
    if target is None:
        return None
    target, prediction = target.astype(np.float32), prediction.astype(np.float32)
    figure = Figure(figsize=(15, 4.4 if title else 3.55), layout="constrained")
    axes = figure.subplots(1, 4, subplot_kw=NO_TICKS)
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
        _mark_peaks(axis, target, TRUE_PEAKS_SHOWN, "true peaks")
        _mark_peaks(axis, prediction, PREDICTED_PEAKS_SHOWN, "predicted peaks")
    marks = [
        Line2D([], [], marker=marker, color=colour, fillstyle="none", linestyle="", label=name)
        for name, (marker, colour) in PEAKS.items()
    ]
    axes[0].legend(handles=marks, facecolor=colours.PEAKS_LEGEND, labelcolor="white", **BELOW)
    _draw_regions(axes[3], target, prediction)
    if title:
        wmape, dpeaks = metrics.wmape(target, prediction), metrics.dpeaks(target, prediction)
        figure.suptitle(f"{title}   (WMAPE {wmape:.2f}, DPEAKS {dpeaks:.0f})", parse_math=False)
    return figure


def side_by_side(
    inputs: np.ndarray | None, target: np.ndarray, predictions: Sequence[np.ndarray]
) -> dict[str, Any]:
    """A true map and predictions of it (H, W), as tiles of one grey picture, on the scale of the true map.

    The tiles are the truth, its negative, which is what a browser makes differences of, and the predictions.
    ``colours`` are the tables that give grey its colours; differences reach to ``reach`` on both sides. The
    inputs (H, W, 3), if they are known, are a ``picture`` of three ``channels`` side by side.
    """
    given = []
    for image in () if inputs is None else np.moveaxis(inputs.astype(np.float32), -1, 0):
        reach = _input_reach(image)
        given.append((image / reach / 2 + 0.5).clip(0, 1))
    target = target.astype(np.float32)
    low, high = float(np.quantile(target, 0.002)), float(target.max())
    scaled = [(each.astype(np.float32) - low) / ((high - low) or 1.0) for each in (target, *predictions)]
    tiles = np.stack([scaled[0], 1 - scaled[0], *scaled[1:]]).clip(0, 1)
    side, down = len(target), -(-len(tiles) // ACROSS)
    grid = np.zeros((down * ACROSS, side, side), np.float32)
    grid[: len(tiles)] = tiles
    picture = grid.reshape(down, ACROSS, side, side).swapaxes(1, 2).reshape(down * side, ACROSS * side)
    return {
        "picture": grey_picture(np.concatenate(given, axis=1), INPUT_BYTES) if given else None,
        "channels": INPUTS,
        "sprite": grey_picture(picture, SPRITE_BYTES), "side": side, "height": down * side,
        "width": ACROSS * side, "low": low, "high": high, "reach": REACH * (high - low),
        "tiles": [(side * (index % ACROSS), side * (index // ACROSS)) for index in range(len(tiles))],
        "ends": [round(255 * (0.5 + end * REACH / 2)) for end in (-1, 1)],
        "colours": {
            "kappa": colour_table(colours.MAP), "residual": colour_table(colours.DIFFERENCE, REACH),
            "residual-dark": colour_table(colours.DIFFERENCE_ON_DARK, REACH),
        },
    }  # fmt: skip


def comparison_figure(
    inputs: np.ndarray | None, target: np.ndarray, predictions: Sequence[np.ndarray], names: Sequence[str],
    title: str,
) -> Figure | None:  # fmt: skip
    """The inputs and the true map, and below it two predictions (H, W) and their differences, on one scale.

    Both predictions have the scale of the true map. Both differences have that of the larger ones, so that
    the better prediction is the paler one.
    """
    figure = Figure(figsize=(15, 7.6), layout="constrained")
    upper, lower = figure.subplots(2, 4, subplot_kw=NO_TICKS)
    _draw_case(upper, inputs, target)
    target, predictions = target.astype(np.float32), [each.astype(np.float32) for each in predictions]
    limits = tuple(np.quantile(target, [0.005, 0.999]))
    differences = [each - target for each in predictions]
    reach = float(np.quantile(np.abs(differences), 0.999)) or 1.0
    for axis, image, name in zip(lower[:2], predictions, names, strict=True):
        drawn = axis.imshow(image, vmin=limits[0], vmax=limits[1], cmap=colours.MAP)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
        axis.set_title(name, parse_math=False)
    for axis, image, name in zip(lower[2:], differences, "AB", strict=True):
        drawn = axis.imshow(image, vmin=-reach, vmax=reach, cmap=colours.DIFFERENCE)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
        axis.set_title(f"{name} − true")
    figure.suptitle(title, parse_math=False)
    return figure


def dataset_figures(data: Dataset) -> Iterator[tuple[str, Figure]]:
    """Inputs and true maps of four cases, evenly spaced in the file: one figure, ``samples``."""
    rows = evenly_spaced(np.arange(len(data)), SAMPLES)
    case_ids = data.case_ids()
    figure = Figure(figsize=(15, 3.4 * len(rows)), layout="constrained")
    for axes, row in zip(
        figure.subplots(len(rows), 4, squeeze=False, subplot_kw=NO_TICKS), rows, strict=True
    ):
        values = [
            np.asarray(data.columns[column.name][row]) if column.name in data.columns else None
            for column in (data.track.inputs, data.track.truth)
        ]
        _draw_case(axes, *values)
        axes[0].set_ylabel(case_ids[row], parse_math=False)
    yield "samples", figure


def _draw_case(axes: Any, inputs: np.ndarray | None, target: np.ndarray | None) -> None:
    """Draw the three inputs and the true map, those that there are, on four axes."""
    images: list[Any] = [None] * len(INPUTS) if inputs is None else list(np.moveaxis(inputs, -1, 0))
    for axis, image, name in zip(axes, [*images, target], [*INPUTS, "true κ"], strict=True):
        if image is None:
            axis.set_axis_off()
            continue
        image = image.astype(np.float32)
        low, high = np.quantile(image, [0.005, 0.999])
        if name in INPUTS:
            high = _input_reach(image)
            low = -high
        colour_map = colours.DIFFERENCE if name in INPUTS else colours.MAP
        drawn = axis.imshow(image, vmin=low, vmax=high, cmap=colour_map, interpolation="nearest")
        axis.figure.colorbar(drawn, ax=axis, shrink=0.8)
        axis.set_title(name)
    if target is not None:
        _mark_peaks(axes[3], target.astype(np.float32), TRUE_PEAKS_SHOWN, "true peaks")


def _input_reach(image: np.ndarray) -> float:
    """Three robust standard deviations: the shear of the noise-free pixels is faint beside the noise."""
    return float(3 * 1.4826 * np.median(np.abs(image)) or np.abs(image).max() or 1.0)


def _mark_peaks(axis: Any, image: np.ndarray, number_of_peaks: int, name: str) -> None:
    """Mark the highest peaks of a map with their ranks: those of the true map to the right of the marks."""
    marker, colour = PEAKS[name]
    outline = [withStroke(linewidth=2.5, foreground="black")]
    aside = 4 if name == "true peaks" else -4
    for rank, (row, column) in enumerate(_found_peaks(image, number_of_peaks), 1):
        axis.plot(column, row, marker, color=colour, fillstyle="none", markersize=9, path_effects=outline)
        beside = (column + aside, row - 3 if row > 9 else row + 9)
        side = "left" if aside > 0 else "right"
        axis.annotate(str(rank), beside, color=colour, fontsize=9, path_effects=outline, ha=side)


def _found_peaks(image: np.ndarray, number_of_peaks: int) -> np.ndarray:
    """The highest peaks of a map as rows and columns, without the (0, 0) that stands for a missing one."""
    peaks = metrics.find_peaks(image, number_of_peaks)
    return peaks[peaks.any(axis=1)]


def _draw_regions(axis: Any, target: np.ndarray, prediction: np.ndarray) -> None:
    """Draw which pixels are above the mean of their map: in both, in neither, or in one."""
    true, predicted = target > target.mean(dtype=float), prediction > prediction.mean(dtype=float)
    index = np.where(predicted, np.where(true, 0, 2), np.where(true, 3, 1))  # in the order of REGIONS
    colour_map = ListedColormap(list(colours.REGIONS.values()))
    axis.imshow(index, vmin=0, vmax=3, cmap=colour_map, interpolation="nearest")
    axis.set_title(f"above the mean: DICEE {metrics.dicee(target, prediction):.3f}")
    patches = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.5, label=name)
        for name, colour in colours.REGIONS.items()
    ]
    axis.legend(handles=patches, **BELOW)


def case_texts(case_id: str, _target: np.ndarray, _prediction: np.ndarray) -> dict[str, str]:
    """A map has no short text; ``alt`` says which pictures there are."""
    pictures = "True map, predicted map, their difference and the regions above the mean"
    alt = f"{pictures} of {case_id}, with the five highest true and the three highest predicted peaks"
    return {"target": "", "prediction": "", "alt": alt}


def weights_figure(
    kappa: np.ndarray, weights: Mapping[str, np.ndarray], structure: str, title: str
) -> Figure:
    """A true map and, by name, the weights in 0..1 that a loss gives to its pixels; (H, W) each.

    As in figure 3 of Urcelay, Hernandez & Ugarte (2024), the ten highest peaks are red crosses. On the true
    map the pixels to which the weight named ``structure`` gives 1 are pink.
    """
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    columns = (len(weights) + 2) // 2
    axes = figure.subplots(2, columns, subplot_kw=NO_TICKS).flat
    shown = axes[0].imshow(kappa, vmax=np.quantile(kappa, 0.999), cmap=colours.MAP)
    figure.colorbar(shown, ax=axes[0], shrink=0.8)
    axes[0].set_title("true κ")
    pink = ListedColormap([colours.STRUCTURE])
    axes[0].imshow(np.ma.masked_less(weights[structure], 1), cmap=pink, interpolation="nearest")
    for axis, (name, weight) in zip(axes[1:], weights.items(), strict=False):
        high = weight.max() or 1  # of the mean less than 1
        drawn = axis.imshow(weight, vmin=0, vmax=high, cmap=colours.WEIGHT, interpolation="nearest")
        axis.set_title(name)
        figure.colorbar(drawn, ax=axis, shrink=0.8)
    peaks = _found_peaks(kappa, PEAKS_WITH_WEIGHTS)
    mark: dict[str, Any] = {"marker": "x", "color": colours.HIGHEST_PEAKS}
    for axis in axes[: len(weights) + 1]:
        (crosses,) = axis.plot(peaks[:, 1], peaks[:, 0], linestyle="", markersize=5, **mark)
        if axis is axes[0]:  # where the peaks themselves are nearly red
            crosses.set_path_effects([withStroke(linewidth=3, foreground="white")])
    for axis in axes[len(weights) + 1 :]:
        axis.set_axis_off()
    handles = [
        Line2D([], [], linestyle="", label=f"the {PEAKS_WITH_WEIGHTS} highest peaks", **mark),
        Patch(facecolor=colours.STRUCTURE, label=f"pixels of the weight “{structure.partition(',')[0]}”"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    figure.suptitle(title, parse_math=False)
    return figure
