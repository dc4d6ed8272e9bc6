"""Pictures of convergence maps."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

import metrics
from baselines.mass_mapping.kaiser_squires import smoothed_convergence
from harness.data.store import Dataset
from harness.report import colours
from harness.report.cells import significant
from harness.report.drawing import evenly_spaced
from harness.report.drawing.tiles import Scale, Tile, image_tile, tiles_figure
from harness.report.figures import colour_table, grey_picture

PEAKS = {"true peaks": ("x", colours.TRUE_PEAKS, 5), "predicted peaks": ("o", colours.PREDICTED_PEAKS, 3)}
"""Marker, colour, and how many are marked, as in figure 1 of the report."""
PEAKS_WITH_WEIGHTS = 10
"""How many peaks are marked, as in its figure 3."""
INPUTS = ("e1", "e2", "Δe")
SAMPLES = 4
ACROSS, SPRITE_BYTES, INPUT_BYTES = 8, 110_000, 12_000
"""Tiles in a row of the picture of a case under every method; the bytes that it and its inputs may have."""
REACH = 0.25
"""The largest difference that is drawn there, in units of the scale of the true map."""
DEVIATIONS = 2
"""The largest difference that a tile shows, in standard deviations of the true map."""
WHISKERS, INPUT_SMOOTHING = 16, 2.0
"""Lines in a row of the picture of the inputs; the width of the Gaussian below them, in pixels."""


def case_figure(
    inputs: np.ndarray | None, target: np.ndarray | None, prediction: np.ndarray | None, title: str
) -> Figure | None:
    """The tiles of a case, and its scores in the title.

    Without a prediction, the inputs (128, 128, 3) and the true map are drawn, those of them that are known.
    None for a prediction without a target.
    """
    if prediction is None:
        return tiles_figure(_without_prediction(inputs, target), title, 4)
    if target is None:
        return None
    if title:
        maps = target.astype(np.float32), prediction.astype(np.float32)
        title += (
            f"   (WMAPE {significant(metrics.wmape(*maps))}, DPEAKS {significant(metrics.dpeaks(*maps))})"
        )
    return tiles_figure(case_tiles(inputs, target, prediction), title)


def case_tiles(inputs: np.ndarray | None, target: np.ndarray, prediction: np.ndarray) -> list[Tile]:
    """The inputs, if they are known, true and predicted map, their difference, and what DICEE compares.

    On both maps the five highest true peaks are crosses and the three highest predicted ones circles, with
    their ranks, as in figure 1 of Urcelay, Hernandez & Ugarte (2024): peaks that change places, which DPEAKS
    pairs by rank, can be seen. The scale of the difference depends on the true map alone.
    """
    target, prediction = target.astype(np.float32), prediction.astype(np.float32)
    peaks = partial(_mark_peaks, {"true peaks": target, "predicted peaks": prediction})
    key = [(name, colour, marker) for name, (marker, colour, _) in PEAKS.items()]
    scale, note = _map_scale(target), "on the scale of the true map"
    return [
        *([] if inputs is None else [_input_tile(inputs.astype(np.float32))]),
        image_tile("true κ", target, scale, over=peaks, key=key),
        image_tile("predicted κ", prediction, scale, note, over=peaks),
        _difference_tile("predicted − true", prediction, target),
        _regions_tile(target, prediction),
    ]


def _map_scale(kappa: np.ndarray, colour_map: str = colours.MAP) -> Scale:
    low, high = np.quantile(kappa, [0.005, 0.999])
    return Scale(colour_map, float(low), float(high))


def _difference_tile(title: str, prediction: np.ndarray, target: np.ndarray) -> Tile:
    reach = DEVIATIONS * float(target.std(dtype=float)) or 1.0
    scale = Scale(colours.DIFFERENCE, -reach, reach)
    note = f"to ±{DEVIATIONS}σ of the true map"
    return image_tile(title, prediction - target, scale, note, pale=True)


def _input_tile(inputs: np.ndarray) -> Tile:
    """KS93 of the ellipticities (H, W, 3), a little smoothed, and lines along their means in squares."""
    kappa = smoothed_convergence(inputs[None], INPUT_SMOOTHING)[0]
    side = len(inputs) // WHISKERS
    e1, e2 = inputs[..., :2].reshape(WHISKERS, side, WHISKERS, side, 2).mean(axis=(1, 3)).transpose(2, 0, 1)
    strength, angle = np.hypot(e1, e2), np.arctan2(e2, e1) / 2
    length = (strength / (np.quantile(strength, 0.95) or 1.0)).clip(max=1.3) * side
    middles = side * (np.indices((WHISKERS, WHISKERS)) + 0.5) - 0.5

    def whiskers(axis: Any) -> None:
        axis.quiver(
            middles[1], middles[0], length * np.cos(angle), length * np.sin(angle), angles="xy",
            scale_units="xy", scale=1, pivot="mid", headwidth=0, headlength=0, headaxislength=0,
            color=colours.WHISKERS, width=0.006,
        )  # fmt: skip
        axis.set(xlim=(-0.5, len(kappa) - 0.5), ylim=(len(kappa) - 0.5, -0.5))

    note = "lines: mean ellipticity of 8 × 8 pixels"
    return image_tile("given: shear and its KS93", kappa, _map_scale(kappa, colours.GIVEN), note, whiskers)


def side_by_side(
    inputs: np.ndarray | None, target: np.ndarray, predictions: Sequence[np.ndarray]
) -> dict[str, Any]:
    """A true map and predictions of it (H, W), as tiles of one grey picture, on the scale of the true map.

    The tiles are the truth, its negative, which is what a browser makes differences of, and the predictions.
    ``colours`` are the tables that give grey its colours; differences reach to ``reach`` on both sides. The
    inputs (H, W, 3), if they are known, are a ``picture`` of three ``channels`` side by side.
    """
    images = () if inputs is None else np.moveaxis(inputs.astype(np.float32), -1, 0)
    given = [(image / _input_reach(image) / 2 + 0.5).clip(0, 1) for image in images]
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

    Predictions and differences have scales that depend on the true map alone: the better one is paler.
    """
    target, predictions = target.astype(np.float32), [each.astype(np.float32) for each in predictions]
    scale = _map_scale(target)
    tiles = _without_prediction(inputs, target)
    tiles += [image_tile(name, image, scale) for name, image in zip(names, predictions, strict=True)]
    both = zip("AB", predictions, strict=True)
    tiles += [_difference_tile(f"{name} − true", image, target) for name, image in both]
    return tiles_figure(tiles, title, 4)


