import io
import pickle
import tracemalloc

import h5py
import numpy as np
import pytest

from harness.data import store
from harness.data.pack import pack
from harness.data.store import DataError, open_dataset
from harness.tracks import MASS_MAPPING, STAMPS
from tests.harness.data.conftest import map_members, npy, write_tar


def packed(tmp_path, sources, **options):
    out = tmp_path / "out.h5"
    result = pack(MASS_MAPPING, sources, out, **options)
    return out, result


def fingerprint(path):
    with open_dataset(path) as data:
        return data.fingerprint


def refuses(tmp_path, sources, *words, track=MASS_MAPPING):
    """Packing ends with one message that has all the words, and leaves nothing behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError) as error:
        pack(track, sources, tmp_path / "out.h5")
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


def test_pairs_by_name_and_turns_channels_last(tmp_path, members):
    out, result = packed(tmp_path, [write_tar(tmp_path / "1.tar.gz", members)])
    assert result.cases == 6
    with open_dataset(out) as data:
        assert (data.track, data.role, len(data)) == (MASS_MAPPING, "full", 6)
        for row, case_id in enumerate(data.case_ids()):
            epsilon = np.load(io.BytesIO(members[f"1/EPSILON/{case_id}.npy"]))
            np.testing.assert_array_equal(data.inputs[row], np.moveaxis(epsilon, 0, -1))
            np.testing.assert_array_equal(
                data.truth[row], np.load(io.BytesIO(members[f"1/KAPPA/{case_id}.npy"]))
            )
            assert data.groups()[row] == int(case_id[:5])


def test_same_content_from_tar_folder_and_any_order(tmp_path, members):
    shuffled = np.random.default_rng(1).permutation(list(members))
    folder = tmp_path / "unpacked"
    for name, data in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    sources = [
        write_tar(tmp_path / "a.tar.gz", members),
        write_tar(tmp_path / "b.tar", members, "w"),
        write_tar(tmp_path / "c.tar.gz", {k: members[k] for k in shuffled}),
        folder,
        folder / "1",
    ]
    prints = {fingerprint(packed(tmp_path, [source])[0]) for source in sources}
    assert len(prints) == 1
    changed = members | {"1/KAPPA/00001_00001.npy": npy(np.zeros((128, 128), np.float16))}
    assert fingerprint(packed(tmp_path, [write_tar(tmp_path / "d.tar", changed, "w")])[0]) not in prints


def test_several_archives_and_bytes_that_repeat(tmp_path, members):
    first = {name: data for name, data in members.items() if "/00001_" in name}
    rest = {name: data for name, data in members.items() if "/00001_" not in name}
    sources = [write_tar(tmp_path / "1.tar.gz", first), write_tar(tmp_path / "2.tar", rest, "w")]
    out, _ = packed(tmp_path, sources)
    content = out.read_bytes()
    assert fingerprint(out) == fingerprint(packed(tmp_path, [write_tar(tmp_path / "a.tar", members, "w")])[0])
    assert packed(tmp_path, sources)[0].read_bytes() == content


def test_test_archive_without_kappa_gives_inputs(tmp_path, members):
    inputs = {name: data for name, data in members.items() if "EPSILON" in name}
    out, _ = packed(tmp_path, [write_tar(tmp_path / "test_public.tar.gz", inputs)])
    with open_dataset(out) as data:
        assert data.role == "inputs"
        with pytest.raises(DataError, match="the truth"):
            _ = data.truth


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.zeros((128, 127), np.float16)), ["(128, 127)", "(128, 128)"]),
        (npy(np.zeros((128, 128), np.float64)), ["float64", "float16"]),
        (npy(np.full((128, 128), np.nan, np.float16)), ["NaN"]),
        (b"not an array", ["np.save"]),
        (npy(np.zeros((128, 128), np.float16))[:-5], ["bytes"]),
        (pickle.dumps("no array at all"), ["np.save"]),
    ],
    ids=["shape", "dtype", "nan", "text", "cut", "pickle"],
)
def test_damaged_member_is_named(tmp_path, members, content, words):
    name = "1/KAPPA/00002_00001.npy"
    archive = write_tar(tmp_path / "1.tar.gz", members | {name: content})
    refuses(tmp_path, [archive], name, "1.tar.gz", *words)


def test_object_array_is_not_unpickled(tmp_path, members):
    name = "1/EPSILON/00001_00002.npy"
    archive = write_tar(tmp_path / "1.tar", members | {name: npy(np.array([print], object))}, "w")
    refuses(tmp_path, [archive], name, "object")


def test_missing_twin_and_duplicate_are_named(tmp_path, members):
    lonely = dict(members)
    del lonely["1/KAPPA/00003_00002.npy"]
    refuses(tmp_path, [write_tar(tmp_path / "1.tar.gz", lonely)], "00003_00002", "its kappa is missing")
    twice = members | {"again/KAPPA/00003_00002.npy": members["1/KAPPA/00003_00002.npy"]}
    refuses(tmp_path, [write_tar(tmp_path / "2.tar.gz", twice)], "again/KAPPA/00003_00002.npy", "unique")


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_truncated_archive_is_an_error(tmp_path, members, mode, kept):
    archive = write_tar(tmp_path / "1.tar", members, mode)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    refuses(tmp_path, [archive], "damaged or cut off after")


def test_archive_cut_between_two_members(tmp_path, members):
    archive = write_tar(tmp_path / "1.tar", members, "w")
    content = archive.read_bytes()
    place = content.index(b"1/KAPPA/00002_00001.npy")
    assert place % 512 == 0
    archive.write_bytes(content[:place])
    refuses(tmp_path, [archive], "cut off after 1/KAPPA/00001_00002.npy")


def test_skip_damaged_lists_what_it_left_out(tmp_path, members):
    damaged = members | {"1/KAPPA/00001_00001.npy": b"broken"}
    del damaged["1/KAPPA/00002_00001.npy"]
    archive = write_tar(tmp_path / "1.tar.gz", damaged)
    out, result = packed(tmp_path, [archive], skip_damaged=True)
    assert result.cases == 4
    assert {name for name, _ in result.left_out} == {
        "1/KAPPA/00001_00001.npy", "00001_00001", "00002_00001"
    }  # fmt: skip
    kept = [name for name in members if "00001_00001" not in name and "00002_00001" not in name]
    whole = write_tar(tmp_path / "2.tar.gz", {name: members[name] for name in kept})
    assert fingerprint(out) == fingerprint(packed(tmp_path, [whole])[0])
    with open_dataset(out) as data:
        np.testing.assert_array_equal(data.groups(), [int(case_id[:5]) for case_id in data.case_ids()])


def test_memory_does_not_grow_with_the_archive(tmp_path):
    def peak(clusters):
        archive = write_tar(tmp_path / f"{clusters}.tar", map_members(clusters, 4), "w")
        tracemalloc.start()
        packed(tmp_path, [archive])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(40) < peak(4) + 1_000_000  # 144 cases more, of 131 kB each


def test_no_more_cases_than_a_data_set_may_have(tmp_path, members, monkeypatch):
    monkeypatch.setattr(store, "MAX_CASES", len(members) // 2)
    packed(tmp_path, [write_tar(tmp_path / "1.tar", members, "w")])
    (tmp_path / "out.h5").unlink()
    monkeypatch.setattr(store, "MAX_CASES", len(members) // 2 - 1)
    refuses(tmp_path, [tmp_path / "1.tar"], "more than the 5 cases")


def stamp_pickle(tmp_path, **changes):
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(63, 63, 3)).astype(np.float32) for _ in range(6)]
    images[2] = images[2][:, :55]
    images[3][0, 0, 0] = np.nan
    metadata = np.zeros(6, [("candid", "i8"), ("objectId", "S12"), ("magpsf", "f4")])
    metadata["candid"] = np.arange(6) + 10**17
    metadata["objectId"] = [b"ZTF1", b"ZTF2", b"ZTF1", b"ZTF3", b"ZTF2", b"ZTF4"]
    content = {"images": images, "labels": np.array([0, 1, 2, 3, 4, 1]), "metadata": metadata} | changes
    path = tmp_path / "stamps.pkl"
    path.write_bytes(pickle.dumps({key: value for key, value in content.items() if value is not None}))
    return path, content


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


def test_what_is_no_data_set_is_not_written_over(tmp_path, members):
    archives = [write_tar(tmp_path / f"{number}.tar", members, "w") for number in (1, 2)]
    before = archives[1].read_bytes()
    for sources, words in (
        (archives[:1], "a data set or a new file"),
        (archives, "must differ from every SOURCE"),
    ):
        with pytest.raises(DataError, match=words):
            pack(MASS_MAPPING, sources, archives[1])
    assert archives[1].read_bytes() == before
    (tmp_path / "link.tar").symlink_to(archives[1])
    with pytest.raises(DataError, match="must differ from every SOURCE"):
        pack(MASS_MAPPING, archives, tmp_path / "link.tar")


def test_stamps_without_labels_are_inputs(tmp_path):
    path, _ = stamp_pickle(tmp_path, labels=None)
    pack(STAMPS, [path], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert (data.role, len(data), "labels" in data.columns) == ("inputs", 5, False)


def test_labels_beside_a_pickle_are_refused(tmp_path):
    path, _ = stamp_pickle(tmp_path)
    with pytest.raises(DataError, match="a pickle has its own"):
        pack(STAMPS, [path], tmp_path / "out.h5", labels={"1": 1})


def test_stamps_duplicate_candid(tmp_path):
    path, content = stamp_pickle(tmp_path)
    content["metadata"]["candid"][4] = content["metadata"]["candid"][0]
    path.write_bytes(pickle.dumps(content))
    refuses(tmp_path, [path], "100000000000000000", "twice", track=STAMPS)


def test_dataset_file_that_points_elsewhere_is_refused(tmp_path, members):
    out, _ = packed(tmp_path, [write_tar(tmp_path / "1.tar", members, "w")])
    secret = out.rename(tmp_path / "secret.h5")
    with h5py.File(secret) as source, h5py.File(out, "w") as file:
        for name, value in source.attrs.items():
            file.attrs[name] = value
        for name in source:
            file[name] = h5py.ExternalLink(secret.name, name)
    with pytest.raises(DataError, match="no data set of this file"), open_dataset(out):
        pass


def test_an_object_in_two_files_is_one_group(tmp_path):
    path, content = stamp_pickle(tmp_path)
    content["metadata"]["candid"] += 100
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps(content))
    pack(STAMPS, [path, other], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.groups().tolist() == [0, 1, 2, 1, 3] * 2


def test_files_that_do_not_fit_together(tmp_path):
    path, _ = stamp_pickle(tmp_path)
    (tmp_path / "without").mkdir()
    other, _ = stamp_pickle(tmp_path / "without", metadata=None)
    refuses(tmp_path, [path, other], "metadata", track=STAMPS)


def test_a_thousand_that_were_left_out_are_named_in_the_file(tmp_path):
    names = [f"{index:0100d}" for index in range(1200)]
    images = [np.zeros((63, 63, 3), np.float32)] + [np.zeros((63, 9, 3), np.float32)] * 1200
    metadata = np.array([("1",), *((name,) for name in names)], [("candid", "S100")])
    path, _ = stamp_pickle(tmp_path, images=images, labels=np.zeros(1201, int), metadata=metadata)
    pack(STAMPS, [path], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.source["left_out"] == 1200
        assert data.source["left_out_first"] == [name[:64] for name in names[:1000]]


@pytest.mark.parametrize("track", [MASS_MAPPING, STAMPS], ids=lambda track: track.name)
def test_a_data_set_is_not_packed_again(tmp_path, members, track):
    data, _ = packed(tmp_path, [write_tar(tmp_path / "1.tar.gz", members)])
    refuses(
        tmp_path,
        [data.rename(tmp_path / "data.h5")],
        "data.h5 must be",
        "got a data set (HDF5), which is packed already",
        track=track,
    )
