"""Losses of networks that predict κ, and the weight maps of these losses.

The focal and multi-focal losses and their weights are those of Urcelay, Hernandez & Ugarte (Astrodatatón USM
2024). Their text says that every weight lies in 0..1, and their published code how it is computed. Maps are
(n, H, W), with κ in physical units and a size that is known when the graph is built. Everything is computed
in float32. A loss returns one value per map, (n,), of which Keras takes the mean. In the formulas, T is a
target and P a prediction. DICEE and DPEAKS are constant almost everywhere, so networks cannot learn from
them. Their differentiable versions here approach them as the temperature falls.

The squared losses are sums over the pixels of a map, as in that code. On the challenge's maps of 128 × 128
pixels, an error of 0.006 in every pixel gives an MSE of 0.6 and a multi-focal loss of 0.2. Means would be
16,384 times smaller and negligible beside a WMAPE of 1.5, and their gradients would be as small as the 1e-7
that Adam adds to the size of gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter1d

from baselines.backend import keras
from metrics.mass_mapping import ZERO_REPLACEMENT

ops = keras.ops
Tensor = Any  # of the backend's own type, or, for targets, whatever it can convert

PIXELS = (1, 2)  # the axes of one map
MIN_DEVIATION = 0.001  # in κ, of a map


def focal_weight(kappa: Tensor) -> Tensor:
    """(κ / max κ + 1) / 2: 1 at the maximum of a map, ½ where κ is 0, less where it is negative.

    0 where κ is below −max κ, and ½ everywhere in a map without a positive pixel.
    """
    kappa = ops.cast(kappa, "float32")
    ratio = ops.divide_no_nan(kappa, ops.relu(ops.max(kappa, axis=PIXELS, keepdims=True)))
    return (ops.maximum(ratio, -1.0) + 1) / 2


def local_weight(kappa: Tensor, window: int = 8, share: float = 0.3) -> Tensor:
    """(κ / M + 1) / 2 for the ``share`` of pixels with the highest κ, ½ elsewhere and where κ is negative.

    M is the maximum in ``window`` × ``window`` pixels; an even window reaches one further down and right.
    """
    kappa = ops.cast(kappa, "float32")
    height, width = kappa.shape[1:]
    highest, _ = ops.top_k(ops.reshape(kappa, (-1, height * width)), round(share * height * width))
    ratio = ops.divide_no_nan(ops.relu(kappa), _highest_around(ops.relu(kappa), window))
    return (ops.where(kappa >= highest[:, -1:, None], ratio, 0.0) + 1) / 2


def peaks_weight(kappa: Tensor, n_peaks: int = 5, radius: float = 3.0, sigma: float = 3.0) -> Tensor:
    """1 where |Δrow| + |Δcolumn| < ``radius`` pixels from one of the ``n_peaks`` highest peaks, 0 elsewhere.

    The peaks are what DPEAKS looks at, those of `metrics.find_peaks`.
    """
    _, heights, indices = _find_peaks(kappa, n_peaks, sigma)
    rows, columns = map(ops.convert_to_tensor, np.indices(kappa.shape[1:], np.int32))
    index = indices[:, :, None, None]
    distance = ops.abs(rows - index // kappa.shape[2]) + ops.abs(columns - index % kappa.shape[2])
    near = (ops.cast(distance, "float32") < radius) & (heights > -np.inf)[:, :, None, None]
    return ops.cast(ops.any(near, axis=1), "float32")


def structure_weight(kappa: Tensor, half_width: float = 0.001) -> Tensor:
    """1 within ``half_width`` of a map's mean, 0 elsewhere: 0.001 in the report, 0.01 in its code."""
    kappa = ops.cast(kappa, "float32")
    return ops.cast(ops.abs(kappa - ops.mean(kappa, axis=PIXELS, keepdims=True)) <= half_width, "float32")


def edges_weight(kappa: Tensor, width: int = 5) -> Tensor:
    """1 in a frame of ``width`` pixels, 0 inside it."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) < width for n in kappa.shape[1:])
    frame = (rows[:, None] | columns).astype(np.float32)
    return ops.zeros_like(ops.cast(kappa, "float32")) + frame


WEIGHTS: dict[str, Callable[..., Tensor]] = {
    "focal": focal_weight,
    "local": local_weight,
    "peaks": peaks_weight,
    "structure": structure_weight,
    "edges": edges_weight,
}
"""Targets (n, H, W) to weights (n, H, W) in 0..1. `MultiFocal` holds the coefficient of each."""


class MapLoss(keras.losses.Loss):
    """Base of losses with one value per map, computed by ``_by_map`` from float32 tensors (n, H, W).

    The constructor takes the settings named in ``defaults`` by keyword, beside those of Keras. Raises
    ``ValueError`` for settings that are negative, not finite, or all 0, and for maps with a channel.
    """

    defaults: ClassVar[dict[str, float]] = {}

    def __init_subclass__(cls) -> None:
        keras.saving.register_keras_serializable(package="astroboard")(cls)

    def __init__(self, **options: Any) -> None:
        self.settings = {name: float(options.pop(name, value)) for name, value in self.defaults.items()}
        super().__init__(**options)
        values = self.settings.values()
        if values and not (any(values) and all(isfinite(value) and value >= 0 for value in values)):
            raise _refused(self.settings)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each map, (n,), of targets and predictions (n, H, W)."""
        if len(y_pred.shape) != 3 or tuple(y_true.shape[1:]) != tuple(y_pred.shape[1:]):
            shapes = f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            raise ValueError(f"targets and predictions must be (n, H, W), without a channel, got {shapes}")
        return self._by_map(y_true, y_pred)

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Keras's configuration, with the settings."""
        return {**super().get_config(), **self.settings}


