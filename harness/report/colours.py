"""The colours of pictures. Those of pages and of the bars in their tables stand at the top of style.css."""

from typing import Any

REGIONS = {
    "true positive": "#8fd18a",
    "true negative": "#ffffff",
    "false positive": "#1f4fa3",
    "false negative": "#e6352b",
}
"""Pixels above the mean of both maps, of neither, of the predicted one alone, of the true one alone.

Green, white, blue and red, as in the report of Urcelay, Hernandez & Ugarte (2024). The shades differ in
luminance, so that green and red can be told apart without seeing their hues.
"""
TRUE_PEAKS, PREDICTED_PEAKS = "white", "cyan"
PEAKS_LEGEND = "#444444"
HIGHEST_PEAKS, STRUCTURE = "red", "#ff5fc4"
"""Marks beside the weights of a loss."""
DIFFERENCE_ON_DARK = "berlin"
MAP, DIFFERENCE, WEIGHT, STAMP, SHARES = "inferno", "RdBu_r", "viridis", "gray", "Blues"
"""Colour maps of matplotlib."""
NO_VALUE = "#c9a0a0"
"""Pixels of a stamp that hold no number."""
TRUE_CLASS, OTHER_CLASS = "#4daf4a", "#999999"
TRAINING, VALIDATION = "C0", "C1"
PAIR = ("#0072b2", "#e69f00")
"""Of two that are compared: colours of Okabe & Ito (2008), which all readers can tell apart."""
REFERENCE_LINE = "#999999"

_TEXT = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")
_BACKGROUND = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
BOTH_MODES: dict[Any, str] = (
    dict.fromkeys(_TEXT, "#75838f")
    | dict.fromkeys(_BACKGROUND, "none")
    | {"legend.facecolor": "white", "legend.labelcolor": "black"}
)
"""Settings of matplotlib for pictures within a page: text that can be read on the light and the dark page."""
