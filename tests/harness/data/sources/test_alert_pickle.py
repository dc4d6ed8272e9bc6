"""The challenge's pickled alerts in all their layouts."""

import pickle
import sys

import numpy as np
import pytest

from harness.data.pack import pack
from harness.data.sources import alert_pickle
from harness.data.store import DataError, open_dataset
from harness.tracks import STAMPS
from tests.harness.data.conftest import stamp_pickle


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
        assert len(set(data.case_ids())) == 5
        assert data.metadata.dtype.names == ("feature_00", "feature_01", "feature_02")
        assert np.isnan(data.metadata[0]["feature_02"])
        assert data.metadata[4]["feature_01"] == 8


@pytest.mark.slow
def test_ids_of_alerts_without_names_are_those_of_this_pickle_alone(tmp_path):
    """And the same ones each time; numbers would tell the class in a sorted set, and fit any other set."""
    ids = []
    for number, first in enumerate((0.0, 0.0, 1.0)):
        path, content = stamp_pickle(tmp_path, metadata=None)
        content["images"][5][0, 0, 0] = first
        path.write_bytes(pickle.dumps(content, protocol=4 - number))
        pack(STAMPS, [path], tmp_path / "out.h5")
        with open_dataset(tmp_path / "out.h5") as data:
            ids.append(data.case_ids())
    assert ids[0] == ids[1]
    assert {len(name) for name in ids[0]} == {16}  # of hexadecimal digits
    assert ids[0] != sorted(ids[0])
    assert not set(ids[0]) & set(ids[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metadata", "stored"),
    [
        (np.array([("ZTFñ", 1.5)] * 6, [("objectId", "U5"), ("x", "f4")]), ("ZTFñ".encode(), 1.5)),
        ([{"objectId": "ZTF1", "x": index} for index in range(6)], (b"ZTF1", 0)),
        ([{"candid": str(10**18 + 7 * i), "objectId": 2**62 + i} for i in range(6)], (b"%d" % 10**18, 2**62)),
        ([{"candid": 10**18 + 7 * i, "oid": None} for i in range(6)], (10**18, b"None")),
        ([{"oid": 0.5 + i, "x": b"12", "y": {}} for i in range(6)], (b"0.5", b"12", b"{}")),
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
        ({"labels": np.array([0, 1, 2, 3, 4, -1])}, ["label -1", "0 to 4"]),
        ({"labels": np.zeros((6, 1), int)}, ["whole numbers in one row"]),
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
    assert all(word in fault(path) for word in words)


def test_a_pickle_of_a_list_is_no_data_set(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1]))
    assert fault(tmp_path / "a.pkl").endswith("must hold a dictionary of images and labels, got a list")


def fault(path):
    """What the child process would tell as the first damage."""
    try:
        items = [item for item, _ in alert_pickle.sent(path)]
    except DataError as error:
        return str(error)
    return next(item["error"] for item in items if item.get("damaged"))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_an_oversampled_set_is_packed_once(tmp_path, shared):
    """As lists, arrays and dictionaries in several places, or as copies of them."""
    rng = np.random.default_rng(3)
    images = [rng.normal(size=(63, 63, 3)).astype(np.float32) for _ in range(3)]
    images.append(images[0].copy())  # the same stamp, of another alert
    rows = [{"candid": 10**18 + index, "magpsf": 18.5} for index in range(4)]
    drawn = [0, 1, 1, 2, 3, 0, 1]
    content = {
        "images": [images[index] if shared else images[index].copy() for index in drawn],
        "labels": [index % 2 for index in drawn],
        "metadata": [rows[index] if shared else dict(rows[index]) for index in drawn],
    }
    path = tmp_path / "oversampled.pkl"
    path.write_bytes(pickle.dumps(content))
    result = pack(STAMPS, [path], tmp_path / "out.h5")
    assert (result.cases, len(result.left_out)) == (4, 3)
    name, reason = result.left_out[0]
    assert name == str(10**18 + 1)
    assert reason.endswith(f"repeats alert {10**18 + 1}, as 3 of 7 alerts do others")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.case_ids() == [str(10**18 + index) for index in range(4)]
        np.testing.assert_array_equal(data.inputs[:], images)


def test_columns_of_all_plain_types_are_kept(tmp_path):
    stamp = np.random.default_rng(6).integers(0, 200, (63, 63, 3)).astype(np.uint8)
    fields = [("candid", "u8"), ("objectId", "S4"), ("right", "?"), ("x", "f4"), ("y", "i2"), ("name", "S2")]
    row = (2**63, b"ZTF1", True, 0.5, -3, b"ab")
    content = {"images": [stamp, stamp.copy()], "labels": np.array([4, 4], np.uint8), "metadata": [row, row]}
    content["metadata"] = np.array(content["metadata"], fields)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    (repeat, _), (_, arrays) = alert_pickle.sent(tmp_path / "a.pkl")
    assert "repeats alert 9223372036854775808" in repeat["error"]
    images, labels, metadata = arrays
    assert (images[0] == stamp).all()
    assert labels.tolist() == [4]
    assert (metadata.dtype, metadata[0].item()) == (np.dtype(fields), row)


def test_repeats_without_ids_are_told_by_their_stamps_and_blank_ones_repeat_nothing(tmp_path):
    rng = np.random.default_rng(4)
    images = np.zeros((6, 63, 63, 3), np.float32)
    images[2:4] = rng.normal(size=(2, 63, 63, 3))
    images[4:] = images[3]
    path = tmp_path / "copies.pkl"
    path.write_bytes(pickle.dumps({"images": images, "labels": [0, 0, 1, 1, 1, 2]}))
    result = pack(STAMPS, [path], tmp_path / "out.h5")
    assert [name for name, _ in result.left_out] == ["000004"]
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.truth[:].tolist() == [0, 0, 1, 1, 2]


def test_the_same_bytes_of_another_type_or_shape_are_no_repeats(tmp_path):
    whole = np.random.default_rng(7).normal(size=(63, 63, 3)).astype(np.float32)
    images = [whole, whole.view(np.int32), whole[:, :55].copy(), whole[:, :55].reshape(55, 63, 3)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"images": images}))
    items = [item for item, _ in alert_pickle.sent(tmp_path / "a.pkl")]
    assert [len(item["case_id"]) for item in items if "case_id" in item] == [2]
    assert [item["error"].partition(", ")[2] for item in items if "error" in item] == [
        "63 by 55 pixels", "55 by 63 pixels",
    ]  # fmt: skip


