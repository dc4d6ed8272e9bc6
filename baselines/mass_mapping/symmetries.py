"""The eight symmetries of the square, as they act on maps of κ and of ellipticities.

Flipping the arrays alone is wrong for ellipticities: e1 and e2 are the components of a spin-2 field along
the axes and the diagonals, which move with the map. A flip of rows or columns changes the sign of e2, a
transpose that of e1, and so a rotation by 90° that of both. Δe is a scalar.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from baselines.protocol import View


class Symmetry(NamedTuple):
    """Whether maps are transposed, which axes are flipped after that, and the signs of e1 and e2."""

    transpose: bool
    flips: tuple[int, ...]
    signs: tuple[int, int]


SYMMETRIES = {
    "identity": Symmetry(False, (), (+1, +1)),
    "flip rows": Symmetry(False, (-2,), (+1, -1)),
    "flip columns": Symmetry(False, (-1,), (+1, -1)),
    "rotate 180": Symmetry(False, (-2, -1), (+1, +1)),
    "transpose": Symmetry(True, (), (-1, +1)),
    "rotate 90": Symmetry(True, (-2,), (-1, -1)),
    "rotate 270": Symmetry(True, (-1,), (-1, -1)),
    "transpose other diagonal": Symmetry(True, (-2, -1), (-1, +1)),
}


def transform_kappa(kappa: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Scalar maps (..., H, W) under the symmetry, as a view."""
    return np.flip(np.swapaxes(kappa, -2, -1) if symmetry.transpose else kappa, symmetry.flips)


def restore_kappa(kappa: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Scalar maps (..., H, W) as they were before `transform_kappa`: a view."""
    flipped = np.flip(kappa, symmetry.flips)
    return np.swapaxes(flipped, -2, -1) if symmetry.transpose else flipped


def views(epsilon: np.ndarray) -> Iterator[View]:
    """Ellipticities (n, H, W, 3) under each symmetry, with the function that moves their κ back."""
    for symmetry in SYMMETRIES.values():
        yield transform_epsilon(epsilon, symmetry), partial(restore_kappa, symmetry=symmetry)


def transform_epsilon(epsilon: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Maps of e1, e2 and Δe (..., H, W, 3) under the symmetry, as a copy of the same type."""
    moved = np.moveaxis(transform_kappa(np.moveaxis(epsilon, -1, 0), symmetry), 0, -1).copy()
    for i, sign in enumerate(symmetry.signs):
        if sign < 0:  # many times as fast as a product in half precision
            np.negative(moved[..., i], out=moved[..., i])
    return moved