class MSE(MapLoss):
    """Σ (P − T)²: the squared error, summed over pixels like the other losses."""

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        return ops.sum(ops.square(prediction - target), axis=PIXELS)


class Focal(MapLoss):
    """Σ w (P − T)², w = (T / max T + 1) / 2.

    The text of the report has 1 + |T| / max |T|, twice that where T is positive.
    """

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        return ops.sum(focal_weight(target) * ops.square(prediction - target), axis=PIXELS)


class MultiFocal(MapLoss):
    """Σ w (P − T)², w = Σ aᵢ wᵢ / Σ aᵢ, with the `WEIGHTS` wᵢ of T and the report's coefficients aᵢ.

    ``structure_half_width`` is how far from its mean a map's structures end, in κ.
    """

    defaults: ClassVar = {
        "focal": 1.0, "local": 2.0, "peaks": 3.0, "structure": 1.5, "edges": 1.0,
        "structure_half_width": 0.001,
    }  # fmt: skip

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not any(self.settings[name] for name in WEIGHTS):
            raise _refused(self.settings)

    def weight(self, target: Tensor) -> Tensor:
        """The weights w of targets (n, H, W), in 0..1."""
        coefficients = {name: self.settings[name] for name in WEIGHTS}
        options = {"structure": {"half_width": self.settings["structure_half_width"]}}
        terms = [a * WEIGHTS[name](target, **options.get(name, {})) for name, a in coefficients.items() if a]
        return sum(terms) / sum(coefficients.values())

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        return ops.sum(self.weight(target) * ops.square(prediction - target), axis=PIXELS)


class WMAPE(MapLoss):
    """Σ W |P − T| / |T| / Σ W, W = 1 + T / max T, with every exact 0 taken for 1e-5: `metrics.wmape`.

    A P of exactly 0 has the gradient of 1e-5. It is steepest where T is almost 0: alone, it flattens maps.
    """

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        target = ops.where(target == 0, ZERO_REPLACEMENT, target)
        # Added rather than put in its place, so that the gradient passes.
        prediction = prediction + ops.where(prediction == 0, ZERO_REPLACEMENT, 0.0)
        weight = 1 + target / ops.max(target, axis=PIXELS, keepdims=True)
        error = ops.abs(prediction - target) / ops.abs(target)
        return ops.sum(weight * error, axis=PIXELS) / ops.sum(weight, axis=PIXELS)


class SoftDICEE(MapLoss):
    """DICEE with the mask of P softened to p, a sigmoid of (P − mean P) / (temperature · std P).

    1 − 2 Σ t p / (Σ t + Σ p), t the mask of T. The limit is `metrics.dicee`, if no pixel of P is at the mean.
    Like the score, it does not change when P is stretched, and so leaves a map's contrast to other losses.
    0.001² is added to the variance, so that a constant map has a gradient.
    """

    defaults: ClassVar = {"temperature": 0.3}

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        # The mean of a constant map may round to below its value, and would then put all of it into the mask.
        mean, least = (f(target, axis=PIXELS, keepdims=True) for f in (ops.mean, ops.min))
        mask = ops.cast(target > ops.maximum(mean, least), "float32")
        above = prediction - ops.mean(prediction, axis=PIXELS, keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(above), axis=PIXELS, keepdims=True) + MIN_DEVIATION**2)
        soft = ops.sigmoid(above / (self.settings["temperature"] * deviation))
        return 1 - 2 * ops.sum(mask * soft, axis=PIXELS) / ops.sum(mask + soft, axis=PIXELS)


