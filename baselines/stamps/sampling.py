"""Samplers: the cases of an epoch and their order, as row numbers, so that no image is copied.

A sampler takes the labels (N,) and a random generator, and draws one epoch; all its epochs are equally long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np


def unchanged(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every case once, in random order."""
    return rng.permutation(len(labels))


def balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many cases of every class as the largest has, in random order.

    No case comes more than once more often than another of its class; which ones do is drawn.
    A class without a single case stays without one.
    """
    return _of_every_class(labels, lambda counts: counts.max(), rng)


def middle(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As `balanced`, but to the geometric mean of the largest and the smallest class that has a case.

    So the smallest class is repeated by the factor that the largest is reduced by. The cases of a larger
    class that are left out are drawn anew for every epoch.
    """
    return _of_every_class(labels, lambda counts: round(float(counts.min() * counts.max()) ** 0.5), rng)


def _of_every_class(
    labels: np.ndarray, size: Callable[[np.ndarray], int], rng: np.random.Generator
) -> np.ndarray:
    classes, counts = np.unique(labels, return_counts=True)
    # np.resize repeats a class from its beginning until there are enough, or takes the beginning of a larger.
    drawn = [np.resize(rng.permutation(np.flatnonzero(labels == label)), size(counts)) for label in classes]
    return rng.permutation(np.concatenate(drawn))


SAMPLERS = {"balanced": balanced, "middle": middle, "unchanged": unchanged}


def epoch_sampler(name: str, labels: np.ndarray, seed: int) -> Callable[[np.random.Generator], np.ndarray]:
    """A function that draws the rows of an epoch from a random generator.

    ``name`` is one of ``SAMPLERS``, or ``balanced-once``: the cases that come once more often are then drawn
    once, from the ``seed``, and each epoch has the same in another order (Castillo & Foix 2020).
    """
    if name != "balanced-once":
        return partial(SAMPLERS[name], labels)
    rows = balanced(labels, np.random.default_rng(seed))
    return lambda rng: rng.permutation(rows)
