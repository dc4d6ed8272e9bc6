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
        {key: interval(values[:, first] - values[:, second], groups) for key, values in drawn.items()}
        for first, second in PAIRS
    ]


def difference(first, second, axis):
    return first.mean(axis=axis) - second.mean(axis=axis)


def test_bootstrap_of_20_systems(ratio):
    rng = np.random.default_rng(0)
    systems = [{key: rng.random(CASES) for key in KEYS} for _ in range(SYSTEMS)]
    sums = [group_sums(TRACK, columns, np.arange(CASES)) for columns in systems]

    def peer():
        return stats.bootstrap(
            (systems[0]["dicee"], systems[1]["dicee"]), difference, paired=True, method="percentile",
            confidence_level=1 - 2 * tail(CASES), n_resamples=RESAMPLES, rng=rng,
        ).confidence_interval  # fmt: skip

    what = f"bootstrap of {SYSTEMS} systems, {len(KEYS)} scores"
    against, times = "scipy.stats.bootstrap, times the pairs and scores", len(PAIRS) * len(KEYS)
    intervals = ratio(what, against, "≥ 50", lambda: all_pairs(sums), peer, rounds=3, times=times)
    low, high = peer()
    assert intervals[0]["dicee"] == pytest.approx((low, high), abs=0.15 * (high - low))
