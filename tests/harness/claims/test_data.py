"""The splits that claims need, of groups that are made up, and on the disk."""

import pickle
from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from harness.claims.data import SEED, SHARES, prepare, reassign
from harness.claims.spec import Size, select
from harness.data.pack import pack
from harness.data.split import TEST, TRAIN, VALIDATION, assign_groups
from harness.data.store import open_dataset
from harness.files import HarnessError
from harness.progress import no_progress
from harness.tracks import STAMPS

pytestmark = pytest.mark.slow

GROUPS = np.repeat(np.arange(40), 8)
USUAL = assign_groups(GROUPS, SHARES, SEED)
SIZES = {"smoke": Size({"mass-mapping": 40, "stamps": 160}, {"mass-mapping": 1, "stamps": 1}, folds=3)}


def test_training_on_other_crops_of_the_tests_clusters():
    random, cluster = (reassign(USUAL, GROUPS, name) for name in ("random", "cluster"))
    np.testing.assert_array_equal(random == TEST, cluster == TEST)
    np.testing.assert_array_equal(random == VALIDATION, cluster == VALIDATION)
    assert (random == TRAIN).sum() == (cluster == TRAIN).sum()
    tested = set(GROUPS[random == TEST])
    assert tested <= set(GROUPS[random == TRAIN])
    assert tested.isdisjoint(GROUPS[cluster == TRAIN])


def test_smaller_training_sets_are_nested():
    half, quarter, eighth = (reassign(USUAL, GROUPS, name) for name in ("half", "quarter", "eighth"))
    for assigned in (quarter, eighth):
        np.testing.assert_array_equal(assigned == TEST, half == TEST)
        np.testing.assert_array_equal(assigned == VALIDATION, half == VALIDATION)
    clusters = [set(GROUPS[assigned == TRAIN]) for assigned in (half, quarter, eighth)]
    everything = 40 - 10 - 2
    assert clusters[2] < clusters[1] < clusters[0]
    assert [len(names) for names in clusters] == [ceil(everything / share) for share in (2, 4, 8)]


def test_what_is_there_is_not_made_again(tmp_path):
    specs = select("smoke", ["random-split-flatters", "training-set-size"])
    prepared = prepare(tmp_path, specs, SIZES, None, no_progress)
    names = {"random", "cluster", "eighth", "quarter", "half", ""}
    assert prepared.keys() == {("smoke", "sparse", name) for name in names}
    for (data,) in prepared.values():
        with (
            open_dataset(data.folder / "train.h5") as train,
            open_dataset(data.folder / "test-truth.h5") as truth,
        ):
            assert (train.fingerprint, truth.fingerprint) == (data.fingerprints[0], data.fingerprints[3])
    assert len({data.fingerprints[3] for (data,) in prepared.values()}) == 2  # two tests, all or half of one
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert prepare(tmp_path, specs, SIZES, None, no_progress) == prepared
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_real_alerts_are_split_by_object(stamps, tmp_path):
    prepared = prepare(
        tmp_path, select("smoke", ["pretraining-helps"], real=True), SIZES, stamps / "data.h5", no_progress
    )
    assert prepared.keys() == {("smoke", "real", ""), ("smoke", "stamps", "")}
    tested, folds = [], prepared["smoke", "real", ""]
    assert len(folds) == 3
    for fold in folds:
        groups = []
        for name in ("train.h5", "validation.h5", "test-inputs.h5"):
            with open_dataset(fold.folder / name) as data:
                groups.append(set(data.groups().tolist()))
        with open_dataset(fold.folder / "test-truth.h5") as data:
            tested += data.case_ids()
        assert not groups[0] & groups[1]
        assert not (groups[0] | groups[1]) & groups[2]
    with open_dataset(stamps / "data.h5") as data:
        assert sorted(tested) == sorted(data.case_ids())


def test_folds_of_another_number_are_others(stamps, tmp_path):
    specs = select("smoke", ["real-stamps"], real=True)
    for number in (3, 2):
        sizes = {"smoke": replace(SIZES["smoke"], folds=number)}
        folds = prepare(tmp_path, specs, sizes, stamps / "data.h5", no_progress)["smoke", "real", ""]
        tested = []
        for fold in folds:
            with open_dataset(fold.folder / "test-truth.h5") as data:
                tested += data.case_ids()
        with open_dataset(stamps / "data.h5") as data:
            assert sorted(tested) == sorted(data.case_ids())


def test_real_alerts_without_metadata_are_refused(tmp_path, stamps):
    with open_dataset(stamps / "data.h5") as data:
        content = {"images": list(data.inputs[:40]), "labels": data.truth[:40]}
    (tmp_path / "stamps.pkl").write_bytes(pickle.dumps(content))
    pack(STAMPS, [tmp_path / "stamps.pkl"], tmp_path / "real.h5")
    specs = select("smoke", ["real-stamps"], real=True)
    with pytest.raises(HarnessError, match=r"real\.h5 has no metadata: labelled alerts with metadata"):
        prepare(tmp_path, specs, SIZES, tmp_path / "real.h5", no_progress)
    with pytest.raises(HarnessError, match="--stamps"):
        prepare(tmp_path, specs, SIZES, None, no_progress)
