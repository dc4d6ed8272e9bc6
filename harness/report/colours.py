"""The colours of pictures. Those of pages and of the bars in their tables stand at the top of style.css."""

from typing import Any

REGIONS = {
    "true positive": "#0072b2",
    "true negative": "#ffffff",
    "false positive": "#e69f00",
    "false negative": "#000000",
}
"""Pixels above the mean of both maps, of neither, of the predicted one alone, of the true one alone.

Three are of Okabe & Ito (2008), which all readers can tell apart, and all four differ in luminance.
"""
TRUE_PEAKS, PREDICTED_PEAKS = "white", "cyan"
PEAKS_LEGEND = "#444444"
HIGHEST_PEAKS, STRUCTURE = "red", "#ff5fc4"
"""Marks beside the weights of a loss."""
DIFFERENCE_ON_DARK = "berlin"
GIVEN, WHISKERS = "cividis", "white"
"""The map that is made of the inputs, and the lines on it."""
MAP, DIFFERENCE, WEIGHT, STAMP, SHARES = "inferno", "RdBu_r", "viridis", "gray", "Blues"
"""Colour maps of matplotlib."""
NO_VALUE = "#c9a0a0"
"""Pixels of a stamp that hold no number."""
TRUE_CLASS, OTHER_CLASS = "#4daf4a", "#999999"
TRAINING, VALIDATION = "C0", "C1"
REFERENCE_LINE = "#999999"

_TEXT = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")
_BACKGROUND = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
BOTH_MODES: dict[Any, str] = (
    dict.fromkeys(_TEXT, "#75838f")
    | dict.fromkeys(_BACKGROUND, "none")
    | {"legend.facecolor": "white", "legend.labelcolor": "black"}
)
"""Settings of matplotlib for pictures within a page: text that can be read on the light and the dark page."""
