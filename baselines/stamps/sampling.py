"""Which cases an epoch shows, and in what order: indices, so that no image is ever copied.

A sampler takes the labels (N,) and a random generator, and draws one epoch; all its epochs are equally long.
"""

from __future__ import annotations

import numpy as np


def unchanged(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every case once, in random order."""
    return rng.permutation(len(labels))


def balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many cases of every class as the largest has, in random order (Castillo & Foix 2020).

    No case comes more than once more often than another of its class; which ones do is drawn.
    A class without a single case stays without one.
    """
    classes, counts = np.unique(labels, return_counts=True)
    largest = counts.max()
    # np.resize repeats a class from its beginning until there are enough, so the surplus falls on the first.
    drawn = [np.resize(rng.permutation(np.flatnonzero(labels == each)), largest) for each in classes]
    return rng.permutation(np.concatenate(drawn))


SAMPLERS = {"balanced": balanced, "unchanged": unchanged}
