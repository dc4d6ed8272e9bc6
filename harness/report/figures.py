"""Figures of trainings and of boards, and how a figure is written: as a file or into a page."""

import base64
import csv
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import LogLocator

from harness.evaluation.board import Board
from harness.files import HarnessError, beside
from harness.report import colours
from harness.report.cells import MOST_DIGITS, number, supported, with_arrow
from harness.report.drawing import Panel
from harness.report.drawing.tiles import Scale
from harness.tracks import Score

SHOWN_DPI, DPI = 84, 120
DECADE = 10
VECTOR: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "astroboard", "pdf.fonttype": 42}
"""Settings of matplotlib for files whose text is text, and whose bytes are the same each time."""
QUALITIES, MOST_BYTES, COLOURS = (90, 80, 60, 40), 20_000, 65
METADATA: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
COLUMN, GAP, TEXT, SMALLEST_TEXT = 3.5, 0.1, 10, 6
"""Width of a column of a paper and the gap beside it, in inches; sizes of text, in points."""
FEW_EPOCHS = 8  # so few are also marked by points; a single one would not be seen as a line
Curve = tuple[str, Callable[[Any], None]]
"""The title of a quantity, and the function that draws it on an axis."""


def learning_curves(history: Path, scores: Sequence[Score]) -> list[Curve]:
    """The quantities of ``history.csv``, the loss first.

    A score of the track that stands there once is of the validation cases. Scores that are better when lower
    have a logarithmic axis, as in figure 5 of Urcelay, Hernandez & Ugarte (2024), and so has a loss that
    falls by more than a decade. The epoch with the lowest validation loss is marked. Raises HarnessError if
    the file is damaged or has no epochs.
    """
    columns = _columns(history)
    by_key = {score.key: score for score in scores}
    for name in list(columns):
        if name in by_key and f"val_{name}" not in columns:
            columns[f"val_{name}"] = columns.pop(name)
    ordered = sorted(columns, key=lambda name: (name not in ("loss", "val_loss"), name[:4] == "val_"))
    names = dict.fromkeys(name.removeprefix("val_") for name in ordered if name not in ("epoch", "seconds"))
    epochs = columns["epoch"]
    best = epochs[int(np.argmin(columns["val_loss"]))] if "val_loss" in columns else None
    curves: list[Curve] = []
    for name in names:
        score, training, validation = by_key.get(name), columns.get(name, []), columns.get(f"val_{name}", [])
        values = training + validation
        falls = score.lower_is_better if score else name == "loss" and max(values) > DECADE * min(values)
        title = with_arrow(score) if score else name.replace("_", " ")
        logarithmic = falls and min(values) > 0
        curves.append((title, partial(_draw_curve, epochs, training, validation, best, logarithmic)))
    return curves


def _columns(history: Path) -> dict[str, list[float]]:
    """The numbers of ``history.csv`` by the name of their column."""
    try:
        with history.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file, restval="")  # a row cut short has empty cells, which are no numbers
            names, rows = table.fieldnames or (), list(table)
        columns = {name: [float(row[name]) for row in rows] for name in names}
    except (ValueError, csv.Error) as error:
        raise HarnessError(
            f"{history} must be a table with a number in each cell, got another ({error}); restore it, or "
            "remove it to go without its curves"
        ) from error
    if not rows:
        raise HarnessError(f"{history} has no epochs to draw")
    if "epoch" not in columns:
        raise HarnessError(f"{history} must have a column epoch, got only {', '.join(columns)}")
    return columns


def _draw_curve(
    epochs: list[float], training: list[float], validation: list[float], best: float | None,
    logarithmic: bool, axis: Any,
) -> None:  # fmt: skip
    for label, values, colour in (
        ("training", training, colours.TRAINING), ("validation", validation, colours.VALIDATION),
    ):  # fmt: skip
        if values:
            marker = "." if len(values) < FEW_EPOCHS else ""
            axis.plot(epochs, values, color=colour, marker=marker, label=label)
    if best is not None:
        label = f"lowest validation loss, epoch {best:g}"
        axis.axvline(best, color=colours.REFERENCE_LINE, linestyle=":", label=label)
    _set_axes(axis, "epoch", logarithmic)


