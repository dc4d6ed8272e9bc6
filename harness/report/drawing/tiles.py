"""The pictures that a case is drawn in: in a row in one figure, or each by itself on a page."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.report import colours

MOST_COLUMNS = 3
SIDE = 3.2
"""Of the picture of a tile, in inches: a map of 128 pixels then has three for each at 120 dpi."""
BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02), "ncols": 2, "fontsize": 8}
"""Settings of a legend below its axis, where it hides nothing."""


class Scale(NamedTuple):
    """What the colours of a picture mean: a colour map of matplotlib, and the values at its ends."""

    colour_map: str | Colormap
    low: float
    high: float


class Tile(NamedTuple):
    """One picture of a case. ``draw`` draws it on an axis without ticks.

    ``key`` explains its marks or colours: a name, a colour, and the marker, or nothing for an area. On a dark
    page the colours of ``pale`` pictures, of which much is white, are turned round. ``shares`` are the
    probabilities by class that it shows, which a page draws as text and bars.
    """

    title: str
    draw: Callable[[Axes], Any]
    scale: Scale | None = None
    key: Sequence[tuple[str, str, str]] = ()
    note: str = ""
    pale: bool = False
    shares: Sequence[tuple[str, float]] = ()


def tiles_figure(
    tiles: Sequence[Tile | None], title: str, columns: int = 0, labels: Sequence[str] = (), side: float = 3.4
) -> Figure:
    """Tiles in rows of ``columns``, by default of at most MOST_COLUMNS; None leaves a place empty.

    ``labels`` stand before the rows. A row is ``side`` inches high.
    """
    columns = columns or min(len(tiles), MOST_COLUMNS)
    rows = -(-len(tiles) // columns)
    tiles = [*tiles, *[None] * (rows * columns - len(tiles))]
    tall = (0.45 if title else 0) + (0.4 if any(tile and tile.key for tile in tiles) else 0)
    figure = Figure(figsize=(1.1 * side * columns, side * rows + tall), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, tile in zip(axes.flat, tiles, strict=True):
        if tile is None:
            axis.set_axis_off()
            continue
        draw(axis, tile)
        axis.set_title(tile.title, parse_math=False)
        if tile.scale:
            name, low, high = tile.scale
            figure.colorbar(ScalarMappable(Normalize(low, high), name), ax=axis, shrink=0.8)
        if tile.key:
            handles = [_mark(*each) for each in tile.key]
            dark = {"facecolor": colours.PEAKS_LEGEND, "labelcolor": "white"} if tile.key[0][2] else {}
            axis.legend(handles=handles, **BELOW, **dark)
    for axis, label in zip(axes[:, 0], labels, strict=False):
        axis.set_ylabel(label, fontsize="small", parse_math=False)
    figure.suptitle(title, parse_math=False)
    return figure


def alone(tile: Tile) -> Figure:
    """The picture of a tile, without any text around it."""
    figure = Figure(figsize=(SIDE, SIDE))
    axis = figure.add_axes((0, 0, 1, 1))
    draw(axis, tile)
    axis.set_axis_off()
    return figure


def draw(axis: Axes, tile: Tile) -> None:
    """Draw a tile on an axis."""
    if not tile.shares:
        axis.set(xticks=[], yticks=[])
    tile.draw(axis)


def image_tile(
    title: str, image: Any, scale: Scale, note: str = "", over: Callable[[Axes], Any] | None = None,
    **more: Any,
) -> Tile:  # fmt: skip
    """A map (H, W) in the colours of a scale, and what ``over`` draws over it."""

    def drawn(axis: Axes) -> None:
        name, low, high = scale
        axis.imshow(image, vmin=low, vmax=high, cmap=name, interpolation="nearest")
        if over:
            over(axis)

    return Tile(title, drawn, scale, note=note, **more)


def _mark(name: str, colour: str, marker: str) -> Line2D | Patch:
    if not marker:
        return Patch(facecolor=colour, edgecolor="black", linewidth=0.5, label=name)
    return Line2D([], [], marker=marker, color=colour, fillstyle="none", linestyle="", label=name)
