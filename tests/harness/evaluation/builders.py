"""Submissions as if they had been scored."""

import zlib
from pathlib import Path

import numpy as np

from harness.evaluation.scoring import Scored
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import ValidationReport

RANKED = tuple(score.key for score in MASS_MAPPING.ranked)


def scored_maps(team="A", method="m", seed=None, groups=40, per_group=4, owner=None, **columns):
    """A random score a case by each score of the maps, or the columns given."""
    cases = len(next(iter(columns.values()))) if columns else groups * per_group
    rng = np.random.default_rng(zlib.crc32(f"{team} {method} {seed}".encode()))
    base = {score.key: rng.random(cases) for score in MASS_MAPPING.scores}
    return Scored(
        Path(f"{team}-{method}-{seed}.zip"), MASS_MAPPING, team, method, f"{rng.integers(2**60):064x}",
        ValidationReport("mass-mapping", cases), base | columns, [f"case{index}" for index in range(cases)],
        np.arange(cases) // per_group, "truth", seed, owner=owner,
    )  # fmt: skip


def ranked_by(values, team="A", method="m", per_group=3, owner=None):
    """A submission whose ranked scores by case are all these values."""
    columns = dict.fromkeys(RANKED, np.asarray(values))
    return scored_maps(team, method, per_group=per_group, owner=owner, **columns)


def scored_stamps(labels, answers, team="A", groups=None, sure=0.9):
    """Answers to alerts of these classes, each given with the probability ``sure``."""
    probabilities = np.eye(5)[answers] * (sure - (1 - sure) / 4) + (1 - sure) / 4
    groups = np.arange(len(labels)) if groups is None else groups
    return Scored(
        Path(f"{team}.zip"), STAMPS, team, "m", f"{zlib.crc32(team.encode()):064x}",
        ValidationReport("stamps", len(labels)), STAMPS.by_case(labels, probabilities),
        [f"case{index}" for index in range(len(labels))], groups, "truth",
    )  # fmt: skip
