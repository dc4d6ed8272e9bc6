import numpy as np
from scipy.stats import rankdata

from harness.evaluation.ranking import (
    aggregate_then_rank,
    rank_then_aggregate,
    shared_ranks,
)
from harness.tracks import MASS_MAPPING, STAMPS


def values_of(track, **values):
    """The ranked scores of some rows, 0 where they are not given."""
    rows = len(next(iter(values.values())))
    return {score.key: np.array(values.get(score.key, [0.0] * rows)) for score in track.ranked}


def test_ranks_follow_the_direction_of_each_score():
    ranks = rank_then_aggregate(
        STAMPS, values_of(STAMPS, accuracy=[0.9, 0.8, 0.9], sn_f1=[0.1, 0.2, 0.3])
    ).by_score
    assert {key: each.tolist() for key, each in ranks.items()} == {
        "accuracy": [1, 3, 1], "sn_f1": [3, 2, 1], "sn_f2": [1, 1, 1],
    }  # fmt: skip
    ranks = rank_then_aggregate(MASS_MAPPING, values_of(MASS_MAPPING, dicee=[0.1, 0.2])).by_score
    assert [each.tolist() for each in ranks.values()] == [[1, 1], [1, 2], [1, 1]]


def test_shared_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 5, (50, 8)).astype(float)
    np.testing.assert_array_equal(shared_ranks(values), rankdata(values, method="min", axis=-1))


def test_both_recipes_by_hand():
    # Normalised accuracy: distances 0, 0.1, 0.2, 0.8, in units of the median of the last three, 0.2.
    values = values_of(STAMPS, accuracy=[0.9, 0.8, 0.7, 0.1], sn_f1=[0.5] * 4, sn_f2=[0.1, 0.4, 0.2, 0.2])
    ranks = rank_then_aggregate(STAMPS, values)
    np.testing.assert_allclose(ranks.mean, [2, 4 / 3, 2, 7 / 3])
    assert ranks.overall.tolist() == [2, 1, 2, 4]
    normalised_mean, rank = aggregate_then_rank(STAMPS, values)
    np.testing.assert_allclose(normalised_mean, [1.5 / 3, 0.5 / 3, 2 / 3, 5 / 3])
    assert rank.tolist() == [2, 1, 3, 4]
