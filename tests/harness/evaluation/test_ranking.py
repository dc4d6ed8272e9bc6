import numpy as np
import pytest
from scipy.stats import rankdata

from harness.evaluation.ranking import aggregate_then_rank, rank_then_aggregate, shared_ranks, standings
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


def standings_of(drawn, groups):
    """Of rows that are in the order of the board, by the resamples (R, rows) of all three scores."""
    rows = drawn.shape[1]
    values, resamples = ({score.key: each for score in MASS_MAPPING.ranked} | {
        score.key: 0 * each for score in MASS_MAPPING.scores if not score.ranked
    } for each in (np.arange(float(rows)), drawn))  # fmt: skip
    order, *found = standings(MASS_MAPPING, values, resamples, groups, [()] * rows)
    assert order == list(range(rows))
    return found


@pytest.mark.parametrize(("worse", "group", "low"), [(10, 2, 2), (15, 2, 2), (16, 1, 1), (40, 1, 1)])
def test_rows_are_apart_if_the_order_holds_but_for_the_tail(worse, group, low):
    """With 20 groups, 1.59 % of the resamples lie beyond each end: of a thousand up to 15, but not 16."""
    drawn = np.tile([0.0, 1.0], (1000, 1))
    drawn[:worse, 0] = 2
    rows, by_score = standings_of(drawn, 20)
    assert [row["group"] for row in rows] == [1, group]
    assert rows[0]["p_better_than_next"] == pytest.approx(1 - worse / 1000)
    assert rows[1]["p_better_than_next"] is None
    assert rows[0]["p_better"] == (0.5, 1 - worse / 1000)
    assert [(row["rank"], row["rank_low"], row["rank_high"]) for row in rows] == [
        (1, 1, 3 - low),
        (2, low, 2),
    ]
    assert by_score["wmape"][1] == {"rank": 2, "rank_low": low, "rank_high": 2, "p_better_than_next": None}
    assert by_score["mae"][0] == {
        "rank": None, "rank_low": None, "rank_high": None, "p_better_than_next": 0.5
    }  # fmt: skip


def test_a_group_is_compared_with_its_first_row_and_holds_ties():
    """Of five rows the third is apart from the first, and the fourth from neither the third nor the last."""
    drawn = np.tile([0.0, 0.0, 1.0, 1.0, 1.5], (100, 1))
    drawn[:50, 1], drawn[:50, 4] = 3, 0.5
    rows, _ = standings_of(drawn, 20)
    assert [row["group"] for row in rows] == [1, 1, 2, 2, 2]
    assert [row["p_better_than_next"] for row in rows] == [0.75, 0.5, 0.5, 0.5, None]


@pytest.mark.parametrize(("groups", "known"), [(5, False), (6, True)])
def test_ranks_need_six_groups(groups, known):
    rows, by_score = standings_of(np.tile([0.0, 1.0], (100, 1)), groups)
    cell = by_score["dicee"][0]
    unknown = [rows[0]["rank_low"], rows[0]["group"], rows[0]["p_better"], rows[0]["p_better_than_next"],
               cell["rank_high"], cell["p_better_than_next"]]  # fmt: skip
    assert all((value is None) != known for value in unknown)
    assert (rows[0]["rank"], cell["rank"]) == (1, 1)
