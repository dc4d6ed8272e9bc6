"""The paired bootstrap over groups: whole clusters or objects are drawn, the same ones for every submission.

Cases of one group share much, so resampling cases would give intervals that are too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.tracks import Columns, Track

RESAMPLES = 2000
SEED = 20240
CHUNK = 100
LEVEL = 0.95


def group_sums(track: Track, columns: Columns, groups: np.ndarray) -> np.ndarray:
    """Sums over each group of the track's statistics and, last, of ones: (groups, S + 1) float64."""
    statistics = track.statistics(columns)
    _, index = np.unique(groups, return_inverse=True)
    counted = np.column_stack([statistics, np.ones(len(statistics))])
    sums = np.zeros((index.max() + 1, counted.shape[1]))
    np.add.at(sums, index, counted)
    return sums


def scores_of(track: Track, sums: np.ndarray) -> np.ndarray:
    """The track's scores (..., M) of sums (..., S + 1)."""
    return track.summarise(sums[..., :-1], sums[..., -1])


def bootstrap(track: Track, sums: np.ndarray) -> np.ndarray:
    """The scores of each resample: sums (systems, groups, S + 1) → (RESAMPLES, systems, M)."""
    # A product for each system, of one shape: equal systems get equal scores to the last bit, and so tie.
    chunks = [scores_of(track, weights @ sums) for weights in _weights(sums.shape[1])]
    return np.moveaxis(np.concatenate(chunks, axis=1), 0, 1)


def _weights(groups: int) -> Iterator[np.ndarray]:
    """How often each group is drawn: (CHUNK, groups) counts at a time, the same ones at every call."""
    rng = np.random.default_rng(SEED)
    for start in range(0, RESAMPLES, CHUNK):
        size = min(CHUNK, RESAMPLES - start)
        drawn = rng.integers(groups, size=(size, groups)) + groups * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of the central 95 % along the first axis."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high
