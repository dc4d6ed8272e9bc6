"""Packing: what is paired, left out and refused, in one process and in several with the same result."""

import pickle
import re
import tracemalloc

import h5py
import numpy as np
import pytest

from harness.data import store
from harness.data.pack import Task, pack, read_shard, write_shard
from harness.data.store import DataError, open_dataset
from harness.parallel import executor
from harness.tracks import MASS_MAPPING, STAMPS
from tests.harness.data.conftest import map_members, npy, packed, refuses, stamp_pickle, write_tar


@pytest.fixture(scope="module")
def pool():
    with executor(2) as processes:
        yield processes


def fingerprint(path):
    with open_dataset(path) as data:
        return data.fingerprint


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


def test_missing_twin_and_duplicate_are_named(tmp_path, members):
    lonely = dict(members)
    del lonely["1/KAPPA/00003_00002.npy"]
    refuses(tmp_path, [write_tar(tmp_path / "1.tar.gz", lonely)], "00003_00002", "its kappa is missing")
    twice = members | {"again/KAPPA/00003_00002.npy": members["1/KAPPA/00003_00002.npy"]}
    refuses(tmp_path, [write_tar(tmp_path / "2.tar.gz", twice)], "again/KAPPA/00003_00002.npy", "unique")


def test_skip_damaged_lists_what_it_left_out(tmp_path, members):
    damaged = members | {"1/KAPPA/00001_00001.npy": b"broken"}
    del damaged["1/KAPPA/00002_00001.npy"]
    archive = write_tar(tmp_path / "1.tar.gz", damaged)
    told = []
    out, result = packed(tmp_path, [archive], skip_damaged=True, progress=lambda *call: told.append(call))
    assert result.cases == 4
    assert told[0] == (1, 0, "cases, 1/EPSILON/00001_00001.npy")  # no total: nobody knows it yet
    assert told[-1] == (6, 0, "cases, 1/KAPPA/00003_00002.npy")
    with open_dataset(out) as data:
        assert data.source == {
            "packed": ["1.tar.gz"], "left_out": 3, "ignored": 0,
            "left_out_first": [name for name, _ in result.left_out],
        }  # fmt: skip
    assert {name for name, _ in result.left_out} == {
        "1/KAPPA/00001_00001.npy", "00001_00001", "00002_00001"
    }  # fmt: skip
    kept = [name for name in members if "00001_00001" not in name and "00002_00001" not in name]
    whole = write_tar(tmp_path / "2.tar.gz", {name: members[name] for name in kept})
    assert fingerprint(out) == fingerprint(packed(tmp_path, [whole])[0])
    with open_dataset(out) as data:
        np.testing.assert_array_equal(data.groups(), [int(case_id[:5]) for case_id in data.case_ids()])


@pytest.mark.slow
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


def test_damage_alone_is_no_data_set(tmp_path):
    names = ("1/KAPPA/1_1.npy", "1/KAPPA/1_2.npy")
    archive = write_tar(tmp_path / "1.tar", dict.fromkeys(names, b"broken"))
    with pytest.raises(DataError, match=r"no case can be used, 2 were left out, the first: .*1_1\.npy"):
        packed(tmp_path, [archive], skip_damaged=True)


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


def test_stamps_duplicate_candid(tmp_path):
    path, content = stamp_pickle(tmp_path)
    content["metadata"]["candid"][4] = content["metadata"]["candid"][0]
    path.write_bytes(pickle.dumps(content))
    refuses(tmp_path, [path], "100000000000000000", "twice", track=STAMPS)