def _set_axes(axis: Any, counted: str, logarithmic: bool) -> None:
    """Whole numbers of what is counted along x; y may be logarithmic."""
    if logarithmic:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
    axis.set_xlabel(counted)
    axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def _row_of(panels: int) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(4.2 * panels, 3.4), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def curves_figure(history: Path, title: str, scores: Sequence[Score] = ()) -> Figure:
    """The learning curves of a run side by side."""
    curves = learning_curves(history, scores)
    figure, axes = _row_of(len(curves))
    for axis, (name, draw) in zip(axes, curves, strict=True):
        draw(axis)
        axis.set_title(name)
    _finish(figure, title)
    return figure


def _finish(figure: Figure, title: str) -> None:
    """Add the title of the whole, and one legend for all panels."""
    lines = {line.get_label(): line for axis in figure.axes for line in axis.lines}
    figure.legend(handles=list(lines.values()), loc="outside lower center", ncols=len(lines))
    figure.suptitle(title, parse_math=False)


def trials_figure(trials: Sequence[Mapping[str, Any]], scores: Sequence[Score], title: str) -> Figure:
    """The ranked scores and the epochs of the trials of a search, in their order; the best is marked.

    ``trials`` are entries of the record of `tune`. Scores that are better when lower have a logarithmic axis.
    """
    ended = [trial for trial in trials if trial["scores"]]
    failed = [trial["trial"] for trial in trials if trial["failure"]]
    best = min(range(len(ended)), key=lambda index: ended[index]["objective"], default=0)
    panels = [
        (with_arrow(score), score.lower_is_better, [trial["scores"][score.key] for trial in ended])
        for score in scores
        if score.ranked
    ]
    if any(epochs := [trial["epochs"] for trial in ended]):
        panels.append(("epochs", False, epochs))
    figure, axes = _row_of(len(panels))
    numbers = [trial["trial"] for trial in ended]
    for axis, (name, lower, values) in zip(axes, panels, strict=True):
        axis.plot(numbers, values, "o", color=colours.VALIDATION, label="trial")
        axis.plot(
            numbers[best : best + 1], values[best : best + 1], "o", markersize=13, markerfacecolor="none",
            color=colours.TRAINING, label=f"best, trial {numbers[best]}" if ended else "best",
        )  # fmt: skip
        if failed:
            axis.plot(failed, [0.03] * len(failed), "x", color=colours.REFERENCE_LINE, label="failed",
                      transform=axis.get_xaxis_transform())  # fmt: skip
        _set_axes(axis, "trial", lower and min(values, default=0) > 0)
        axis.set_title(name)
    _finish(figure, title)
    return figure


def curve_panels(history: Path, scores: Sequence[Score]) -> list[Panel]:
    """The learning curves of a run, each a figure of its own, with its legend above the axis."""
    panels = []
    for title, draw in learning_curves(history, scores):
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        draw(figure.subplots())
        figure.legend(loc="outside upper left", ncols=3, fontsize="small", frameon=False)
        panels.append(Panel(figure, title, "", f"Learning curve by epoch: {title}"))
    return panels


def sweep_figure(board: Board, over: str, values: Mapping[str, float]) -> Figure:
    """A panel for each ranked score of a board over what its methods differ in, with 95 % intervals.

    ``values`` has that quantity by method, ``over`` is its name. The axis is logarithmic where the values
    reach over a factor of 4 and none is 0.
    """
    ranked = [score for score in board.scores if score.ranked]
    rows = sorted(board.rows, key=lambda row: values[row.method])
    positions = [values[row.method] for row in rows]
    figure, axes = _row_of(len(ranked))
    for axis, score in zip(axes, ranked, strict=True):
        cells = [row.metrics[score.key] for row in rows]
        means, *ends = np.array([[cell.mean, cell.low, cell.high] for cell in cells], float).T
        axis.errorbar(positions, means, np.abs(ends - means), marker="o", capsize=3)
        if min(positions) > 0 and max(positions) > 4 * min(positions):
            axis.set_xscale("log", base=2)
        axis.set_xticks(positions, [f"{value:g}" for value in positions])
        axis.minorticks_off()
        axis.set_title(with_arrow(score))
        axis.set_xlabel(over)
    return figure


def save_figure(figure: Figure, path: Path, asked: str | None = None) -> None:
    """Write a figure in the format `picture_format` of its file, identical bytes for identical figures.

    PDF and SVG are for papers: without the title of the whole, one or two columns wide, with embedded fonts.
    """
    kind = picture_format(path, asked)
    if kind != "png":
        _fit_paper(figure)
    with beside(path) as temporary, rc_context(VECTOR):
        figure.savefig(temporary, format=kind, dpi=110 if kind == "png" else 300, metadata=METADATA[kind])


