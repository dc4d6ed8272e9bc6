"""The networks that classify stamps: from (size, size, 3) pixels in 0..1 to a logit for each of the classes.

Logits rather than probabilities, because losses are exact on them where a probability has rounded to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.backend import keras
from baselines.stamps.preparation import N_CHANNELS, N_CLASSES

ops = keras.ops


@keras.saving.register_keras_serializable("astroboard")
class Rotations(keras.layers.Layer):
    """Stamps (n, size, size, c), and after them the same turned by 90, 180 and 270 degrees: (4n, …)."""

    def call(self, stamps: Any) -> Any:
        """The stamps and their rotations, one rotation after another."""
        # A turn is two reflections. Keras' rot90 has the same values, but takes ten times as long to trace.
        mirrored = ops.transpose(stamps, (0, 2, 1, 3))
        quarter, half, three_quarters = ops.flip(mirrored, 1), ops.flip(stamps, (1, 2)), ops.flip(mirrored, 2)
        return ops.concatenate([stamps, quarter, half, three_quarters])


@keras.saving.register_keras_serializable("astroboard")
class RotationAverage(keras.layers.Layer):
    """The mean over the four rotations of each stamp: (4n, …) → (n, …).

    Turning a stamp only permutes them, so all that follows is the same, to rounding, for all four.
    """

    def call(self, values: Any) -> Any:
        """The means of rotations that follow one after another."""
        return ops.mean(ops.reshape(values, (4, -1, *values.shape[1:])), axis=0)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """A fourth of the stamps, a number that JAX does not know when the network is made."""
        return (shape[0] and shape[0] // 4, *shape[1:])


def features(kernel: int, depth: int, filters: int) -> list[keras.layers.Layer]:
    """Blocks of convolutions, each followed by a pooling that halves the width.

    Of the ``depth`` blocks the first has two convolutions of ``filters`` filters, each other one three of
    twice the filters of the block before: those of Castillo & Foix (2020) lead from 21×21×3 to 5×5×64.
    ``kernel`` is the width of all but the first, which is 3×3 in their text and 4×4 by the 1,568 weights in
    their table, which is followed.
    """
    first = [_convolution(filters, 4), _convolution(filters, kernel)]
    others = [[_convolution(filters * 2**block, kernel) for _ in range(3)] for block in range(1, depth)]
    return [layer for block in [first, *others] for layer in [*block, keras.layers.MaxPooling2D(2)]]


def dense(dropout: float) -> list[keras.layers.Layer]:
    """Two layers of 64, each followed by dropout if there is to be any."""
    layers = [[keras.layers.Dense(64, activation="relu"), keras.layers.Dropout(dropout)] for _ in range(2)]
    return [layer for pair in layers for layer in pair[: 2 if dropout else 1]]


def plain_cnn(
    size: int = 21, kernel: int = 3, dropout: float = 0.0, depth: int = 2, filters: int = 32
) -> keras.Model:
    """The plain network of Castillo & Foix (2020): 210,117 weights for stamps of 21×21."""
    trunk = features(kernel, depth, filters)
    return _network(size, *trunk, keras.layers.Flatten(), *dense(dropout), _logits())


def rotation_invariant_cnn(
    size: int = 21, kernel: int = 3, dropout: float = 0.0, depth: int = 2, filters: int = 32
) -> keras.Model:
    """The same weights, with the average over four rotations between convolutions and dense layers."""
    trunk = [Rotations(), *features(kernel, depth, filters), RotationAverage()]
    return _network(size, *trunk, keras.layers.Flatten(), *dense(dropout), _logits())


def alerce(
    size: int = 21, kernel: int = 3, dropout: float = 0.5, depth: int = 2, filters: int = 32
) -> keras.Model:
    """ALeRCE's own geometry (Carrasco-Davis et al. 2021): averaged after the dense layers.

    Three pixels of padding and a first kernel of 4×4 without any make 24×24 of 21×21: twice halved without a
    remainder, as 44×44 of 41×41 is. 66×66 of 63×63 loses a row and a column when halved for the second time.
    """
    first = [keras.layers.ZeroPadding2D(3), _convolution(filters, 4, "valid")]
    trunk = [*first, *features(kernel, depth, filters)[1:]]
    averaged = [Rotations(), *trunk, keras.layers.Flatten(), *dense(dropout), RotationAverage()]
    return _network(size, *averaged, _logits())


def cnn_with_metadata(
    size: int, kernel: int, dropout: float, depth: int, filters: int, mean: np.ndarray, variance: np.ndarray
) -> keras.Model:
    """`rotation_invariant_cnn` with batch-normalised metadata joined after the average.

    Its input is (n, size·size·3 + m): the pixels, and then the metadata, whose ``mean`` and ``variance`` (m,)
    are those of the training set. NaN counts as the mean. The running statistics of the batch normalisation,
    which prediction uses, are about right from the first step on.
    """
    pixels = size * size * N_CHANNELS
    inputs = keras.Input((pixels + len(mean),))
    values = keras.layers.Reshape((size, size, N_CHANNELS))(inputs[:, :pixels])
    trunk = [Rotations(), *features(kernel, depth, filters), RotationAverage(), keras.layers.Flatten()]
    values = _chain(values, *trunk)
    normal = keras.layers.Normalization(mean=mean.tolist(), variance=variance.tolist())(inputs[:, pixels:])
    metadata = keras.layers.BatchNormalization()(ops.nan_to_num(normal))
    values = keras.layers.concatenate([values, metadata])
    return keras.Model(inputs, _chain(values, *dense(dropout), _logits()))


def _convolution(filters: int, kernel: int, padding: str = "same") -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, kernel, padding=padding, activation="relu")


def _logits() -> keras.layers.Layer:
    return keras.layers.Dense(N_CLASSES)


def _chain(values: Any, *layers: keras.layers.Layer) -> Any:
    for layer in layers:
        values = layer(values)
    return values


def _network(size: int, *layers: keras.layers.Layer) -> keras.Model:
    """A chain of layers. Not `keras.Sequential`, which is built anew with each layer when it is loaded."""
    inputs = keras.Input((size, size, N_CHANNELS))
    return keras.Model(inputs, _chain(inputs, *layers))
