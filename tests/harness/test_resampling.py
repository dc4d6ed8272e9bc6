"""The bootstrap against an obvious loop, against SciPy, and the coverage of its intervals."""

import numpy as np
import pytest
from scipy import stats

from harness import resampling
from harness.resampling import bootstrap, group_sums, interval, scores_of
from harness.tracks import MASS_MAPPING, STAMPS


def map_columns(rng, cases):
    return {score.key: rng.gamma(2.0, size=cases) for score in MASS_MAPPING.scores}


def stamp_columns(rng, cases):
    labels = rng.integers(0, 5, cases)
    right = rng.random(cases) < 0.7
    predicted = np.where(right, labels, rng.integers(0, 5, cases))
    return {
        "label": labels,
        "predicted": predicted,
        "correct": (predicted == labels).astype(float),
        "log_loss": rng.gamma(1.0, size=cases),
        "brier": rng.random(cases),
    }


@pytest.mark.parametrize(("track", "columns_of"), [(MASS_MAPPING, map_columns), (STAMPS, stamp_columns)])
def test_equals_drawing_the_cases_themselves(monkeypatch, track, columns_of):
    monkeypatch.setattr(resampling, "RESAMPLES", 150)
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 17, 200)
    systems = [columns_of(rng, 200) for _ in range(3)]
    sums = np.stack([group_sums(track, columns, groups) for columns in systems])
    weights = np.concatenate(list(resampling._weights(17)))
    fast = bootstrap(track, sums)
    assert fast.shape == (150, 3, len(track.scores))
    for number in (0, 99, 149):
        drawn = np.concatenate(
            [
                np.flatnonzero(groups == group)
                for group in range(17)
                for _ in range(int(weights[number, group]))
            ]
        )
        for system, columns in enumerate(systems):
            statistics = track.statistics({name: column[drawn] for name, column in columns.items()})
            slow = track.summarise(statistics.sum(axis=0), np.array(len(drawn)))
            np.testing.assert_allclose(fast[number, system], slow, rtol=1e-12)


def test_agrees_with_scipy_on_a_mean():
    rng = np.random.default_rng(3)
    columns = map_columns(rng, 300)
    sums = group_sums(MASS_MAPPING, columns, np.arange(300))
    low, high = interval(bootstrap(MASS_MAPPING, sums[None])[:, 0])
    peer = stats.bootstrap((columns["dicee"],), np.mean, method="percentile", n_resamples=20000, rng=rng)
    width = peer.confidence_interval.high - peer.confidence_interval.low
    index = [score.key for score in MASS_MAPPING.scores].index("dicee")
    assert low[index] == pytest.approx(peer.confidence_interval.low, abs=0.06 * width)
    assert high[index] == pytest.approx(peer.confidence_interval.high, abs=0.06 * width)


def test_groups_widen_the_interval():
    rng = np.random.default_rng(4)
    shared = np.repeat(rng.normal(size=50), 20)
    columns = map_columns(rng, 1000) | {"wmape": shared}
    widths = []
    for groups in (np.arange(1000), np.repeat(np.arange(50), 20)):
        low, high = interval(bootstrap(MASS_MAPPING, group_sums(MASS_MAPPING, columns, groups)[None])[:, 0])
        widths.append(high[0] - low[0])
    assert widths[1] > 3.5 * widths[0]  # the root of 20 is 4.5


def test_same_resamples_at_every_call():
    rng = np.random.default_rng(5)
    sums = group_sums(STAMPS, stamp_columns(rng, 100), np.arange(100))
    both = bootstrap(STAMPS, np.stack([sums, sums]))
    np.testing.assert_array_equal(both[:, 0], both[:, 1])
    np.testing.assert_array_equal(both[:, 0], bootstrap(STAMPS, sums[None])[:, 0])


def test_scores_are_those_of_all_cases():
    rng = np.random.default_rng(6)
    columns = stamp_columns(rng, 500)
    values = scores_of(STAMPS, group_sums(STAMPS, columns, rng.integers(0, 40, 500)).sum(axis=0))
    assert values[0] == pytest.approx(columns["correct"].mean())
    assert values[-1] == pytest.approx(columns["brier"].mean())
