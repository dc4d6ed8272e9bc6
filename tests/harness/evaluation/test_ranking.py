import numpy as np
from scipy.stats import rankdata

from harness.evaluation.ranking import (
    aggregate_then_rank,
    normalised,
    rank_then_aggregate,
    ranks_by_score,
    shared_ranks,
)
from harness.tracks import MASS_MAPPING, STAMPS


def values_of(track, **values):
    """The ranked scores of some rows, 0 where they are not given."""
    rows = len(next(iter(values.values())))
    return {score.key: np.array(values.get(score.key, [0.0] * rows)) for score in track.ranked}


def test_ranks_follow_the_direction_of_each_score():
    ranks = ranks_by_score(STAMPS, values_of(STAMPS, accuracy=[0.9, 0.8, 0.9], sn_f1=[0.1, 0.2, 0.3]))
    assert {key: each.tolist() for key, each in ranks.items()} == {
        "accuracy": [1, 3, 1], "sn_f1": [3, 2, 1], "sn_f2": [1, 1, 1],
    }  # fmt: skip
    ranks = ranks_by_score(MASS_MAPPING, values_of(MASS_MAPPING, dicee=[0.1, 0.2]))
    assert [each.tolist() for each in ranks.values()] == [[1, 1], [1, 2], [1, 1]]


def test_shared_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 5, (50, 8)).astype(float)
    np.testing.assert_array_equal(shared_ranks(values), rankdata(values, method="min", axis=-1))


def test_normalised_scores_by_hand():
    # Distances 0, 0.1, 0.2, 0.8: the median of the last three is 0.2.
    values = values_of(STAMPS, accuracy=[0.9, 0.8, 0.7, 0.1], sn_f1=[0.5] * 4)
    np.testing.assert_allclose(normalised(STAMPS, values), [[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [4, 0, 0]])


def test_both_recipes_by_hand():
    values = values_of(MASS_MAPPING, wmape=[0.1, 0.09, 0.2], dicee=[0.2, 0.19, 0.3], dpeaks=[20.0, 90, 95])
    mean_rank, rank = rank_then_aggregate(MASS_MAPPING, values)
    np.testing.assert_allclose(mean_rank, [5 / 3, 4 / 3, 3])
    assert rank.tolist() == [2, 1, 3]
    normalised_mean, rank = aggregate_then_rank(MASS_MAPPING, values)
    np.testing.assert_allclose(normalised_mean, normalised(MASS_MAPPING, values).mean(axis=1))
    assert rank.tolist() == [1, 2, 3]
