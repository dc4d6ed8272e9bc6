"""Stamps and labels prepared for networks, the same for training, prediction and scoring.

In the order of ALeRCE's classifier (Carrasco-Davis et al. 2021, arXiv:2008.03309): crop, scale, fill.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from baselines.protocol import Cases, View, must_be

N_CHANNELS = 3
N_CLASSES = 5
SUPERNOVA = 1
STAMP_SHAPE = (63, 63, N_CHANNELS)
SIZES = (21, 41, 63)
MAX_FLUX = 1e10  # some public templates hold ±3.4e38 where they have no pixel

MissingPixels = Literal["pixel", "channel"]


def prepare(stamps: np.ndarray, size: int = 21, nan: MissingPixels = "pixel") -> np.ndarray:
    """The central ``size`` × ``size`` pixels, each channel of each stamp scaled to 0..1; float32, finite.

    ``stamps`` is (n, 63, 63, 3). NaN, infinities and |x| > 1e10 take no part in the scaling and become 0,
    as does a channel that is constant or has no usable pixel. With ``nan="channel"`` all of a channel becomes
    0 if one pixel of its crop cannot be used: the notebooks of Castillo & Foix (2020) scale by ``np.amin``
    and ``np.amax``, which a single NaN makes NaN. ``BaselineError`` for another shape or size.
    """
    if size not in SIZES:
        raise must_be("the width of the crop", f"one of {SIZES}", size)
    if stamps.shape[1:] != STAMP_SHAPE:
        raise must_be("stamps", "of shape (n, 63, 63, 3)", stamps.shape)
    edge = (STAMP_SHAPE[0] - size) // 2
    stamps = stamps[:, edge : edge + size, edge : edge + size]
    usable = np.abs(stamps) <= MAX_FLUX
    if nan == "channel":
        usable &= usable.all(axis=(1, 2), keepdims=True)
    flux = np.where(usable, stamps, 0).astype(np.float32)
    low = np.where(usable, flux, np.inf).min(axis=(1, 2), keepdims=True)
    high = np.where(usable, flux, -np.inf).max(axis=(1, 2), keepdims=True)
    scaled = np.zeros_like(flux)
    np.divide(flux - low, high - low, out=scaled, where=usable & (high > low))
    return scaled


def class_labels(cases: Cases) -> np.ndarray:
    """The labels of all cases, (N,) int64 in 0..4; ``BaselineError`` for others and for no cases at all."""
    labels = np.asarray(cases.truth[:])
    if not len(labels):
        raise must_be("the number of cases", "1 or more", 0)
    if not (np.issubdtype(labels.dtype, np.integer) and labels.min() >= 0 and labels.max() < N_CLASSES):
        raise must_be("labels", "whole numbers 0..4", np.unique(labels)[:9])
    return labels.astype(np.int64)


def views(stamps: np.ndarray) -> Iterator[View]:
    """Stamps (n, H, W, c) under each of the eight symmetries of the square, which no class depends on."""
    for transposed in (stamps, np.swapaxes(stamps, 1, 2)):
        for axes in ((), (1,), (2,), (1, 2)):
            yield np.flip(transposed, axes), lambda probabilities: probabilities


def prepared(cases: Cases, size: int = 21, nan: MissingPixels = "pixel") -> np.ndarray:
    """All stamps of a set, prepared and in memory: (N, ``size``, ``size``, 3) float32.

    The raw stamps are read chunk by chunk. All 52,244 of ALeRCE's set take 276 MB at 21 pixels, but 1.1 GB
    at 41 and 2.5 GB at 63.
    """
    stamps = np.empty((len(cases), size, size, N_CHANNELS), np.float32)
    start = 0
    for images, _ in cases.chunks():
        stamps[start : start + len(images)] = prepare(images, size, nan)
        start += len(images)
    return stamps
