"""Scores that claims are about, on predictions of which they are known."""

import numpy as np
import pytest

from harness.claims.diagnostics import MEASURED
from harness.evaluation.bootstrap import group_sums
from harness.tracks import MASS_MAPPING, STAMPS


def test_border():
    kappa = np.random.default_rng(5).normal(size=(3, 128, 128)).astype(np.float32)
    off = kappa.copy()
    off[:, 8:-8, 8:-8] += 1
    off[:, 0] += 2
    columns = MEASURED["mass-mapping"].by_case(kappa, off)
    assert columns["border_mae"] == pytest.approx(np.full(3, 2 * 128 / (128**2 - 112**2)), rel=1e-5)
    assert columns["wmape"] == pytest.approx(MASS_MAPPING.by_case(kappa, off)["wmape"])


def test_confidence():
    rng = np.random.default_rng(5)
    labels, probabilities = rng.integers(5, size=40), rng.dirichlet(np.ones(5), 40)
    columns, groups = STAMPS.by_case(labels, probabilities), np.arange(40)
    plain, further = (
        group_sums(track, columns, groups).total_scores(track) for track in (STAMPS, MEASURED["stamps"])
    )
    assert further == pytest.approx(plain | {"confidence": probabilities.max(axis=1).mean()})
