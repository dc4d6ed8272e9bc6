"""Verdicts on made-up differences, of which the truth is known."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy.special import stdtrit

from harness.claims.verdicts import Difference, combine_verdicts, difference, needed, verdict


def drawn_weights(groups, resamples, rng):
    draws = rng.integers(groups, size=(resamples, groups))
    return np.stack([np.bincount(each, minlength=groups) for each in draws]) / groups


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "seeds"), [(8, 2), (20, 3), (60, 5)])
@pytest.mark.parametrize("deviations", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0.3, 1), (0.3, 1, 1)])
def test_interval_holds_the_truth(groups, seeds, deviations):
    rng = np.random.default_rng(7)
    of_groups, of_seeds, of_both = (
        rng.normal(0, deviation, (500, *shape))
        for deviation, shape in zip(deviations, [(groups, 1), (1, seeds), (groups, seeds)], strict=True)
    )
    weights = drawn_weights(groups, 300, rng)
    held = 0
    for one in of_groups + of_seeds + of_both:
        low, high = difference(one.mean(axis=0), weights @ one, groups).interval()
        held += low < 0 < high
    assert held / 500 >= 0.92
    if deviations[2] == 0:  # a single cause of chance: the interval is that of Student, no wider
        assert held / 500 <= 0.98


def test_components_of_the_variance():
    groups, seeds, rng = 400, 40, np.random.default_rng(3)
    one = 2 * rng.normal(size=(groups, 1)) + rng.normal(size=seeds) + 3 * rng.normal(size=(groups, seeds))
    found = difference(one.mean(axis=0), drawn_weights(groups, 2000, rng) @ one, groups)
    assert found.groups_variance == pytest.approx(4 / groups, rel=0.25)
    assert found.seeds_variance == pytest.approx(1 / seeds, rel=0.35)
    assert found.joint_variance == pytest.approx(9 / (groups * seeds), rel=0.1)


def test_seeds_alone_give_the_interval_of_student():
    by_seed = np.array([0.1, 0.3, 0.2])
    low, high = difference(by_seed).interval()
    half = stdtrit(2, 0.975) * by_seed.std(ddof=1) / sqrt(3)
    assert (low, high) == pytest.approx((0.2 - half, 0.2 + half))


def test_one_seed_gives_the_interval_of_the_groups():
    rng = np.random.default_rng(0)
    by_group = rng.normal(9, 1, (20, 1))
    found = difference(by_group.mean(axis=0), drawn_weights(20, 4000, rng) @ by_group, 20)
    half = stdtrit(19, 0.975) * by_group.std(ddof=1) / sqrt(20)
    low, high = found.interval()
    assert (low + high) / 2 == pytest.approx(by_group.mean())
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)
    assert verdict(low, high, (0, inf)) == "confirmed"
    assert needed(found, (0, inf)) == {}  # nobody knows how seeds differ


@pytest.mark.parametrize(("groups", "seeds"), [(0, 1), (2, 3), (2, 1)])
def test_too_few_decide_nothing(groups, seeds):
    found = difference(np.full(seeds, 9.0), np.empty((0, seeds)), groups)
    assert found.interval() == (-inf, inf)
    assert verdict(*found.interval(), (0, inf)) == "undecided"
    assert needed(found, (0, inf)) == {}


@pytest.mark.parametrize(
    ("low", "high", "expected", "judged"),
    [
        (0.1, 0.3, (0, inf), "confirmed"),
        (-0.1, 0.3, (0, inf), "undecided"),
        (-0.3, -0.1, (0, inf), "refuted"),
        (-0.3, -0.1, (-inf, 0), "confirmed"),
        (0.1, 0.3, (-inf, 0), "refuted"),
        (-0.005, 0.002, (-0.01, 0.01), "confirmed"),
        (-0.005, 0.02, (-0.01, 0.01), "undecided"),
        (0.02, 0.03, (-0.01, 0.01), "refuted"),
        (0.0, 0.0, (0, inf), "undecided"),
    ],
)
def test_verdict(low, high, expected, judged):
    assert verdict(low, high, expected) == judged


@pytest.mark.parametrize(
    ("verdicts", "combined"),
    [
        (["confirmed", "confirmed"], "confirmed"),
        (["confirmed", "undecided"], "undecided"),
        (["refuted", "undecided"], "refuted"),
        (["confirmed", "undecided", "refuted"], "mixed"),
        (["confirmed", "not tested"], "not tested"),
    ],
)
def test_a_claim_holds_if_it_does_for_every_score(verdicts, combined):
    assert combine_verdicts(verdicts) == combined


def test_fewest_that_would_decide():
    found = Difference(
        value=1.0, groups_variance=1.0, seeds_variance=0.5, joint_variance=0.2, groups=10, seeds=3
    )
    ways = needed(found, (0, inf))
    assert {"seeds", "groups"}.isdisjoint(ways)  # what either leaves is too much
    groups, seeds = ways["both"]
    assert found.half_width(groups, seeds) < 1 <= found.half_width(round((seeds - 1) * 10 / 3), seeds - 1)


@pytest.mark.parametrize(("name", "parts"), [("seeds", (0.0, 1.0)), ("groups", (1.0, 0.0))])
def test_more_of_what_brings_the_chance_in(name, parts):
    found = Difference(1.0, *parts, 0.0, 10, 3)
    groups, seeds = needed(found, (-inf, 0.5))[name]
    one_less = (10, seeds - 1) if name == "seeds" else (groups - 1, 3)
    assert found.half_width(groups, seeds) < 0.5 <= found.half_width(*one_less)
    assert {"seeds": "groups", "groups": "seeds"}[name] not in needed(found, (-inf, 0.5))


def test_time_is_decided_by_seeds():
    ways = needed(Difference(0.1, 0.0, 0.01, 0.0, 0, 3), (0, inf))
    assert ways.keys() == {"seeds"}
    assert ways["seeds"][1] > 3