class SoftDPEAKS(MapLoss):
    """DPEAKS with random peaks in P: the sum over three peaks of the expected |Δrow| + |Δcolumn|, in pixels.

    They are drawn one after another from the 32 highest of the smoothed P with odds exp(κ / temperature),
    which is the model of Plackett (1975) and Luce (1959). The position of each is drawn from its pixel and
    the eight around it with the same odds, so that a gradient can swap peaks or move them. The limit is
    `metrics.dpeaks`, if the four highest peaks of P differ in height. A map without peaks has no gradient.
    """

    defaults: ClassVar = {"temperature": 0.01}

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        *_, target_peaks = _find_peaks(target, n_peaks=3)
        smooth, heights, peaks = _find_peaks(prediction, n_peaks=32)
        is_peak, width = heights > -np.inf, prediction.shape[2]
        beside = np.add.outer([-width, 0, width], [-1, 0, 1]).reshape(-1).astype(np.int32)
        pixels = peaks[:, :, None] + ops.where(is_peak[:, :, None], beside, 0)  # (n, 32, 9)
        around = ops.take_along_axis(smooth, ops.reshape(pixels, (-1, 32 * 9)), axis=1)
        chance = ops.softmax(ops.reshape(around, (-1, 32, 9)) / self.settings["temperature"])
        peak, pixels = target_peaks[:, :, None, None], pixels[:, None]
        distance = ops.abs(pixels // width - peak // width) + ops.abs(pixels % width - peak % width)
        expected = ops.sum(chance[:, None] * ops.cast(distance, "float32"), axis=-1)  # (n, 3, 32)
        ranks = _rank_probabilities(ops.where(is_peak, heights / self.settings["temperature"], -1e20))
        return ops.sum(ranks * expected, axis=(1, 2))


class CombinedLoss(MapLoss):
    """The sum of `MultiFocal`, `WMAPE`, `SoftDICEE`, `SoftDPEAKS` and `MSE`, each times its coefficient.

    These are of unlike size: on the maps of a trained network about 0.3 (κ², summed over pixels), 2, 0.06, 30
    (pixels) and 0.9 (κ², summed); on a poor map a few times that. The report tunes the last layer of its
    network with 0.95 and 0.05 of the first two.
    """

    defaults: ClassVar = {"multifocal": 0.95, "wmape": 0.05, "dicee": 0, "dpeaks": 0, "mse": 0}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.terms = [(a, LOSSES[name]()) for name, a in self.settings.items() if a]

    def _by_map(self, target: Tensor, prediction: Tensor) -> Tensor:
        return sum(a * loss._by_map(target, prediction) for a, loss in self.terms)


LOSSES: dict[str, type[MapLoss]] = {
    "mse": MSE,
    "focal": Focal,
    "multifocal": MultiFocal,
    "wmape": WMAPE,
    "dicee": SoftDICEE,
    "dpeaks": SoftDPEAKS,
    "combined": CombinedLoss,
}


def _refused(settings: dict[str, float]) -> ValueError:
    return ValueError(f"settings must be finite, 0 or more, and not all 0, got {settings}")


def _highest_around(maps: Tensor, window: int) -> Tensor:
    """The maximum in ``window`` × ``window`` pixels around each, of maps (n, H, W)."""
    for _ in range(2):  # one axis at a time, with the other for channels, is many times as fast
        maps = ops.max_pool(ops.swapaxes(maps, 1, 2), window, 1, "same", data_format="channels_last")
    return maps


def _find_peaks(kappa: Tensor, n_peaks: int, sigma: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """`metrics.find_peaks` but for rounding: the smoothed maps (n, H·W), and the heights and flat indices of
    their highest peaks, (n, n_peaks) each; −inf and 0 for those that a map lacks.
    """
    kappa = ops.cast(kappa, "float32")
    height, width = kappa.shape[1:]
    rows, columns = (gaussian_filter1d(np.eye(size, dtype=np.float32), sigma) for size in (height, width))
    smooth = ops.matmul(rows.T, ops.matmul(kappa, columns))
    inside = np.pad(np.ones((height - 2, width - 2), bool), 1)
    rounding = 1e-6 * ops.max(ops.abs(kappa), axis=PIXELS, keepdims=True)  # makes no peak by itself
    above_least = smooth > ops.min(smooth, axis=PIXELS, keepdims=True) + rounding
    is_peak = (smooth >= _highest_around(smooth, 3)) & above_least & inside
    flat, is_peak = (ops.reshape(maps, (-1, height * width)) for maps in (smooth, is_peak))
    heights, indices = ops.top_k(ops.where(is_peak, flat, -np.inf), n_peaks)
    return flat, heights, ops.where(heights > -np.inf, indices, 0)


def _rank_probabilities(logits: Tensor) -> Tensor:
    """The probabilities (n, 3, K) of each of K to be drawn first, second and third, with odds exp(logits)."""
    taken = np.where(np.eye(logits.shape[1]), -np.inf, 0).astype(np.float32)
    first = ops.softmax(logits)
    second = first[:, :, None] * ops.softmax(logits[:, None] + taken)  # (n, first, second)
    third = second[..., None] * ops.softmax(logits[:, None, None] + (taken[:, None] + taken))
    return ops.stack([first, ops.sum(second, axis=1), ops.sum(third, axis=(1, 2))], axis=1)
