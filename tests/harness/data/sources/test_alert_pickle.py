"""The challenge's pickled alerts in all their layouts."""

import pickle

import numpy as np
import pytest

from harness.data.pack import pack
from harness.data.store import DataError, open_dataset
from harness.tracks import STAMPS
from tests.harness.data.conftest import refuses, stamp_pickle


def test_stamps_drops_what_is_not_square_and_keeps_nan(tmp_path):
    path, content = stamp_pickle(tmp_path)
    result = pack(STAMPS, [path], tmp_path / "out.h5")
    assert [name for name, _ in result.left_out] == ["100000000000000002"]
    with open_dataset(tmp_path / "out.h5") as data:
        assert (data.source["left_out"], data.source["left_out_first"]) == (1, ["100000000000000002"])
        kept = [0, 1, 3, 4, 5]
        assert data.case_ids() == [str(10**17 + index) for index in kept]
        np.testing.assert_array_equal(data.truth[:], content["labels"][kept])
        np.testing.assert_array_equal(data.inputs[:], [content["images"][index] for index in kept])
        assert data.groups().tolist() == [0, 1, 2, 1, 3]
        np.testing.assert_array_equal(data.metadata[:], content["metadata"][kept])


def test_stamps_other_layouts_of_the_pickle(tmp_path):
    path, content = stamp_pickle(tmp_path)
    images = np.empty(6, object)
    images[:] = content["images"]
    rows = [[1.5, 2, None], [3.0, 4, 5.0], [1, 2, 3], [1, 2, 3], [1, 2, 3], [7, 8, 9]]
    upper = {
        "Images": images,
        "Labels": list(content["labels"]),
        "Metadata": rows,
    }
    path.write_bytes(pickle.dumps(upper, protocol=2))
    pack(STAMPS, [path], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.case_ids() == ["000000", "000001", "000003", "000004", "000005"]
        assert data.metadata.dtype.names == ("feature_00", "feature_01", "feature_02")
        assert np.isnan(data.metadata[0]["feature_02"])
        assert data.metadata[4]["feature_01"] == 8


@pytest.mark.parametrize(
    ("metadata", "stored"),
    [
        (np.array([("ZTFñ", 1.5)] * 6, [("objectId", "U5"), ("x", "f4")]), ("ZTFñ".encode(), 1.5)),
        ([{"objectId": "ZTF1", "x": index} for index in range(6)], (b"ZTF1", 0)),
        ([{"candid": str(10**18 + 7 * i), "objectId": 2**62 + i} for i in range(6)], (b"%d" % 10**18, 2**62)),
        ([{"candid": 10**18 + 7 * i, "oid": None} for i in range(6)], (10**18, b"None")),
        ([[], [], [], [], [], []], None),
    ],
)
def test_stamps_texts_and_numbers_of_the_metadata_are_kept(tmp_path, metadata, stored):
    path, _ = stamp_pickle(tmp_path, metadata=metadata)
    pack(STAMPS, [path], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert (data.metadata and data.metadata[0].item()) == stored


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": np.array([0, 1, 2, 3, 4, 5])}, ["label 5", "0 to 4"]),
        ({"labels": np.arange(5)}, ["6 images", "5 labels"]),
        ({"images": None}, ["must hold images"]),
        ({"labels": np.zeros(6)}, ["whole numbers"]),
        ({"metadata": [[1], [2], [3]]}, ["6 images"]),
        ({"metadata": 5}, ["laid out"]),
        ({"metadata": [1, 2, 3, 4, 5, 6]}, ["laid out"]),
        ({"metadata": [[1], [2, 3], [4], [5], [6], [7]]}, ["laid out"]),
        ({"metadata": [[[1]], [[2]], [[3]], [[4]], [[5]], [[6]]]}, ["laid out"]),
        ({"metadata": [{"a": 1}, *({"b": index} for index in range(5))]}, ["laid out"]),
        ({"labels": [[0], [1, 2], 3, 4, 5, 6]}, ["laid out"]),
        ({"images": 3}, ["list or an array"]),
        ({"images": dict.fromkeys(range(6))}, ["list or an array"]),
        (
            {"images": [np.zeros((63, 63, 3), "f4")] * 5 + [np.zeros((63, 63), "f4")]},
            ["(63, 63)", "100000000000000005"],
        ),
        (
            {"images": [np.zeros((63, 63, 3), "f4")] * 5 + [np.empty((63, 63, 3), object)]},
            ["object", "100000000000000005"],
        ),
        ({"images": [np.zeros((63, 63, 3), "f4")] * 5 + ["text"]}, ["str", "100000000000000005"]),
    ],
)
def test_stamps_faults_are_named(tmp_path, changes, words):
    path, _ = stamp_pickle(tmp_path, **changes)
    refuses(tmp_path, [path], *words, track=STAMPS)


def test_labels_beside_a_pickle_are_refused(tmp_path):
    path, _ = stamp_pickle(tmp_path)
    with pytest.raises(DataError, match="a pickle has its own"):
        pack(STAMPS, [path], tmp_path / "out.h5", labels={"1": 1})