@pytest.mark.slow
def test_an_alert_that_comes_with_its_label_and_without_it_comes_twice(tmp_path):
    path, content = stamp_pickle(tmp_path)
    (tmp_path / "bare").mkdir()
    bare = tmp_path / "bare/data.pkl"
    bare.write_bytes(pickle.dumps({name: content[name] for name in ("images", "metadata")}))
    refuses(tmp_path, [bare, path], "100000000000000000", "twice", track=STAMPS)


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_object_in_two_files_is_one_group(tmp_path):
    path, content = stamp_pickle(tmp_path)
    content["metadata"]["candid"] += 100
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps(content))
    pack(STAMPS, [path, other], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.groups().tolist() == [0, 1, 2, 1, 3] * 2


@pytest.mark.slow
def test_files_that_do_not_fit_together(tmp_path):
    path, _ = stamp_pickle(tmp_path)
    (tmp_path / "without").mkdir()
    other, _ = stamp_pickle(tmp_path / "without", metadata=None)
    refuses(tmp_path, [path, other], "metadata", track=STAMPS)


def described(folder, name, rows):
    """A pickle of an alert for each row of metadata."""
    (folder / name).mkdir()
    images = np.random.default_rng(len(name)).normal(size=(len(rows), 63, 63, 3)).astype(np.float32)
    path, _ = stamp_pickle(folder / name, images=images, labels=np.zeros(len(rows), int), metadata=rows)
    return path.rename(folder / f"{name}.pkl")


@pytest.mark.slow
def test_metadata_of_several_types_are_all_kept(tmp_path, pool):
    """Numbers become those that hold all, and texts as long as the longest, wherever the first one stands."""
    name = "ZTF-long-object-name-1"
    first = [{"candid": 1, "objectId": "ZTF0", "ndethist": 3, "rb": 1, "name": "ab", "large": 2**60}]
    second = [
        {"candid": 2, "objectId": name, "ndethist": 2.75, "rb": 0.7, "name": "abcdef", "large": 2**62},
        {"candid": 3, "objectId": "Z", "ndethist": np.nan, "rb": 0, "name": "", "large": 1},
    ]
    expected = {
        1: (b"ZTF0", 3, 1, b"ab", 2**60),
        2: (name.encode(), 2.75, 0.7, b"abcdef", 2**62),
        3: (b"Z", np.nan, 0, b"", 1),
    }
    sources = [described(tmp_path, name, rows) for name, rows in (("a", first), ("bb", second))]
    contents = []
    for processes in (None, pool):
        for order in (sources, sources[::-1]):
            pack(STAMPS, order, tmp_path / "out.h5", executor=processes)
            with open_dataset(tmp_path / "out.h5") as data:
                rows = {row["candid"]: row.item()[1:] for row in data.metadata[:]}
                for candid, row in expected.items():
                    np.testing.assert_equal(rows[candid], row)
                assert data.metadata.dtype["large"] == np.int64
                assert data.case_ids() == [str(row["candid"]) for row in data.metadata[:]]
            contents.append((tmp_path / "out.h5").read_bytes())
            assert set(data.columns) == {"case_id", "group", "images", "labels", "metadata"}
    assert contents[:2] == contents[2:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (1.5, "text", "metadata 'x' must be of one kind everywhere, .*, got float64 before and |S4 now"),
        ("one", 2, "metadata 'x' must be of one kind everywhere, .*, got |S3 before and int64 now"),
        (2**53 + 1, 0.5, "metadata 'x' has whole numbers beyond 9,007,199,254,740,992, got int64 that"),
        (0.5, -(2**53) - 1, "metadata 'x' has whole numbers beyond 9,007,199,254,740,992, got int64 that"),
    ],
)
def test_metadata_that_no_type_holds_are_refused(tmp_path, before, now, words):
    sources = [described(tmp_path, "a", [{"candid": 1, "x": before}]),
               described(tmp_path, "bb", [{"candid": 2, "x": now}])]  # fmt: skip
    with pytest.raises(DataError, match=rf"bb\.pkl: {words.replace('|', '[|]')}"):
        pack(STAMPS, sources, tmp_path / "out.h5", skip_damaged=True)
    assert not (tmp_path / "out.h5").exists()


