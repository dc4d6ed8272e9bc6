"""Pictures as arrays."""

import numpy as np
from PIL import Image

from harness.report.figures import save_figure


def pixels_of(path):
    """A PNG as RGB values (height, width, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def pixel_at(figure, axis, row, column, path):
    """The colour that a figure, written to ``path``, has where an axis shows a pixel of its image."""
    save_figure(figure, path)
    pixels = pixels_of(path)
    inside = figure.transFigure.inverted().transform(axis.transData.transform((column, row)))
    across, up = (inside * (pixels.shape[1], pixels.shape[0])).round().astype(int)
    return tuple(int(value) for value in pixels[pixels.shape[0] - 1 - up, across])


def rgb(colour):
    """The values of ``#rrggbb``."""
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
