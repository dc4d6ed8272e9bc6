"""Scores that claims are about, on predictions of which they are known."""

import numpy as np
import pytest

from harness.claims.diagnostics import with_diagnostics
from harness.tracks import MASS_MAPPING, STAMPS


def test_border():
    target = np.random.default_rng(5).normal(size=(3, 128, 128)).astype(np.float32)
    prediction = target.copy()
    prediction[:, 8:-8, 8:-8] += 1
    prediction[:, 0] += 2
    columns = with_diagnostics(MASS_MAPPING).by_case(target, prediction)
    assert columns["border_mae"] == pytest.approx(np.full(3, 2 * 128 / (128**2 - 112**2)), rel=1e-5)
    assert columns["wmape"] == pytest.approx(MASS_MAPPING.by_case(target, prediction)["wmape"])


def test_confidence():
    rng = np.random.default_rng(5)
    labels, probabilities = rng.integers(5, size=40), rng.dirichlet(np.ones(5), 40)
    columns = STAMPS.by_case(labels, probabilities)
    plain, further = (
        track.summarise(
            {key: value.sum(axis=0) for key, value in track.statistics(columns, np.arange(40)).items()},
            np.array(40),
        )
        for track in (STAMPS, with_diagnostics(STAMPS))
    )
    assert further.pop("confidence") == pytest.approx(probabilities.max(axis=1).mean())
    assert all(further[key] == pytest.approx(value) for key, value in plain.items())
