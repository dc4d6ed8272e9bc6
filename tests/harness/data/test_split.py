import h5py
import numpy as np
import pytest

from harness.data.split import (
    TEST,
    TRAIN,
    UNUSED,
    VALIDATION,
    Shares,
    assign_balanced,
    assign_folds,
    assign_groups,
    public_cases,
    secret_seed,
    split,
)
from harness.data.store import DataError, create, open_dataset
from harness.evaluation.ladder import subset_of
from harness.evaluation.scoring import score
from harness.tracks import MASS_MAPPING

CLASSES = ("AGN", "SN", "VS", "asteroid", "bogus")


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "data.h5"
    with create(path, MASS_MAPPING, "full", {}) as writer:
        for cluster in range(12):
            writer.append(
                case_id=[f"{cluster:05d}_{crop:05d}" for crop in range(5)],
                group=[cluster] * 5,
                epsilon=rng.normal(size=(5, 128, 128, 3)).astype(np.float16),
                kappa=rng.normal(size=(5, 128, 128)).astype(np.float16),
            )
    return path


def test_parts_are_whole_clusters_and_complete(data, tmp_path):
    summary = split(data, tmp_path / "parts", seed=3, shares=Shares(0.25, 0.25))
    assert {name: summary[name]["groups"] for name in ("train", "validation", "test")} == {
        "train": 6, "validation": 3, "test": 3
    }  # fmt: skip
    seen: list[set[int]] = []
    with open_dataset(data) as whole:
        rows = {case_id: row for row, case_id in enumerate(whole.case_ids())}
        for name in ("train", "validation", "test-inputs", "test-truth"):
            with open_dataset(tmp_path / "parts" / f"{name}.h5") as part:
                seen.append(set(part.groups().tolist()))
                for column in set(part.columns) - {"case_id", "group"}:
                    for row, case_id in enumerate(part.case_ids()):
                        np.testing.assert_array_equal(
                            part.columns[column][row], whole.columns[column][rows[case_id]]
                        )
        with open_dataset(tmp_path / "parts" / "test-inputs.h5") as inputs:
            assert "kappa" not in inputs.columns
            ids = inputs.case_ids()
        with open_dataset(tmp_path / "parts" / "test-truth.h5") as truth:
            assert "epsilon" not in truth.columns
            assert truth.case_ids() == ids
    assert seen[2] == seen[3]
    assert seen[0] | seen[1] | seen[2] == set(range(12))
    assert sum(map(len, seen[:3])) == 12


def test_same_seed_same_bytes(data, tmp_path):
    for folder in ("a", "b"):
        split(data, tmp_path / folder, seed=5)
    split(data, tmp_path / "c", seed=6)
    for name in ("train.h5", "test-truth.h5"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()


def test_too_few_clusters():
    with pytest.raises(DataError, match="3 at least were expected, got 2"):
        assign_groups(np.array([1, 1, 2, 2]), Shares(), 0)
    assert sorted(assign_groups(np.array([1, 2, 3]), Shares(), 0)) == [TRAIN, VALIDATION, TEST]


def test_only_full_data_can_be_split(data, tmp_path):
    split(data, tmp_path / "parts")
    with pytest.raises(DataError, match="must have kappa to be split"):
        split(tmp_path / "parts" / "test-inputs.h5", tmp_path / "again")
    assert not (tmp_path / "again" / "train.h5").exists()


def test_balanced_and_no_object_on_two_sides():
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 6, 4000)
    groups = np.repeat(np.arange(4000), sizes)
    labels = np.repeat(rng.integers(0, 5, 4000), sizes)
    part, notes = assign_balanced(labels, groups, CLASSES, Shares(), 7)
    assert notes == [
        f"{(part == UNUSED).sum()} alerts are in no part: they share an object with a test or "
        "validation alert"
    ]
    for number, count in ((TEST, 200), (VALIDATION, 100)):
        assert np.bincount(labels[part == number]).tolist() == [count] * 5
    sides = [set(groups[part == number]) for number in (TRAIN, VALIDATION, TEST)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def test_small_classes_are_said():
    labels = np.repeat(np.arange(5), [2000, 40, 2000, 2000, 16])
    part, notes = assign_balanced(labels, np.arange(len(labels)), CLASSES, Shares(), 0)
    assert np.bincount(labels[part == TEST]).tolist() == [200, 10, 200, 200, 4]
    assert np.bincount(labels[part == VALIDATION]).tolist() == [100, 5, 100, 100, 2]
    assert len(notes) == 2
    assert "SN has 40 alerts: 10 go to test and 5 to validation" in notes[0]


def test_folds_have_whole_groups_and_an_equal_share_of_each_class():
    rng = np.random.default_rng(0)
    of_object = np.repeat(np.arange(5), [40, 7, 60, 30, 13])
    groups = np.repeat(np.arange(150), rng.integers(1, 4, 150))
    labels = of_object[groups]
    order = rng.permutation(len(labels))
    fold = assign_folds(labels[order], groups[order], 5, seed=3)
    assert all(len(set(fold[groups[order] == group])) == 1 for group in range(150))
    by_object = np.array([fold[groups[order] == group][0] for group in range(150)])
    for label in range(5):
        counts = np.bincount(by_object[of_object == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(fold, assign_folds(labels[order], groups[order], 5, seed=3))
    assert (fold != assign_folds(labels[order], groups[order], 5, seed=4)).any()


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(DataError, match="5 at least were expected, got 4"):
        assign_folds(np.zeros(8, int), np.arange(8) // 2, 5, seed=0)


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