def test_a_thousand_that_were_left_out_are_named_in_the_file(tmp_path):
    names = [f"{index:0100d}" for index in range(1200)]
    images = [np.zeros((63, 63, 3), np.float32)] + [np.zeros((63, 9, 3), np.float32)] * 1200
    metadata = np.array([("1",), *((name,) for name in names)], [("candid", "S100")])
    path, _ = stamp_pickle(tmp_path, images=images, labels=np.zeros(1201, int), metadata=metadata)
    pack(STAMPS, [path], tmp_path / "out.h5")
    with open_dataset(tmp_path / "out.h5") as data:
        assert data.source["left_out"] == 1200
        assert data.source["left_out_first"] == [name[:64] for name in names[:1000]]


@pytest.mark.slow
@pytest.mark.parametrize(("letter", "kept"), [("s", 60), ("\N{GRINNING FACE}", 28)])
def test_a_file_of_many_sources_can_be_opened(tmp_path, members, letter, kept):
    """The names of all would be longer than what a file may say of its source."""
    sources = [write_tar(tmp_path / "maps.tar", members)]
    for number in range(1500):
        folder = tmp_path / f"{number:04d}{letter * (240 // len(letter.encode()))}"
        folder.mkdir()
        (folder / f"{number}_1.npy").write_bytes(b"damaged")
        sources.append(folder)
    out, result = packed(tmp_path, sources, skip_damaged=True)
    names = [f"{number:04d}{letter * kept}" for number in range(1000)]
    with open_dataset(out) as data:
        assert (data.source["packed"], data.source["packed_count"]) == (["maps.tar", *names[:999]], 1501)
        assert (data.source["left_out_first"], len(result.left_out)) == (names, 1500)
    packed(tmp_path, sources[:1000], skip_damaged=True)
    with open_dataset(out) as data:
        assert (data.source["packed"], "packed_count" in data.source) == (["maps.tar", *names[:999]], False)


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


def archives(folder, changes=None):
    """Four archives: twins apart, some in another order, one beside other files."""
    members = map_members(clusters=4) | {"1/README": b"hello", "1/KAPPA/1.npy": b"no case"} | (changes or {})
    names = list(members)
    parts = [
        [name for name in names if "EPSILON/00001_" in name],
        [name for name in reversed(names) if "/00002_" in name or "/00003_" in name],
        [name for name in names if "KAPPA/00001_" in name or "/00004_" in name],
    ]
    parts.append([name for name in names if not any(name in part for part in parts)])
    return [
        write_tar(folder / f"{number}.tar", {name: members[name] for name in part}, "w")
        for number, part in enumerate(parts, 1)
    ]


def both_ways(sources, pool, tmp_path, **options):
    """Packed here, and by processes."""
    results = []
    for name, processes in (("here", None), ("there", pool)):
        (tmp_path / name).mkdir()
        results.append(pack(MASS_MAPPING, sources, tmp_path / name / "out.h5", executor=processes, **options))
        assert [path.name for path in (tmp_path / name).iterdir()] == ["out.h5"]
    return results


def test_the_file_is_the_same(tmp_path, pool):
    here, there = both_ways(archives(tmp_path), pool, tmp_path)
    assert (tmp_path / "here/out.h5").read_bytes() == (tmp_path / "there/out.h5").read_bytes()
    assert here.cases == there.cases == 8
    assert here.ignored == there.ignored == ["1/README", "1/KAPPA/1.npy"]
    with open_dataset(tmp_path / "there/out.h5") as data:
        assert data.role == "full"


