import numpy as np
import pytest

from baselines.stamps.sampling import SAMPLERS, balanced, epoch_sampler, middle, unchanged

LABELS = np.repeat([0, 1, 2, 3, 4], [50, 7, 49, 25, 1])[np.random.default_rng(0).permutation(132)]


def rng(seed=0):
    return np.random.default_rng(seed)


def test_every_class_comes_as_often_as_the_largest():
    rows = balanced(LABELS, rng())
    np.testing.assert_array_equal(np.bincount(LABELS[rows]), [50] * 5)


def test_no_case_comes_more_than_once_more_often_than_another_of_its_class():
    times = np.bincount(balanced(LABELS, rng()), minlength=len(LABELS))
    for label in range(5):
        of_class = times[label == LABELS]
        assert of_class.min() >= 1
        assert of_class.max() - of_class.min() <= 1


def test_every_case_gets_its_turn_to_come_once_more():
    times = sum(np.bincount(balanced(LABELS, rng(seed)), minlength=len(LABELS)) for seed in range(100))
    often = times[LABELS == 1]  # 50 = 7 x 7 + 1: one of the seven an epoch
    assert (often > 100 * 7).all()
    assert often.sum() == 100 * 50


def test_balanced_once_has_the_same_cases_in_every_epoch():
    draw = epoch_sampler("balanced-once", LABELS, 3)
    first, second = draw(rng(1)), draw(rng(2))
    assert (first != second).any()
    np.testing.assert_array_equal(np.sort(first), np.sort(second))
    np.testing.assert_array_equal(np.bincount(LABELS[first]), [50] * 5)
    times = np.bincount(first, minlength=len(LABELS))[LABELS == 1]
    assert sorted(times) == [7] * 6 + [8]  # 50 = 7 x 7 + 1
    repeated = {
        int(np.bincount(epoch_sampler("balanced-once", LABELS, seed)(rng()))[LABELS == 1].argmax())
        for seed in range(20)
    }
    assert len(repeated) > 3  # which one comes once more is the seed's


def test_class_without_cases_is_left_out():
    labels = np.array([0, 0, 0, 4])
    np.testing.assert_array_equal(np.bincount(labels[balanced(labels, rng())], minlength=5), [3, 0, 0, 0, 3])


def test_middle_repeats_the_smallest_as_often_as_it_divides_the_largest():
    labels = np.repeat(np.arange(5), [900, 100, 300, 500, 100])
    times = np.bincount(middle(labels, rng()), minlength=len(labels))
    assert [int(times[label == labels].sum()) for label in range(5)] == [300] * 5
    assert (times[labels == 1] == 3).all()
    assert (times[labels == 2] == 1).all()
    assert times[labels == 0].max() == 1  # a third of them, none twice


def test_middle_leaves_out_others_every_epoch():
    labels = np.repeat([0, 1], [400, 25])
    first, second = (set(middle(labels, rng(seed))) for seed in (1, 2))
    assert len(first | second) > 150 > len(first)
    seen = set().union(*(middle(labels, rng(seed)).tolist() for seed in range(40)))
    assert len(seen) > 420


def test_middle_of_classes_with_one_case_each():
    np.testing.assert_array_equal(np.sort(middle(np.array([0, 3]), rng())), [0, 1])


def test_unchanged_shows_each_case_once():
    np.testing.assert_array_equal(np.sort(unchanged(LABELS, rng())), np.arange(len(LABELS)))


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_order_is_the_seeds_and_the_classes_are_mixed(sampler):
    first, again, other = sampler(LABELS, rng(1)), sampler(LABELS, rng(1)), sampler(LABELS, rng(2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(first) == len(other)
    assert len(np.unique(LABELS[first[:30]])) >= 3
