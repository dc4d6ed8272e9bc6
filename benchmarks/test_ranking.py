"""The intervals of 20 systems, and of all differences, against SciPy's paired bootstrap, pair by pair."""

import time
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.resampling import RESAMPLES, bootstrap, group_sums, interval, tail
from harness.tracks import MASS_MAPPING

SYSTEMS, CASES, KEYS = 20, 4000, ("wmape", "dicee", "dpeaks")
TRACK = replace(
    MASS_MAPPING,
    statistics=lambda columns: np.stack([columns[key] for key in KEYS], axis=-1),
    scores=MASS_MAPPING.scores[: len(KEYS)],
)
PAIRS = list(combinations(range(SYSTEMS), 2))


def all_pairs(sums):
    drawn = bootstrap(TRACK, sums)
    return [interval(drawn[:, one] - drawn[:, other], sums[0].shape[0]) for one, other in PAIRS]


def difference(one, other, axis):
    return one.mean(axis=axis) - other.mean(axis=axis)


def test_bootstrap_of_20_systems(benchmark):
    rng = np.random.default_rng(0)
    systems = [{key: rng.random(CASES) for key in KEYS} for _ in range(SYSTEMS)]
    sums = [group_sums(TRACK, columns, np.arange(CASES)) for columns in systems]
    found = benchmark.pedantic(all_pairs, (sums,), rounds=3, warmup_rounds=1)

    began = time.perf_counter()
    peer = stats.bootstrap(
        (systems[0]["dicee"], systems[1]["dicee"]),
        difference,
        paired=True,
        method="percentile",
        confidence_level=1 - 2 * tail(CASES),
        n_resamples=RESAMPLES,
        rng=rng,
    ).confidence_interval
    seconds = (time.perf_counter() - began) * len(PAIRS) * len(KEYS)
    low, high = (bound[KEYS.index("dicee")] for bound in found[0])
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.15 * (peer.high - peer.low))
    benchmark.extra_info |= {
        "pairs": len(PAIRS),
        "scores": len(KEYS),
        "scipy_seconds": round(seconds, 2),
        "times_faster_than_scipy": round(seconds / benchmark.stats.stats.median, 1),
    }