def test_what_is_left_out_is_the_same(tmp_path, pool, monkeypatch):
    damage = {"1/KAPPA/00003_00001.npy": b"broken", "2/KAPPA/00004_00002.npy": b"", "1/KAPPA/9_9.npy": b""}
    sources = archives(tmp_path, damage)
    sources.append(tmp_path / "cut.tar")
    sources[-1].write_bytes(sources[0].read_bytes()[:200_000])  # repeats a case, and ends in the next
    sources.append(tmp_path / "none.tar")
    monkeypatch.chdir(tmp_path)
    sources = [source.relative_to(tmp_path) for source in sources]
    here, there = both_ways(sources, pool, tmp_path, skip_damaged=True)
    assert (tmp_path / "here/out.h5").read_bytes() == (tmp_path / "there/out.h5").read_bytes()
    assert [name for name, _ in here.left_out] == [name for name, _ in there.left_out]
    assert len(here.left_out) >= 5
    assert here.cases == 7


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1/KAPPA/00002_00002.npy", ["2.tar", "1/KAPPA/00002_00002.npy", "np.save"]),
        ("again/EPSILON/00001_00001.npy", ["1.tar", "again/EPSILON/00001_00001.npy", "np.save"]),
        ("1/KAPPA/7_7.npy", ["4.tar", "1/KAPPA/7_7.npy", "np.save"]),
    ],
)
def test_the_first_damage_is_the_error(tmp_path, pool, name, words):
    sources, messages = archives(tmp_path, {name: b"broken"}), []
    before = sorted(tmp_path.iterdir())
    for processes in (None, pool):
        with pytest.raises(DataError) as error:
            pack(MASS_MAPPING, sources, tmp_path / "out.h5", executor=processes)
        messages.append(str(error.value))
        assert all(word in messages[-1] for word in words)
    assert messages[0] == messages[1]
    assert sorted(tmp_path.iterdir()) == before


def test_a_case_in_two_archives_is_named_with_the_second(tmp_path, pool):
    sources = archives(tmp_path)
    sources.append(write_tar(tmp_path / "5.tar", {"5/KAPPA/00002_00001.npy": b""}, "w"))
    members = map_members(clusters=2)
    write_tar(sources[-1], {"5/KAPPA/00002_00001.npy": members["1/KAPPA/00002_00001.npy"]}, "w")
    for processes in (None, pool):
        with pytest.raises(DataError, match=r"5\.tar: 5/KAPPA/00002_00001\.npy: case .* comes twice"):
            pack(MASS_MAPPING, sources, tmp_path / "out.h5", executor=processes)


def test_odd_names_come_back_from_a_shard(tmp_path, pool):
    odd = "1/KAPPA/\udce9\n.npy"
    members = map_members(clusters=1) | {odd: b"", "1/KAPPA/2_2.npy": b"\x93"}
    sources = [write_tar(tmp_path / "a.tar", members), *archives(tmp_path)[1:2]]
    here, there = both_ways(sources, pool, tmp_path, skip_damaged=True)
    assert odd in here.ignored
    assert here == there


def test_a_shard_that_was_read_takes_no_room(tmp_path, members):
    source = write_tar(tmp_path / "a.tar", members)
    shard = write_shard((Task(MASS_MAPPING.sources, source, None, False), tmp_path / "0"))
    assert len(list(read_shard(shard))) == len(members)
    assert list(tmp_path.iterdir()) == [source]


def test_a_disk_that_is_not_shared_is_told_of(tmp_path):
    with pytest.raises(DataError, match="a folder that all workers share"):
        write_shard((Task(MASS_MAPPING.sources, tmp_path, None, False), tmp_path / "elsewhere/shard"))


@pytest.mark.parametrize("suffix", [".npy", ""])
@pytest.mark.parametrize(("files", "more"), [(1, ""), (3, ""), (4, " …")])
def test_three_files_are_named_where_none_is_a_case(tmp_path, files, more, suffix):
    """Whether by their names they might be cases, or not."""
    names = [f"1/a{number}{suffix}" for number in range(files)]
    archive = write_tar(tmp_path / "a.tar", dict.fromkeys(names, b"text"), "w")
    said = ", ".join(names[:3]) + more
    with pytest.raises(DataError, match=rf"directly, got (a tar archive with )?{re.escape(said)}$"):
        pack(MASS_MAPPING, [archive], tmp_path / "out.h5")
