"""The bootstrap against an obvious loop and SciPy, and how often its intervals hold the truth."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse, stats

from harness.evaluation.bootstrap import (
    MIN_GROUPS_FOR_INTERVAL,
    GroupSums,
    bootstrap,
    chance_lower,
    draw_groups,
    group_sums,
    holm,
    interval,
    kendall_tau,
    possible,
    settled,
    settled_difference,
    signed_rank,
    tail,
)
from harness.tracks import MASS_MAPPING, STAMPS, Score


def map_columns(rng, cases):
    return {score.key: rng.gamma(2.0, size=cases) for score in MASS_MAPPING.scores}


def stamp_columns(rng, cases):
    labels = rng.integers(0, 5, cases)
    return STAMPS.by_case(labels, rng.dirichlet(np.ones(5), cases) / 2 + np.eye(5)[labels] / 2)


def card_bounds(columns, groups, key="dicee"):
    """The interval of a score of maps."""
    drawn = bootstrap(MASS_MAPPING, [group_sums(MASS_MAPPING, columns, groups)])
    low, high = interval(drawn[key][:, 0], len(np.unique(groups)))
    return low, high


def dense(values):
    return values.toarray() if sparse.issparse(values) else values


@pytest.mark.parametrize(("track", "columns_of"), [(MASS_MAPPING, map_columns), (STAMPS, stamp_columns)])
def test_equals_drawing_the_cases_themselves(track, columns_of):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 17, 200)
    systems = [columns_of(rng, 200) for _ in range(3)]
    fast = bootstrap(track, [group_sums(track, columns, groups) for columns in systems], 150)
    assert {key: values.shape for key, values in fast.items()} == {
        score.key: (150, 3) for score in track.scores
    }
    weights = np.concatenate(list(draw_groups(17, 150)))
    np.testing.assert_array_equal(weights.sum(axis=1), 17)
    for number in (0, 99, 149):
        drawn = np.repeat(np.arange(200), weights[number, groups].astype(int))
        for system, columns in enumerate(systems):
            statistics = {name: dense(values) for name, values in track.statistics(columns, groups).items()}
            sums = {name: values[drawn].sum(axis=0) for name, values in statistics.items()}
            for key, slow in track.summarise(sums, np.array(len(drawn))).items():
                np.testing.assert_allclose(fast[key][number, system], slow, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float16, ">f8", np.float32, np.int16])
def test_columns_of_any_real_type_are_summed(dtype):
    columns = {score.key: np.array([1, 2, 4, 8], dtype) for score in MASS_MAPPING.scores}
    sums = group_sums(MASS_MAPPING, columns, np.array([5, 5, 7, 7]))
    assert sums.total_scores(MASS_MAPPING) == dict.fromkeys(columns, 3.75)


def test_sums_of_many_groups_take_little_memory():
    """A few hundred bytes a case, where dense histograms would take eleven thousand."""
    rng = np.random.default_rng(2)
    columns, groups = stamp_columns(rng, 20_000), np.arange(20_000)
    tracemalloc.start()
    group_sums(STAMPS, columns, groups)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1000 * len(groups)


def test_sparse_and_dense_products_agree():
    rng = np.random.default_rng(1)
    sums = [group_sums(STAMPS, stamp_columns(rng, 80), np.arange(80) % 40) for _ in range(2)]
    sparse_product, dense_product = (bootstrap(STAMPS, sums, dense_share=share) for share in (1.0, 0.0))
    for key, values in sparse_product.items():
        np.testing.assert_allclose(values, dense_product[key], rtol=1e-12)


@pytest.mark.parametrize("groups", [20, 300])
def test_agrees_with_scipy_on_a_mean(groups):
    rng = np.random.default_rng(3)
    columns = map_columns(rng, groups)
    low, high = card_bounds(columns, np.arange(groups))
    peer = stats.bootstrap(
        (columns["dicee"],),
        np.mean,
        method="percentile",
        confidence_level=1 - 2 * tail(groups),
        n_resamples=20000,
        rng=rng,
    ).confidence_interval
    near = 0.06 * (peer.high - peer.low)
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=near)


def test_the_interval_of_a_difference_agrees_with_scipys_paired_bootstrap():
    rng = np.random.default_rng(7)
    first = map_columns(rng, 200)
    second = first | {"dicee": first["dicee"] + rng.normal(0.05, 0.3, 200)}
    sums = [group_sums(MASS_MAPPING, columns, np.arange(200)) for columns in (first, second)]
    drawn = bootstrap(MASS_MAPPING, sums)["dicee"]
    low, high = interval(drawn[:, 0] - drawn[:, 1], 200)
    peer = stats.bootstrap(
        (first["dicee"], second["dicee"]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        method="percentile",
        confidence_level=1 - 2 * tail(200),
        n_resamples=20000,
        rng=rng,
    )
    bounds = peer.confidence_interval
    assert (low, high) == pytest.approx((bounds.low, bounds.high), abs=0.06 * (bounds.high - bounds.low))
    chance = chance_lower(drawn[:, 0], drawn[:, 1])
    assert chance == pytest.approx((peer.bootstrap_distribution < 0).mean(), abs=0.02)


def test_tail_is_that_of_students_t():
    for groups in (6, 30, 1000):
        by_t = stats.t.ppf(0.975, groups - 1) * np.sqrt(groups / (groups - 1))
        assert tail(groups) == pytest.approx(stats.norm.sf(by_t))
    assert tail(10**6) == pytest.approx(0.025, rel=1e-4)


def test_bounds_by_hand():
    """Of 1001 evenly spread resamples 8 groups take those at 0.574 %: with 7 degrees of freedom t is 2.3646.

    2.3646 times √(8/7) is 2.5279, which a normal distribution exceeds so often. With 7 groups t has 2.4469,
    times √(7/6) 2.6430, which is 1.3485 times the 1.9600 of a normal distribution: so far are 2.5 and 97.5 %
    moved from the middle.
    """
    drawn = np.linspace(0, 1, 1001)[:, None]
    assert interval(drawn, 8) == pytest.approx((0.00574, 0.99426), abs=1e-5)
    assert interval(drawn, 7) == pytest.approx((-0.1405, 1.1405), abs=1e-4)
    skewed = np.where(np.arange(1001) < 500, 0, drawn[:, 0])[:, None]  # whose middle is its mean, 0.3753
    assert interval(skewed, 7) == pytest.approx((-0.1308, 1.1841), abs=1e-3)


def test_resamples_are_2000_and_those_of_all_versions():
    """The draws that version 0.1.0 made, so that its boards and cards come out again."""
    assert next(draw_groups(6, 1)).tolist() == [[0, 2, 0, 3, 1, 0]]
    sums = group_sums(MASS_MAPPING, map_columns(np.random.default_rng(0), 6), np.arange(6))
    assert {len(drawn) for drawn in bootstrap(MASS_MAPPING, [sums]).values()} == {2000}


def test_bounds_stay_where_a_score_can_be():
    accuracy, log_loss = (next(each for each in STAMPS.scores if each.key == key)
                          for key in ("accuracy", "log_loss"))  # fmt: skip
    exact = np.array([0.7, 0.9])
    assert settled(accuracy, (np.array(-0.2), np.array(1.2)), exact) == (0, 1)
    assert settled(accuracy, (np.array(0.5), np.array(0.5)), exact) == (0.7, 0.9)
    assert settled(accuracy, (np.array(0.5), np.array(0.6)), exact) == (0.5, 0.6)
    assert settled(log_loss, (np.array(2.0), np.array(2.0)), exact) == (2, 2)  # may be equal for good reason
    assert settled_difference((0.1, 0.2), (0.6, 1.0), (0.7, 1.0), 0.5) == (0.1, 0.2)
    assert settled_difference((0.0, 0.0), (0.6, 1.0), (0.7, 0.9), 0.5) == pytest.approx((-0.3, 0.3))
    assert settled_difference((0.0, 0.0), (0.6, 1.0), (np.nan, np.nan), 0.5) == (-0.5, 0.5)
    assert settled_difference((0.1, 0.1), (np.nan, np.nan), (np.nan, np.nan), 0.0) == (0.1, 0.1)


def test_ties_count_half():
    first, second = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 5])
    assert chance_lower(first, second) == 0.625
    assert chance_lower(second, first) == 0.375


def test_groups_widen_the_interval():
    rng = np.random.default_rng(4)
    columns = map_columns(rng, 1000) | {"wmape": np.repeat(rng.normal(size=50), 20)}
    widths = []
    for groups in (np.arange(1000), np.repeat(np.arange(50), 20)):
        low, high = card_bounds(columns, groups, "wmape")
        widths.append(high - low)
    assert widths[1] > 3.5 * widths[0]  # the root of 20 is 4.5


def test_too_few_groups_have_no_interval():
    columns = map_columns(np.random.default_rng(0), 50)
    low, high = card_bounds(columns, np.arange(50) % (MIN_GROUPS_FOR_INTERVAL - 1))
    assert np.isnan([low, high]).all()
    low, high = card_bounds(columns, np.arange(50) % MIN_GROUPS_FOR_INTERVAL)
    assert low < high
    assert np.isnan(chance_lower(np.empty((0, 2)), np.empty((0, 2)))).all()


@pytest.mark.parametrize("make", [stamp_columns, map_columns])
def test_same_resamples_at_every_call_and_equal_systems_tie(make):
    rng, track = np.random.default_rng(5), STAMPS if make is stamp_columns else MASS_MAPPING
    one, other = (group_sums(track, make(rng, 100), np.arange(100)) for _ in range(2))
    three, again, alone = (bootstrap(track, sums) for sums in ([one, other, one],) * 2 + ([other],))
    for key, drawn in three.items():
        np.testing.assert_array_equal(drawn[:, 0], drawn[:, 2])
        np.testing.assert_array_equal(drawn, again[key])
        np.testing.assert_allclose(drawn[:, 1], alone[key][:, 0], rtol=1e-13)


def test_scores_are_those_of_all_cases():
    rng = np.random.default_rng(6)
    columns = stamp_columns(rng, 500)
    values = group_sums(STAMPS, columns, rng.integers(0, 40, 500)).total_scores(STAMPS)
    assert values["accuracy"] == pytest.approx(columns["correct"].mean())
    assert values["brier"] == pytest.approx(columns["brier"].mean())


# Coverage: many data sets of which the mean is known are the "systems" of one bootstrap.
MEAN = replace(MASS_MAPPING, scores=MASS_MAPPING.scores[:1])
DATA_SETS = 1500


def covered(truth, track=MEAN, **statistics):
    """The shares of the intervals that hold the truth, and of percentiles without the correction.

    The statistics are sums over groups (data sets, groups) by name, and the numbers of ``cases``.
    """
    shapes = {name: () for name in statistics if name != "cases"}
    matrices = np.stack([*(statistics[name] for name in shapes), statistics["cases"]], axis=-1)
    drawn = bootstrap(track, [GroupSums(sparse.csr_array(matrix), shapes) for matrix in matrices])["wmape"]
    low, high = interval(drawn, matrices.shape[1])
    plain = np.quantile(drawn, [0.025, 0.975], axis=0)
    return ((low <= truth) & (truth <= high)).mean(), ((plain[0] <= truth) & (truth <= plain[1])).mean()


@pytest.mark.slow
@pytest.mark.parametrize("groups", [3, 4, 5, 6, 7, 8, 12, 25, 100])
def test_coverage_of_means_with_cases_that_share_a_group(groups):
    rng = np.random.default_rng(groups)
    shared = rng.normal(size=(DATA_SETS, groups, 1))
    cases = shared + rng.normal(size=(DATA_SETS, groups, 10))
    share, plain = covered(0.0, wmape=cases.sum(axis=-1), cases=np.full((DATA_SETS, groups), 10.0))
    assert 0.93 <= share <= 0.97
    if groups <= 12:
        assert plain < 0.93  # what the correction is for


@pytest.mark.slow
def test_coverage_of_skewed_scores_and_groups_of_all_sizes():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 8, (DATA_SETS, 60)).astype(float)
    means = rng.gamma(2.0, size=(DATA_SETS, 60))
    share, _ = covered(2.0, wmape=sizes * means, cases=sizes)
    assert 0.93 <= share <= 0.97


def test_resampling_cases_that_share_a_group_would_not_cover():
    rng = np.random.default_rng(1)
    cases = np.repeat(rng.normal(size=(300, 20)), 5, axis=1)
    share, _ = covered(0.0, wmape=cases, cases=np.ones_like(cases))
    assert share < 0.75


@pytest.mark.slow
def test_coverage_of_an_f_score():
    """Objects of three alerts that are hit together: F1 = 2·TP / (2·TP + FP + FN)."""
    rng = np.random.default_rng(2)
    f1 = Score(
        "wmape", "F1", "", summary=lambda sums, _: 2 * sums["hits"] / (2 * sums["hits"] + sums["misses"])
    )
    kind = rng.choice(3, p=[0.4, 0.3, 0.3], size=(DATA_SETS, 80))
    hits, misses = 3.0 * (kind == 0), 3.0 * (kind == 1)
    track, cases = replace(MEAN, scores=(f1,)), np.full(kind.shape, 3.0)
    share, _ = covered(0.8 / 1.1, track, hits=hits, misses=misses, cases=cases)
    assert 0.93 <= share <= 0.97


def test_signed_rank_is_scipys():
    rng = np.random.default_rng(0)
    for size in (8, 30, 400):
        differences = rng.normal(0.1, size=size)
        assert signed_rank(differences) == stats.wilcoxon(differences).pvalue
    assert signed_rank(np.zeros(9)) == 1
    some_equal = np.array([0.0, 0, 1, 1, 0, 2, -1, 0])
    assert signed_rank(some_equal) == stats.wilcoxon(some_equal).pvalue < 1


def test_holm_by_hand():
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_array_equal(holm(np.array([0.9, 0.8])), [1, 1])
    assert holm(np.empty(0)).shape == (0,)


def test_kendall_tau_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 6, (2, 12)).astype(float)
        assert kendall_tau(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)
    assert kendall_tau(np.ones(4), np.arange(4.0)) is None
    assert kendall_tau(np.ones(1), np.ones(1)) is None


def test_an_interval_of_differences_stays_where_differences_can_be():
    assert possible((-1.5, 0.5), (0.0, 1.0)) == (-1, 0.5)
    assert possible((-3.0, 1.75), (0.0, 1.0), (1, -1, -1, 1)) == (-2, 1.75)
    assert possible((-3.0, 3.0), (-1.0, 1.0)) == (-2, 2)
    assert possible((-40.0, 30.0), (0.0, np.inf)) == (-40, 30)
