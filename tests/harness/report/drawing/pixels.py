"""Pictures as arrays."""

import numpy as np
from PIL import Image


def pixels_of(path):
    """A PNG as RGB values (height, width, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def rgb(colour):
    """The values of ``#rrggbb``."""
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
