"""The intervals of 20 systems, and of all differences, against SciPy's paired bootstrap, pair by pair."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.evaluation.bootstrap import RESAMPLES, bootstrap, group_sums, interval, tail
from harness.tracks import MASS_MAPPING

SYSTEMS, CASES, KEYS = 20, 4000, ("wmape", "dicee", "dpeaks")
TRACK = replace(MASS_MAPPING, scores=MASS_MAPPING.scores[: len(KEYS)])
PAIRS = list(combinations(range(SYSTEMS), 2))


def all_pairs(sums):
    drawn = bootstrap(TRACK, sums)
    groups = sums[0].groups
    return [
        {key: interval(values[:, one] - values[:, other], groups) for key, values in drawn.items()}
        for one, other in PAIRS
    ]


def difference(one, other, axis):
    return one.mean(axis=axis) - other.mean(axis=axis)


def test_bootstrap_of_20_systems(ratio):
    rng = np.random.default_rng(0)
    systems = [{key: rng.random(CASES) for key in KEYS} for _ in range(SYSTEMS)]
    sums = [group_sums(TRACK, columns, np.arange(CASES)) for columns in systems]
    peers = []

    def one_pair():
        result = stats.bootstrap(
            (systems[0]["dicee"], systems[1]["dicee"]),
            difference,
            paired=True,
            method="percentile",
            confidence_level=1 - 2 * tail(CASES),
            n_resamples=RESAMPLES,
            rng=rng,
        )
        peers.append(result.confidence_interval)

    found = ratio(
        f"bootstrap of {SYSTEMS} systems, {len(KEYS)} scores",
        "scipy.stats.bootstrap, times the pairs and scores",
        "≥ 50",
        lambda: all_pairs(sums),
        one_pair,
        rounds=3,
        times=len(PAIRS) * len(KEYS),
    )
    peer = peers[0]
    low, high = found[0]["dicee"]
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.15 * (peer.high - peer.low))
