import pickle
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from harness.data.pack import pack
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
from harness.data.store import DataError, Writer, create, open_dataset
from harness.evaluation.ladder import subset_of
from harness.evaluation.scoring import score
from harness.platforms.codabench.competition import Options, write_bundle
from harness.tracks import MASS_MAPPING, STAMPS

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
    told = []
    summary = split(
        data, tmp_path / "parts", seed=3, shares=Shares(0.25, 0.25),
        progress=lambda *call: told.append(call),
    )  # fmt: skip
    assert told[-2:] == [(60, 75, "cases"), (75, 75, "cases")]  # cases to write, those of the test twice
    assert told == sorted(told)
    del summary["notes"]
    expected = {"train": (6, 30), "validation": (3, 15), "test": (3, 15)}
    assert {name: (part["groups"], part["cases"]) for name, part in summary.items()} == expected
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
            assert inputs.source == {"split_of": whole.fingerprint, "seed": 3}
        with open_dataset(tmp_path / "parts" / "test-truth.h5") as truth:
            assert truth.source == inputs.source | {"inputs_fingerprint": inputs.fingerprint}
            assert "epsilon" not in truth.columns
            assert sorted(truth.case_ids()) == sorted(ids)
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


def test_shares_of_the_clusters():
    def counts(groups, *shares):
        assigned = assign_groups(np.arange(groups), Shares(*shares), 0)
        return [np.count_nonzero(assigned == side) for side in (TRAIN, VALIDATION, TEST)]

    assert counts(50) == [40, 5, 5]
    assert counts(50, 0.2, 0.1) == [35, 10, 5]  # of validation, of test
    assert counts(5, 0.4, 0.4) == [1, 2, 2]
    with pytest.raises(DataError, match="leave clusters to train on, got 4 of 4"):
        counts(4, 0.5, 0.5)


def test_shares_that_do_not_apply_are_refused(data, tmp_path):
    with pytest.raises(DataError, match="--test-cases must be left out: mass-mapping is not split by it"):
        split(data, tmp_path, shares=Shares(test_cases=3))


def test_only_full_data_can_be_split(data, tmp_path):
    split(data, tmp_path / "parts")
    with pytest.raises(DataError, match="must have kappa to be split"):
        split(tmp_path / "parts" / "test-inputs.h5", tmp_path / "again")
    assert not (tmp_path / "again" / "train.h5").exists()


@pytest.fixture
def few_alerts(tmp_path):
    """Six alerts of each class: none is left for validation."""
    with create(tmp_path / "few.h5", STAMPS, "full", {}) as writer:
        labels = np.repeat(np.arange(5), 6)
        writer.append(
            [f"{number:016d}" for number in range(30)], range(30),
            images=np.ones((30, 63, 63, 3), np.float32), labels=labels,
        )  # fmt: skip
    return tmp_path / "few.h5"


