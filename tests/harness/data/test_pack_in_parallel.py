"""Packing several archives at once: the same file, findings and errors as one after another."""

import pytest

from harness.data.pack import Task, pack, write_shard
from harness.data.store import DataError, open_dataset
from harness.parallel import executor
from harness.tracks import MASS_MAPPING
from tests.harness.data.conftest import map_members, write_tar


@pytest.fixture(scope="module")
def pool():
    with executor(2) as processes:
        yield processes


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


def test_a_disk_that_is_not_shared_is_told_of(tmp_path):
    with pytest.raises(DataError, match="a folder that all workers share"):
        write_shard(Task(MASS_MAPPING.sources, tmp_path, tmp_path / "elsewhere/shard", None, False))
