"""Which cases a public board scores, and which ones are kept for the end."""

from __future__ import annotations

import hashlib

import numpy as np

from harness.data.store import CHUNK, DataError, Dataset


def public_cases(groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which cases (N,) are public: those of a random ``fraction`` of the groups, one at least and never all.

    Who knows the groups and the seed knows the part. Raises DataError for fewer than two groups.
    """
    names = np.unique(groups)
    if len(names) < 2:
        raise DataError("a public part needs two groups or more, and the truth has one")
    drawn = np.random.default_rng(np.random.SeedSequence(seed)).permutation(names)
    return np.isin(groups, drawn[: int(np.clip(round(fraction * len(names)), 1, len(names) - 1))])


def secret_seed(truth: Dataset) -> int:
    """A seed that nobody can work out who has not all of the truth, 48 bits."""
    digest = hashlib.sha256()
    for start in range(0, len(truth), CHUNK):
        digest.update(truth.truth[start : start + CHUNK].tobytes())
    return int.from_bytes(digest.digest()[:6])