def test_a_failing_split_leaves_an_earlier_one_as_it_was(data, few_alerts, tmp_path, monkeypatch):
    split(data, tmp_path / "parts")
    before = {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    with pytest.raises(DataError, match=r"few\.h5 must have cases .* none goes to validation; nothing was"):
        split(few_alerts, tmp_path / "parts")
    assert {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()} == before

    def full_disk(self, source):
        if self.role == "train":  # which is closed last
            raise OSError(28, "No space left on device")
        return close(self, source)

    close = Writer.close
    monkeypatch.setattr(Writer, "close", full_disk)
    with pytest.raises(OSError, match="No space left"):
        split(data, tmp_path / "parts", seed=1)
    assert {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()} == before


def test_a_track_without_a_splitter_cannot_be_split(data, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.data.store.get_track", lambda _: replace(MASS_MAPPING, splitter=""))
    with pytest.raises(DataError, match="'mass-mapping' must have a splitter, got none"):
        split(data, tmp_path / "parts")


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
    for shares in (Shares(test_cases=501, validation_cases=1), Shares(test_cases=1, validation_cases=501)):
        assert len(assign_balanced(labels, np.arange(len(labels)), CLASSES, shares, 0)[1]) == 5


def test_folds_have_whole_groups_and_an_equal_share_of_each_class():
    rng = np.random.default_rng(0)
    of_object = np.repeat(np.arange(5), [40, 7, 60, 30, 13])
    groups = np.repeat(np.arange(150), rng.integers(1, 4, 150))
    labels = of_object[groups]
    order = rng.permutation(len(labels))
    fold = assign_folds(labels[order], groups[order], 5, seed=3)
    assert all(len(set(fold[groups[order] == group])) == 1 for group in range(150))
    assert set(fold) == set(range(5))
    by_object = np.array([fold[groups[order] == group][0] for group in range(150)])
    for label in range(5):
        counts = np.bincount(by_object[of_object == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(fold, assign_folds(labels[order], groups[order], 5, seed=3))
    assert (fold != assign_folds(labels[order], groups[order], 5, seed=4)).any()


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(DataError, match="5 at least were expected, got 4"):
        assign_folds(np.zeros(8, int), np.arange(8) // 2, 5, seed=0)
    assert sorted(assign_folds(np.zeros(8, int), np.arange(8) // 2, 4, seed=0)) == [0, 0, 1, 1, 2, 2, 3, 3]


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
    assert public_cases(np.array([7, 7, 8]), 0.5, 0).sum() in (1, 2)
    with pytest.raises(DataError, match="two groups"):
        public_cases(np.array([7, 7, 7]), 0.5, 0)


@pytest.mark.slow
def test_every_value_of_the_truth_counts_for_the_secret_seed(stamps, tmp_path):
    path = tmp_path / "truth.h5"
    path.write_bytes((stamps / "test-truth.h5").read_bytes())
    with open_dataset(path) as data:
        first = secret_seed(data)
        assert first == secret_seed(data)
        assert 2**40 <= first < 2**48
    with h5py.File(path, "r+") as file:
        file["labels"][-1] = (file["labels"][-1] + 1) % 5
    with open_dataset(path) as data:
        assert 0 <= secret_seed(data) != first


def test_classes_in_their_order_make_no_seed_that_can_be_guessed(tmp_path):
    """A file sorted by class always has the same labels; the seed depends on which case has which."""
    seeds = set()
    for names in ("abcd", "badc", "acbd", "cadb"):
        with create(tmp_path / "truth.h5", STAMPS, "truth", {}) as writer:
            writer.append(list(names), list(names), labels=np.array([0, 0, 1, 1], np.int8))
        with open_dataset(tmp_path / "truth.h5") as data:
            seeds.add(secret_seed(data))
    assert len(seeds) == 2  # "abcd" and "badc" say the same of each case, and so do the others


FIELDS = [("magpsf", "f4"), ("ra", "f8"), ("class", "S16"), ("row", "i4"), ("objectId", "S16")]
NAMES = (b"active-galaxy", b"exploding-star", b"changing-star", b"minor-planet", b"an-artefact")


@pytest.fixture
def by_class(tmp_path):
    """An archive's alerts as a pickle has them, sorted by class, with columns and names in that order."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(5), 60)
    metadata = np.zeros(len(labels), FIELDS)
    metadata["magpsf"], metadata["ra"] = rng.normal(19, 1, len(labels)), rng.uniform(0, 360, len(labels))
    metadata["class"], metadata["row"] = np.array(NAMES)[labels], np.arange(len(labels))
    metadata["objectId"] = [f"ZTF26{number:06d}" for number in range(len(labels))]
    images = rng.normal(size=(len(labels), 63, 63, 3)).astype(np.float32)
    path = tmp_path / "alerts.pkl"
    path.write_bytes(pickle.dumps({"images": list(images), "labels": labels, "metadata": metadata}))
    pack(STAMPS, [path], tmp_path / "data.h5")
    return tmp_path / "data.h5"


SMALL = Shares(test_cases=15, validation_cases=5)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["split", "bundle of a full data set"])
def test_nothing_that_is_handed_out_goes_with_the_class_of_a_sorted_source(by_class, tmp_path, whole):
    summary = split(by_class, tmp_path, 0, SMALL)
    path, answers = tmp_path / "test-inputs.h5", tmp_path / "test-truth.h5"
    if whole:
        dates = [datetime(2027, month, 1) for month in (1, 2, 3)]
        options = Options(*dates, None, 0.3, 1, "image")
        summary = write_bundle(by_class, None, tmp_path / "bundle", options)
        with zipfile.ZipFile(tmp_path / "bundle/starting_kit.zip") as kit:
            path, answers = Path(kit.extract("inputs.h5", tmp_path)), by_class
    with open_dataset(path) as inputs, open_dataset(answers) as truth:
        labels = dict(zip(truth.case_ids(), truth.truth[:].tolist(), strict=True))
        classes = np.array([labels[case_id] for case_id in inputs.case_ids()])
        offsets: list[tuple[int, int]] = []
        inputs.inputs.id.chunk_iter(lambda chunk: offsets.append((chunk.chunk_offset[0], chunk.byte_offset)))
        assert inputs.metadata.dtype.names == ("magpsf", "ra")
        told = {
            "row": np.arange(len(classes)),
            "group": inputs.groups(),
            "id": np.argsort(np.argsort(inputs.case_ids())),
            "place in the file": np.array([place for _, place in sorted(offsets)]),
        } | {name: inputs.metadata[name] for name in inputs.metadata.dtype.names}
        assert {*inputs.columns} == {"images", "metadata", "case_id", "group"}
    for name, values in told.items():
        correlation = np.corrcoef(values, classes)[0, 1]
        assert abs(correlation) < 3 / np.sqrt(len(classes)), name
        changes = np.count_nonzero(np.diff(classes[np.argsort(values, kind="stable")]))
        assert changes > 0.6 * len(classes), f"{name}: classes lie together"
    content = path.read_bytes()
    assert not any(word in content for word in (*NAMES, b"ZTF26", b"objectId"))
    assert "leave out the metadata class row objectId" in summary["notes"][-1]


def test_the_draw_of_a_split_cannot_be_repeated_without_the_truth(by_class, tmp_path):
    split(by_class, tmp_path, 0, SMALL)
    with open_dataset(by_class) as data, open_dataset(tmp_path / "test-inputs.h5") as inputs:
        test = np.isin(data.case_ids(), inputs.case_ids())
        guessed, _ = assign_balanced(data.truth[:], data.groups(), CLASSES, SMALL, 0)
    assert np.count_nonzero(test) == np.count_nonzero(guessed == TEST) == 75
    assert np.count_nonzero(test & (guessed == TEST)) < 75 / 2


@pytest.mark.slow
def test_other_metadata_are_handed_out_on_request(by_class, tmp_path):
    notes = split(by_class, tmp_path, 0, SMALL, metadata=("ro*", "objectId"))["notes"]
    with open_dataset(tmp_path / "test-inputs.h5") as inputs, open_dataset(by_class) as data:
        assert inputs.metadata.dtype.names == ("magpsf", "ra", "row", "objectId")
        rows = inputs.metadata["row"]
        np.testing.assert_array_equal(inputs.inputs[:], data.inputs[:][rows])
        np.testing.assert_array_equal(inputs.metadata["ra"], data.metadata["ra"][rows])
        assert inputs.case_ids() == [data.case_ids()[row] for row in rows]
    assert "leave out the metadata class, which" in notes[-2]
    assert "have the metadata row objectId: make sure" in notes[-1]
    with pytest.raises(DataError, match="of magpsf, ra, class, row, objectId, got 'rows'"):
        split(by_class, tmp_path, 0, SMALL, metadata=("rows",))


def test_the_board_makes_the_same_parts(maps, tmp_path, submission_of):
    truth = maps / "test-truth.h5"
    path = submission_of(tmp_path / "a.zip", truth, lambda kappa: kappa)
    with open_dataset(truth) as data:
        scored = score(path, data)
    public = public_cases(scored.groups, 0.4, 12345)
    case_ids = np.array(scored.case_ids)
    assert subset_of(scored, 0.4, 12345, private=False).case_ids == case_ids[public].tolist()
    assert subset_of(scored, 0.4, 12345, private=True).case_ids == case_ids[~public].tolist()
