"""Maps in archives, whole and damaged."""

import io
import lzma
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from harness.data.store import open_dataset
from harness.tracks import MASS_MAPPING
from tests.harness.data.conftest import npy, packed, refuses, write_tar


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.zeros((128, 127), np.float16)), ["(128, 127)", "(128, 128)"]),
        (npy(np.zeros((128, 128), np.float64)), ["float64", "float16"]),
        (npy(np.where(np.arange(128) == 5, np.inf, np.ones((128, 128))).astype(np.float16)), ["NaN"]),
        (b"not an array", ["np.save"]),
        (npy(np.zeros((128, 128), np.float16))[:-5], ["bytes"]),
        (pickle.dumps("no array at all"), ["np.save"]),
    ],
    ids=["shape", "dtype", "infinite", "text", "cut", "pickle"],
)
def test_damaged_member_is_named(tmp_path, members, content, words):
    name = "1/KAPPA/00002_00001.npy"
    archive = write_tar(tmp_path / "1.tar.gz", members | {name: content})
    refuses(tmp_path, [archive], name, "1.tar.gz", *words)


def test_object_array_is_not_unpickled(tmp_path, members):
    name = "1/EPSILON/00001_00002.npy"
    archive = write_tar(tmp_path / "1.tar", members | {name: npy(np.array([print], object))}, "w")
    refuses(tmp_path, [archive], name, "object")


@pytest.mark.parametrize(
    ("layout", "suffix"),
    [
        ("test_public/{}.npy", "tar.gz"),
        ("{}.npy", "tar"),
        ("a/b/epsilon/{}.npy", "tar.bz2"),
        ("./Epsilon/{}.npy", "tar"),
        ("mykappa/kappas/{}.npy", "zip"),
        ("{}.npy", "tar.xz"),
        ("./Epsilon/{}.npy", "zip"),
    ],
)
def test_maps_of_a_test_set_lie_anywhere_in_any_archive(tmp_path, members, layout, suffix):
    inputs = {name: data for name, data in members.items() if "EPSILON" in name}
    files = {layout.format(Path(name).stem): data for name, data in inputs.items()}
    path = tmp_path / f"test_public.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        write_tar(path, files, f"w:{suffix.partition('.')[2]}" if "." in suffix else "w")
    out, result = packed(tmp_path, [path])
    assert result.cases == 6
    with open_dataset(out) as data:
        assert data.role == "inputs"
        for row, case_id in enumerate(data.case_ids()):
            expected = np.load(io.BytesIO(members[f"1/EPSILON/{case_id}.npy"]))
            np.testing.assert_array_equal(data.inputs[row], np.moveaxis(expected, 0, -1))


def test_an_xz_file_asks_for_little_memory_wherever_it_asks(tmp_path, members):
    """A later stream, too, may ask for a dictionary of 4 GB, and fill it."""
    tar = write_tar(tmp_path / "1.tar", members, "w").read_bytes()
    first, second = (bytearray(lzma.compress(half, preset=0)) for half in (tar[: 1 << 19], tar[1 << 19 :]))
    end = 12 + 4 * (second[12] + 1)  # of the header of the block, after that of the stream
    second[second.index(b"\x21\x01", 12) + 2] = 40  # the size of the dictionary: 4 GB
    second[end - 4 : end] = zlib.crc32(second[12 : end - 4]).to_bytes(4, "little")
    (tmp_path / "1.tar.xz").write_bytes(first + second)
    assert lzma.decompress(first + second) == tar
    refuses(tmp_path, [tmp_path / "1.tar.xz"], "1.tar.xz is damaged or cut off after")


@pytest.mark.parametrize(("size", "read"), [(31, True), (32, False)])
def test_an_xz_file_may_ask_for_256_mib(tmp_path, members, size, read):
    """A dictionary of 192 MiB, or of 256 and some more for the rest."""
    content = bytearray(lzma.compress(write_tar(tmp_path / "1.tar", members, "w").read_bytes(), preset=0))
    end = 12 + 4 * (content[12] + 1)
    content[content.index(b"\x21\x01", 12) + 2] = size
    content[end - 4 : end] = zlib.crc32(content[12 : end - 4]).to_bytes(4, "little")
    (tmp_path / "1.tar.xz").write_bytes(content)
    if read:
        assert packed(tmp_path, [tmp_path / "1.tar.xz"])[1].cases == 6
    else:
        refuses(tmp_path, [tmp_path / "1.tar.xz"], "got an xz file")


def test_the_innermost_folder_says_what_a_map_is_and_the_largest_numbers_are_finite(tmp_path):
    largest = npy(np.full((128, 128), 65504, ">f2"))
    ignored = ["a/1234567890_1.npy", "a/1_1234567890.npy"]
    files = dict.fromkeys(["EPSILON/x/kappa/123456789_123456789.npy", *ignored], largest)
    out, result = packed(tmp_path, [write_tar(tmp_path / "1.tar", files)])
    assert result.ignored == ignored
    with open_dataset(out) as data:
        assert (data.role, data.case_ids()) == ("truth", ["123456789_123456789"])
        assert data.truth[:].min() == 65504


def test_convergence_without_a_folder_is_known_by_its_shape(tmp_path, members):
    files = {f"{'a' if 'EPSILON' in name else 'b'}/{Path(name).name}": data for name, data in members.items()}
    out, result = packed(tmp_path, [write_tar(tmp_path / "1.tar.gz", files)])
    with open_dataset(out) as data:
        assert (result.cases, data.role) == (6, "full")


def test_what_no_map_is_in_says_what_there_is(tmp_path):
    path = write_tar(tmp_path / "1.tar", {"maps/first.npy": npy(np.zeros((3, 128, 128), np.float16))}, "w")
    refuses(tmp_path, [path], "EPSILON/<cluster>_<crop>.npy (3, 128, 128)", "maps/first.npy")