def dataset_figures(data: Dataset) -> Iterator[tuple[str, Figure]]:
    """Inputs and true maps of four cases, evenly spaced in the file: one figure, ``samples``."""
    rows = evenly_spaced(np.arange(len(data)), SAMPLES)
    case_ids, tiles = data.case_ids(), []
    columns = [data.columns.get(column.name) for column in (data.track.inputs, data.track.truth)]
    for row in rows:
        tiles += _without_prediction(*(None if column is None else column[row] for column in columns))
    yield "samples", tiles_figure(tiles, "", 4, [case_ids[row] for row in rows])


def _without_prediction(inputs: np.ndarray | None, target: np.ndarray | None) -> list[Tile | None]:
    """The three inputs and the true map, None for those that are not known."""
    tiles: list[Tile | None] = [None] * len(INPUTS)
    if inputs is not None:
        images = np.moveaxis(inputs.astype(np.float32), -1, 0)
        scales = [Scale(colours.DIFFERENCE, -_input_reach(image), _input_reach(image)) for image in images]
        tiles = [image_tile(*each) for each in zip(INPUTS, images, scales, strict=True)]
    if target is None:
        return [*tiles, None]
    target = target.astype(np.float32)
    peaks = partial(_mark_peaks, {"true peaks": target})
    return [*tiles, image_tile("true κ", target, _map_scale(target), over=peaks)]


def _input_reach(image: np.ndarray) -> float:
    """Three robust standard deviations: the shear of the noise-free pixels is faint beside the noise."""
    return float(3 * 1.4826 * np.median(np.abs(image)) or np.abs(image).max() or 1.0)


def _mark_peaks(maps: Mapping[str, np.ndarray], axis: Any) -> None:
    """Mark the highest PEAKS of maps with their ranks: those of the true map to the right of the marks."""
    outline = [withStroke(linewidth=2.5, foreground="black")]
    for name, image in maps.items():
        marker, colour, shown = PEAKS[name]
        aside, side = (4, "left") if name == "true peaks" else (-4, "right")
        for rank, (row, column) in enumerate(_found_peaks(image, shown), 1):
            axis.plot(
                column, row, marker, color=colour, fillstyle="none", markersize=10, path_effects=outline
            )
            beside = (column + aside, row - 3 if row > 9 else row + 9)
            axis.annotate(str(rank), beside, color=colour, fontsize=12, path_effects=outline, ha=side)


def _found_peaks(image: np.ndarray, number_of_peaks: int) -> np.ndarray:
    """The highest peaks of a map as rows and columns, without the (0, 0) that stands for a missing one."""
    peaks = metrics.find_peaks(image, number_of_peaks)
    return peaks[peaks.any(axis=1)]


def _regions_tile(target: np.ndarray, prediction: np.ndarray) -> Tile:
    """Which pixels are above the mean of their map: in both, in neither, or in one."""
    true, predicted = target > target.mean(dtype=float), prediction > prediction.mean(dtype=float)
    index = np.where(predicted, np.where(true, 0, 2), np.where(true, 3, 1))  # in the order of REGIONS
    scale = Scale(ListedColormap(list(colours.REGIONS.values())), 0, 3)
    title = f"above the mean: DICEE {significant(metrics.dicee(target, prediction))}"
    key = [(name, colour, "") for name, colour in colours.REGIONS.items()]
    return image_tile(title, index, scale, key=key, pale=True)._replace(scale=None)


def weights_figure(
    kappa: np.ndarray, weights: Mapping[str, np.ndarray], structure: str, title: str
) -> Figure:
    """A true map and, by name, the weights in 0..1 that a loss gives to its pixels; (H, W) each.

    As in figure 3 of Urcelay, Hernandez & Ugarte (2024), the ten highest peaks are red crosses. On the true
    map the pixels to which the weight named ``structure`` gives 1 are pink.
    """
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    columns = (len(weights) + 2) // 2
    axes = figure.subplots(2, columns, subplot_kw={"xticks": [], "yticks": []}).flat
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
