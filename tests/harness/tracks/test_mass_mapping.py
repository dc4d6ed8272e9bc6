"""The scores of the maps, as the track computes them."""

import numpy as np
import pytest

from harness.tracks import MASS_MAPPING

TARGETS, PREDICTIONS = np.random.default_rng(0).normal(size=(2, 6, 16, 16))


def test_map_scores_computed_together_are_those_of_their_functions():
    columns = MASS_MAPPING.by_case(TARGETS, PREDICTIONS)
    assert list(columns) == [score.key for score in MASS_MAPPING.scores]
    for score in MASS_MAPPING.scores:
        np.testing.assert_allclose(columns[score.key], score.by_case(TARGETS, PREDICTIONS), rtol=1e-12)


def test_the_truth_has_the_best_of_all_scores():
    columns = MASS_MAPPING.by_case(TARGETS, TARGETS)
    for score in MASS_MAPPING.scores:
        best = 0 if score.lower_is_better else 1
        np.testing.assert_allclose(columns[score.key], best, atol=1e-12, err_msg=score.key)
        worse = MASS_MAPPING.by_case(TARGETS, PREDICTIONS)[score.key]
        assert (score.sign * worse).mean() > score.sign * best, score.key


def test_an_empty_map_has_a_weighted_error_of_one():
    columns = MASS_MAPPING.by_case(TARGETS, np.zeros_like(TARGETS))
    assert columns["wmape"] == pytest.approx(np.ones(6), abs=1e-3)


def test_the_order_of_the_board_is_that_of_the_challenge():
    assert [score.key for score in MASS_MAPPING.ranked] == ["wmape", "dicee", "dpeaks"]
