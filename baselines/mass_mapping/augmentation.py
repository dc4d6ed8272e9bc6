"""Augmentation of training cases by the symmetries of the square."""

from __future__ import annotations

from typing import Literal

import numpy as np

from baselines.mass_mapping.symmetries import SYMMETRIES, transform_epsilon, transform_kappa

Augmentation = Literal["spin-2", "naive", "none"]
"""``spin-2`` moves the pixels and changes the signs of e1 and e2 as a spin-2 field demands. ``naive`` moves
the pixels alone, as published code for the challenge does: six of the eight pairs are then impossible."""


def draw(augmentation: Augmentation, cases: int, rng: np.random.Generator) -> np.ndarray:
    """A symmetry for each case, (cases,) int64 indices into ``SYMMETRIES``, all equally likely."""
    return rng.integers(len(SYMMETRIES), size=cases) * (augmentation != "none")


def augment(
    epsilon: np.ndarray, maps: np.ndarray, symmetries: np.ndarray, augmentation: Augmentation
) -> tuple[np.ndarray, np.ndarray]:
    """Ellipticities (n, H, H, 3) and scalar maps (n, ..., H, H), each case under its symmetry; copies.

    ``symmetries`` (n,) are indices into ``SYMMETRIES``, as `draw` returns them.
    """
    moved_epsilon, moved_maps = np.empty_like(epsilon), np.empty_like(maps)
    for index, symmetry in enumerate(SYMMETRIES.values()):
        cases = symmetries == index
        signed = symmetry if augmentation == "spin-2" else symmetry._replace(signs=(1, 1))
        moved_epsilon[cases] = transform_epsilon(epsilon[cases], signed)
        moved_maps[cases] = transform_kappa(maps[cases], symmetry)
    return moved_epsilon, moved_maps