def test_objects_of_other_names_and_odd_bytes_are_groups(tmp_path):
    rows = np.array([(b"\xff",), (b"a",), (b"\xff",), (b"a",), (b"b",), (b"b",)], [("oid", "S2")])
    path, _ = stamp_pickle(tmp_path, metadata=rows)
    (_, _), (item, _) = alert_pickle.sent(path)  # the first is cut off by the edge
    assert item["group"] == ["\ufffd", "a", "a", "b", "b"]


@pytest.mark.slow
def test_one_array_shared_ten_thousand_times_takes_the_memory_of_one(tmp_path):
    stamp = np.random.default_rng(5).normal(size=(63, 63, 3))
    path = tmp_path / "shared.pkl"
    path.write_bytes(pickle.dumps({"images": [stamp] * 10_000, "labels": [1] * 10_000}))
    assert path.stat().st_size < 200_000
    result = pack(STAMPS, [path], tmp_path / "out.h5")
    assert (result.cases, len(result.left_out)) == (1, 9999)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other limits")
def test_a_pickle_is_read_with_so_much_memory(tmp_path, monkeypatch):
    path, _ = stamp_pickle(tmp_path, notes=bytes(64 << 20))
    monkeypatch.setattr(alert_pickle, "MEMORY", 32 << 20)
    monkeypatch.setattr(alert_pickle, "MEMORY_A_BYTE", 0)
    with pytest.raises(DataError, match=r"stamps\.pkl: it must be read with 32 MiB of memory"):
        pack(STAMPS, [path], tmp_path / "out.h5")


def test_labels_beside_a_pickle_are_refused(tmp_path):
    path, _ = stamp_pickle(tmp_path)
    with pytest.raises(DataError, match="a pickle has its own"):
        pack(STAMPS, [path], tmp_path / "out.h5", labels={"1": 1})
