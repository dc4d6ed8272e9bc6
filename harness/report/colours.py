"""The colours of pictures. Those of pages and of the bars in their tables stand at the top of style.css."""

from typing import Any

REGIONS = {"hit": "#4daf4a", "missed": "#377eb8", "false alarm": "#e41a1c"}
"""Pixels above the mean of both maps, of the true one alone, of the predicted one alone."""
NEITHER_REGION = "#f0f0f0"
TRUE_PEAKS, PREDICTED_PEAKS = "white", "cyan"
PEAKS_LEGEND = "#444444"
MAP, DIFFERENCE, WEIGHT, STAMP, SHARES = "inferno", "RdBu_r", "viridis", "gray", "Blues"
"""Colour maps of matplotlib."""
TRUE_CLASS, OTHER_CLASS = REGIONS["hit"], "#999999"
REFERENCE_LINE = "#999999"

_TEXT = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")
_BACKGROUND = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
BOTH_MODES: dict[Any, str] = (
    dict.fromkeys(_TEXT, "#75838f")
    | dict.fromkeys(_BACKGROUND, "none")
    | {"legend.facecolor": "white", "legend.labelcolor": "black"}
)
"""Settings of matplotlib for pictures within a page: text that can be read on the light and the dark page."""
