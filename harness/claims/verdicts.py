"""The difference between two methods, each trained from several seeds and scored on the same groups.

Two things are random: the groups (clusters, objects) of the test, and the seeds of the training. The interval
covers both, or with one seed the groups alone; docs/claims.md explains it, and the verdicts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from harness.evaluation.bootstrap import LEVEL, MIN_GROUPS_FOR_INTERVAL

Verdict = Literal["confirmed", "refuted", "mixed", "undecided", "not tested"]
MAX_FACTOR = 1000
"""More than so many times the groups or seeds are not proposed."""


@dataclass(frozen=True)
class Difference:
    """The mean over seeds of a paired difference, and the three components of its variance.

    ``groups_variance`` remains with infinitely many seeds, ``seeds_variance`` with infinitely many groups.
    ``joint_variance`` is that of the interaction: what each pair of a group and a seed has of its own.
    ``groups`` is 0 for times, which are not measured by group.
    """

    value: float
    groups_variance: float
    seeds_variance: float
    joint_variance: float
    groups: int
    seeds: int

    def half_width(self, groups: int, seeds: int) -> float:
        """Half the 95 % interval that this many groups and seeds would give; infinite if they are too few.

        With one seed it is the interval over the groups for this seed. Times have no groups, so none.
        """
        if (seeds < 2 and not self.groups) or (self.groups and groups < MIN_GROUPS_FOR_INTERVAL):
            return inf
        fewer_groups, fewer_seeds = self.groups / max(groups, 1), self.seeds / seeds
        joint = self.joint_variance * fewer_groups * fewer_seeds
        by_groups = self.groups_variance * fewer_groups + joint
        by_seeds = self.seeds_variance * fewer_seeds + joint
        t_groups, t_seeds = (stdtrit(max(n - 1, 1), (1 + LEVEL) / 2) for n in (groups, seeds))
        return sqrt(t_groups**2 * by_groups + t_seeds**2 * by_seeds)

    def interval(self) -> tuple[float, float]:
        """The bounds of the 95 % interval."""
        half = self.half_width(self.groups, self.seeds)
        return self.value - half, self.value + half


def difference(by_seed: np.ndarray, resampled: np.ndarray | None = None, groups: int = 0) -> Difference:
    """From the differences of each seed, (S,), and of the same seeds in resamples of the groups, (R, S).

    The variance over resamples of the mean of the seeds is that of the groups, with the interaction. The
    variance over the seeds, divided by S, is that of the seeds, with the interaction too. The interaction is
    estimated from how each seed's resamples differ from their mean, and taken out of both.
    """
    seeds = len(by_seed)
    by_seeds = by_seed.var(ddof=1) / seeds if seeds > 1 else 0.0
    by_groups = joint = 0.0
    if resampled is not None and len(resampled):
        correction = groups / (groups - 1)  # resamples vary about the sample's own mean
        mean = resampled.mean(axis=1)
        by_groups = mean.var() * correction
        if seeds > 1:
            own = (resampled - mean[:, None]).var(axis=0).sum() * correction
            joint = min(own / (seeds * (seeds - 1)), by_groups, by_seeds)
    return Difference(
        value=float(by_seed.mean()), groups_variance=float(by_groups - joint),
        seeds_variance=float(by_seeds - joint), joint_variance=float(joint), groups=groups, seeds=seeds,
    )  # fmt: skip


def verdict(low: float, high: float, expected: tuple[float, float]) -> Verdict:
    """Confirmed if the whole interval is as expected, refuted if none of it is."""
    if expected[0] < low and high < expected[1]:
        return "confirmed"
    return "refuted" if high < expected[0] or low > expected[1] else "undecided"


def combine_verdicts(verdicts: list[Verdict]) -> Verdict:
    """The verdict on a claim, from those on the scores that decide it.

    Not tested if one of them is. Mixed if one is confirmed and another one refuted. Else refuted if any is,
    confirmed if all are, and undecided in any other case.
    """
    found = set(verdicts)
    if "not tested" in found:
        return "not tested"
    if "refuted" in found:
        return "mixed" if "confirmed" in found else "refuted"
    return "confirmed" if found == {"confirmed"} else "undecided"


def needed(found: Difference, expected: tuple[float, float]) -> dict[str, tuple[int, int]]:
    """The (groups, seeds) that would decide it if the difference stayed as it is, by the way to get there.

    The ways are more ``seeds`` alone, more ``groups`` alone, and more of ``both`` in proportion. A way that
    does not get there is left out, and so is ``both`` where one alone asks for no more. From one seed nobody
    can tell how seeds differ, nor from differences without any variance how groups do: there is no way.
    """
    groups, seeds = found.groups, found.seeds
    if seeds < 2 or not 0 < found.half_width(groups, seeds) < inf:
        return {}
    distance = min(abs(found.value - bound) for bound in expected if isfinite(bound))

    def beside(n: int) -> int:
        return round(n * groups / seeds)

    more_seeds = _least(seeds, lambda n: found.half_width(groups, n) < distance)
    more_groups = _least(groups, lambda n: found.half_width(n, seeds) < distance)
    both = _least(seeds, lambda n: found.half_width(beside(n), n) < distance)
    ways = {}
    if more_seeds:
        ways["seeds"] = (groups, more_seeds)
    if more_groups:
        ways["groups"] = (more_groups, seeds)
    if both and not ((more_seeds and both >= more_seeds) or (more_groups and beside(both) >= more_groups)):
        ways["both"] = (beside(both), both)
    return ways


def _least(start: int, enough: Callable[[int], bool]) -> int | None:
    """The least number that is enough, from ``start`` to MAX_FACTOR times that; None if none is."""
    tried = range(start, MAX_FACTOR * start)
    index = bisect_left(tried, True, key=enough)
    return tried[index] if index < len(tried) else None
