"""The networks that map ellipticities to convergence: the UNet of Barrienlens (2024) and its variants."""

from __future__ import annotations

from typing import Any

from baselines.backend import keras, normalises_by_replica
from baselines.mass_mapping.inversion import MAP_SIZE

MAX_WIDENING = 8  # times the filters of the first stage
DROPOUT_STAGES = 3  # the first ones of the decoder
MOMENTUM = 0.9  # of the running means that prediction uses: they settle after tens of steps, not hundreds
LAST = "last_convolution"


@keras.saving.register_keras_serializable("astroboard")
class ReflectionPadding(keras.layers.Layer):
    """Maps (n, H, W, c) continued by their mirror image over ``padding`` pixels, less than H, a side."""

    def __init__(self, padding: int, **options: Any) -> None:
        super().__init__(**options)
        self.padding = padding

    def call(self, maps: Any) -> Any:
        """The padded maps, (n, H + 2·padding, W + 2·padding, c)."""
        margin = (self.padding, self.padding)
        return keras.ops.pad(maps, ((0, 0), margin, margin, (0, 0)), mode="reflect")

    def get_config(self) -> dict[str, Any]:
        """Keras's configuration, with the padding."""
        return {**super().get_config(), "padding": self.padding}


def unet(
    filters: int = 64, depth: int = 8, padding: int = 64, kernels: tuple[int, ...] = (3,),
    dropout: float = 0.5, channels: int = 3, decoder: str = "as-meant", attention: bool = False,
    residual: bool = False, centre: float = 0.0, half_range: float = 1.0, spread: float = 1.0,
) -> keras.Model:  # fmt: skip
    """The UNet of Barrienlens (2024): from (n, 128, 128, channels) to κ (n, 128, 128).

    Maps are padded by ``padding`` pixels on each side. ``depth`` convolutions of stride 2 lead down and as
    many transposed ones up: with the defaults 30,621,761 weights and a bottleneck of 1×1. ``filters`` are
    those of the first stage, every further one has twice as many, up to eightfold. The output is centre +
    half_range·tanh(spread / half_range·z) of the last convolution's z: about centre + spread·z near the
    centre.

    A stage of the decoder is as wide as the one of the encoder that it is joined with, which a comment in the
    published code says was meant. In that code each is as wide as the stage before should be: with that
    ``decoder``, ``as-run``, these are 34,457,985 weights.

    With several ``kernels`` a stage of the encoder has a convolution of each, side by side (UNet-2k). The
    report leaves open how they share the filters and what the decoder does: here each has an equal share,
    so that all else keeps its shape, and the decoder uses the first kernel. ``attention`` puts a gate on
    each skip connection. A ``residual`` network adds its output to the last input channel, and starts with
    an output of zero; its ``centre`` should be 0, or TensorFlow adds the three terms in any order.

    Raises ``ValueError`` if the padded size 128 + 2·padding cannot be halved ``depth`` times.
    """
    inputs = keras.Input((MAP_SIZE, MAP_SIZE, channels))
    maps = ReflectionPadding(padding)(inputs)
    skips = []
    for stage in range(depth):
        width = filters * min(2**stage, MAX_WIDENING)
        paths = [_convolution(width // len(kernels), kernel, use_bias=False)(maps) for kernel in kernels]
        maps = keras.layers.concatenate(paths) if len(paths) > 1 else paths[0]
        maps = maps if stage == 0 else _normalisation()(maps)
        maps = keras.layers.LeakyReLU()(maps)
        skips.append(maps)
    late = 0 if decoder == "as-meant" else 1
    for stage, skip in enumerate(reversed(skips[:-1])):
        width = skips[late - stage - 2].shape[-1]
        maps = _convolution(width, kernels[0], transposed=True, use_bias=False)(maps)
        maps = _normalisation()(maps)
        maps = keras.layers.Dropout(dropout)(maps) if stage < DROPOUT_STAGES else maps
        maps = keras.layers.ReLU()(maps)
        maps = keras.layers.concatenate([maps, _gated(skip, maps) if attention else skip])
    start = {"kernel_initializer": "zeros"} if residual else {}
    full = {"dtype": "float32"}  # from here on, whatever the precision of the layers above
    maps = _convolution(1, kernels[0], transposed=True, name=LAST, **start, **full)(maps)
    maps = keras.layers.Cropping2D(padding, **full)(maps)
    maps = keras.layers.Rescaling(spread / half_range, **full)(maps)
    maps = keras.layers.Activation("tanh", **full)(maps)
    maps = keras.layers.Reshape((MAP_SIZE, MAP_SIZE), **full)(maps)
    maps = keras.layers.Rescaling(half_range, centre, **full)(maps)
    return keras.Model(inputs, keras.layers.add([maps, inputs[..., -1]], **full) if residual else maps)


def _gated(skip: Any, decoded: Any) -> Any:
    """The encoder's maps times a weight in 0..1 for each pixel, computed from them and the decoder's maps.

    The additive gate of Oktay et al. (2018, arXiv 1804.03999, eq. 1), at the resolution of the encoder.
    """
    width = max(1, skip.shape[-1] // 2)
    both = keras.layers.add([keras.layers.Conv2D(width, 1)(maps) for maps in (skip, decoded)])
    weight = keras.layers.Conv2D(1, 1, activation="sigmoid")(keras.layers.ReLU()(both))
    return keras.layers.multiply([skip, weight])


def _normalisation() -> keras.layers.Layer:
    """Batch normalisation by the moments of the whole batch, also where several devices share it."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, synchronized=normalises_by_replica())


def _convolution(width: int, kernel: int, transposed: bool = False, **options: Any) -> keras.layers.Layer:
    """A convolution of stride 2: half the size, or twice the size if transposed."""
    kind = keras.layers.Conv2DTranspose if transposed else keras.layers.Conv2D
    start = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.02)}
    return kind(width, kernel, strides=2, padding="same", **(start | options))
