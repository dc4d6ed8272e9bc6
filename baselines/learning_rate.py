"""How the learning rate of a network changes from epoch to epoch."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from baselines.backend import keras
from baselines.network import Schedule

PLATEAU = 3  # epochs in a row without a lower validation loss


def adam(learning_rate: float, schedule: Schedule, steps: int, beta_1: float = 0.9) -> keras.optimizers.Adam:
    """Adam from that rate on: ``cosine`` lets it fall to 0 over all ``steps``, along half a cosine."""
    if schedule == "cosine":
        return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps), beta_1)
    return keras.optimizers.Adam(learning_rate, beta_1)


def plateau_rate(first: float, losses: Sequence[float]) -> float:
    """The learning rate after epochs with these validation losses, from ``first`` on.

    It is halved after every three epochs in a row that do not lower the loss, as the callback
    ``ReduceLROnPlateau`` of Keras does with a factor of ½, a patience of 3 and a least change of 0.
    """
    rate, lowest, waited = first, inf, 0
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == PLATEAU:
            rate, waited = rate / 2, 0
    return rate