def picture_format(path: Path, asked: str | None = None) -> str:
    """The format that was ``asked`` for, or that of a file's suffix; png for a file without one.

    Raises HarnessError where the suffix is that of another format, or of none that can be written.
    """
    suffix = path.suffix[1:].lower()
    if suffix not in ("", asked or suffix) or suffix not in ("", *METADATA):
        expected = f".{asked}" if asked else ".png, .svg or .pdf"
        raise HarnessError(f"a picture must end in {expected}, got {path.name}")
    return asked or suffix or "png"


def _fit_paper(figure: Figure) -> None:
    """Give a figure the width of one or two columns, and scale all that is in it; but text stays legible."""
    figure.suptitle("")
    width, height = figure.get_size_inches()
    shown = COLUMN if width < 2 * COLUMN else 2 * COLUMN + GAP
    scale = shown / width
    figure.set_size_inches(shown, height * scale)
    for axis in figure.axes:
        axis.tick_params(which="both", length=3.5 * scale, pad=3.5 * scale, width=0.8 * scale)
        for spine in axis.spines.values():
            spine.set_linewidth(spine.get_linewidth() * scale)
        axis.tick_params(labelsize=max(scale * TEXT, SMALLEST_TEXT))
    for text in figure.findobj(Text):
        text.set_fontsize(max(scale * text.get_fontsize(), SMALLEST_TEXT))
    for line in figure.findobj(Line2D):
        line.set_markersize(line.get_markersize() * scale)
        line.set_linewidth(line.get_linewidth() * scale)


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _encoded(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    imsave(file, pixels, format=kind, pil_kwargs=options)
    return file.getvalue()


def grey_picture(values: np.ndarray, most_bytes: int = MOST_BYTES) -> str:
    """The address of a grey picture (H, W) of values in 0..1, of as good a quality as the bytes allow.

    Where no quality is low enough, as of noise, the picture has a quarter of the pixels.
    """
    half = values[: len(values) // 2 * 2, : values.shape[1] // 2 * 2]
    half = half.reshape(len(half) // 2, 2, -1, 2).mean(axis=(1, 3))
    for picture, quality in product((values, half), QUALITIES):
        grey = np.repeat((255 * picture).round().astype(np.uint8)[..., None], 3, axis=2)
        data = _encoded(grey, "webp", quality=quality)
        if len(data) <= most_bytes:
            break
    return _address("webp", data)


def colour_table(name: str, reach: float = 1.0) -> list[tuple[str, str]]:
    """A colour map as tables of an SVG filter: its colours over the middle ``reach`` of the greys."""
    greys = np.clip((np.linspace(0, 1, COLOURS) - 0.5) / reach + 0.5, 0, 1)
    rgb = np.asarray(colormaps[name](greys))[:, :3]
    tables = (" ".join(f"{share:.3g}" for share in shares) for shares in rgb.T)
    return list(zip("RGB", tables, strict=True))


def ramp(scale: Scale | None) -> dict[str, Any] | None:
    """The colours of a scale from its low to its high end, as a picture, and these ends as text."""
    if scale is None:
        return None
    picture = colormaps.get_cmap(scale.colour_map)(np.linspace(0, 1, COLOURS))[None]
    digits = supported(scale.high, scale.low, scale.high, MOST_DIGITS)
    ends = [number(end, digits).replace("-", "−") for end in (scale.low, scale.high)]
    return {"src": _address("png", _encoded(picture, "png")), "ends": ends}


def inline_svg(figure: Figure) -> dict[str, Any]:
    """A figure within the page, of lines and text."""
    file = BytesIO()
    with rc_context(VECTOR):
        figure.savefig(file, format="svg", metadata=METADATA["svg"])
    return _inline(figure, "svg+xml", file.getvalue())


def inline_pixels(figure: Figure) -> dict[str, Any]:
    """A figure within the page, of pixels. It is drawn once; `Figure.savefig` draws it twice.

    WebP, since noise makes a PNG of a map five times as large.
    """
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return _inline(figure, "webp", _encoded(np.asarray(canvas.buffer_rgba()), "webp", quality=85))


def _inline(figure: Figure, kind: str, data: bytes) -> dict[str, Any]:
    """The address of a figure, its width and its height in pixels of the screen."""
    width, height = (round(SHOWN_DPI * side) for side in figure.get_size_inches())
    return {"src": _address(kind, data), "width": width, "height": height}
