"""Judging a difference between two methods, each trained from several seeds and scored on the same groups.

Two things are a matter of chance: which groups (clusters, objects) the test has, and which seeds the methods
were trained from. docs/claims.md explains the interval that covers both, and the verdicts.
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

Verdict = Literal["confirmed", "refuted", "undecided"]
FACTOR = 1000
"""No more than so many times the groups or seeds are proposed."""


@dataclass(frozen=True)
class Difference:
    """The mean over seeds of a paired difference, and the variances of it that chance brings in.

    ``of_groups`` and ``of_seeds`` are what would be left with infinitely many seeds, or groups; ``of_both``
    is what each pair of the two has of its own. ``groups`` is 0 for what is not measured on groups, as time.
    """

    value: float
    of_groups: float
    of_seeds: float
    of_both: float
    groups: int
    seeds: int

    def half_width(self, groups: int, seeds: int) -> float:
        """Half the 95 % interval that as many groups and seeds would give; infinite if these are too few."""
        if seeds < 2 or (self.groups and groups < MIN_GROUPS_FOR_INTERVAL):
            return inf
        fewer_groups, fewer_seeds = self.groups / max(groups, 1), self.seeds / seeds
        both = self.of_both * fewer_groups * fewer_seeds
        by_groups, by_seeds = self.of_groups * fewer_groups + both, self.of_seeds * fewer_seeds + both
        t_groups, t_seeds = (stdtrit(max(n - 1, 1), (1 + LEVEL) / 2) for n in (groups, seeds))
        return sqrt(t_groups**2 * by_groups + t_seeds**2 * by_seeds)

    def interval(self) -> tuple[float, float]:
        half = self.half_width(self.groups, self.seeds)
        return self.value - half, self.value + half


def difference(by_seed: np.ndarray, resampled: np.ndarray | None = None, groups: int = 0) -> Difference:
    """From the differences of each seed, (S,), and of the same seeds in resamples of the groups, (R, S)."""
    seeds = len(by_seed)
    of_seeds = by_seed.var(ddof=1) / seeds if seeds > 1 else 0.0
    of_groups = of_both = 0.0
    if resampled is not None and len(resampled):
        correction = groups / (groups - 1)  # resamples vary about the sample's own mean
        mean = resampled.mean(axis=1)
        of_groups = mean.var() * correction
        if seeds > 1:
            own = (resampled - mean[:, None]).var(axis=0).sum() * correction
            of_both = min(own / (seeds * (seeds - 1)), of_groups, of_seeds)
    return Difference(
        value=float(by_seed.mean()),
        of_groups=float(of_groups - of_both),
        of_seeds=float(of_seeds - of_both),
        of_both=float(of_both),
        groups=groups,
        seeds=seeds,
    )


def verdict(low: float, high: float, expected: tuple[float, float]) -> Verdict:
    """Confirmed if the whole interval is as expected, refuted if none of it is."""
    if expected[0] < low and high < expected[1]:
        return "confirmed"
    return "refuted" if high < expected[0] or low > expected[1] else "undecided"


def together(verdicts: list[Verdict]) -> Verdict:
    """Of a claim about several scores: it holds if it does for each, and fails if it does for any."""
    if "refuted" in verdicts:
        return "refuted"
    return "undecided" if "undecided" in verdicts else "confirmed"


def needed(found: Difference, expected: tuple[float, float]) -> dict[str, tuple[int, int]]:
    """How many (groups, seeds) would decide it if the difference stayed as it is.

    By more ``seeds`` alone, more ``groups`` alone, or more of ``both`` in proportion. What would not do is
    left out, and so is ``both`` where one alone asks for no more.
    """
    groups, seeds = found.groups, found.seeds
    if not isfinite(found.half_width(groups, seeds)):
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
    """The least number from ``start`` to FACTOR times that which is enough, as all greater ones are."""
    tried = range(start, FACTOR * start)
    place = bisect_left(tried, True, key=enough)
    return tried[place] if place < len(tried) else None
