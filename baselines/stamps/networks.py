"""The networks that classify stamps: from (size, size, 3) pixels in 0..1 to a logit for each of the classes.

Logits rather than probabilities, because losses are exact on them where a probability has rounded to 0.
"""

from __future__ import annotations

from baselines.stamps.preparation import N_CLASSES, STAMP_SHAPE
from baselines.training import keras


def features() -> list[keras.layers.Layer]:
    """The convolutions of Castillo & Foix (2020), from 21×21×3 to 5×5×64.

    The first kernel is 3×3 in their text and 4×4 by the 1,568 weights in their table, which is followed.
    """

    def convolution(filters: int, kernel: int) -> keras.layers.Layer:
        return keras.layers.Conv2D(filters, kernel, padding="same", activation="relu")

    return [
        convolution(32, 4),
        convolution(32, 3),
        keras.layers.MaxPooling2D(2),
        convolution(64, 3),
        convolution(64, 3),
        convolution(64, 3),
        keras.layers.MaxPooling2D(2),
    ]


def classifier() -> list[keras.layers.Layer]:
    """The dense layers of Castillo & Foix (2020), from 5×5×64 to the logits."""
    return [
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(N_CLASSES),
    ]


def plain_cnn(size: int = 21) -> keras.Model:
    """The plain network of Castillo & Foix (2020): 210,117 weights for stamps of 21×21."""
    return keras.Sequential([keras.Input((size, size, STAMP_SHAPE[2])), *features(), *classifier()])
