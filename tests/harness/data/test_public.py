import h5py
import numpy as np
import pytest

from harness.data.split import public_cases, secret_seed
from harness.data.store import DataError, open_dataset
from harness.evaluation.ladder import subset_of
from harness.evaluation.scoring import score

GROUPS = np.repeat(np.arange(10), 3)


@pytest.mark.parametrize(("fraction", "count"), [(0.3, 3), (0.01, 1), (0.99, 9), (0.5, 5)])
def test_whole_groups_one_at_least_and_never_all(fraction, count):
    public = public_cases(GROUPS, fraction, 7)
    np.testing.assert_array_equal(public, public_cases(GROUPS, fraction, 7))
    assert public.sum() == 3 * count
    assert not set(GROUPS[public]) & set(GROUPS[~public])


def test_the_seed_draws():
    assert (public_cases(GROUPS, 0.5, 1) != public_cases(GROUPS, 0.5, 2)).any()


def test_one_group_has_no_parts():
    with pytest.raises(DataError, match="two groups"):
        public_cases(np.array([7, 7, 7]), 0.5, 0)


def test_every_value_of_the_truth_counts_for_the_secret_seed(stamps, tmp_path):
    path = tmp_path / "truth.h5"
    path.write_bytes((stamps / "test-truth.h5").read_bytes())
    with open_dataset(path) as data:
        first = secret_seed(data)
        assert first == secret_seed(data)
    with h5py.File(path, "r+") as file:
        file["labels"][-1] = (file["labels"][-1] + 1) % 5
    with open_dataset(path) as data:
        assert 0 <= secret_seed(data) != first


def test_the_board_makes_the_same_parts(maps, tmp_path, submission_of):
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, lambda kappa: kappa)
    with open_dataset(truth) as data:
        scored = score(path, data)
    public = public_cases(scored.groups, 0.4, 12345)
    case_ids = np.array(scored.case_ids)
    assert subset_of(scored, 0.4, 12345, private=False).case_ids == case_ids[public].tolist()
    assert subset_of(scored, 0.4, 12345, private=True).case_ids == case_ids[~public].tolist()
