"""Which source reads a path: by its content, in the order of the track."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import sys
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from harness.data.pack import pack
from harness.data.sources import alert_pickle, avro_alerts, map_archives
from harness.data.sources.base import Problem, description, find_source, read_source
from harness.data.store import DataError, open_dataset
from harness.tracks import MASS_MAPPING, STAMPS, Track
from tests.harness.data.conftest import map_members, npy, write_tar
from tests.harness.data.sources.avro import packet

BOTH = (*STAMPS.sources, *MASS_MAPPING.sources)
THEIRS = """
import io
from pathlib import Path
import h5py
import numpy as np
from harness.data.sources.base import Cases
from harness.data.sources.tar_members import members, names

EXPECTED = "a folder of .npy files"

def matches(path):
    return any(name.endswith(".npy") for name in names(path))

def read(path, labels=None):
    for name, data in members(path):
        stem = Path(name).stem
        maps = np.load(io.BytesIO(data))
        yield Cases([stem], [stem.split("-")[0]], {"kappa": maps[None]}, name)
"""


@pytest.mark.parametrize("protocol", range(6))
def test_suffixes_mean_nothing(tmp_path, protocol):
    files = {
        "maps.avro": write_tar(tmp_path / "maps.avro", map_members(1, 1)),
        "packets.pkl": write_tar(tmp_path / "packets.pkl", {"1.avro": packet(1)[0]}, "w"),
        "packet.tar": tmp_path / "packet.tar",
        "alerts.tar.gz": tmp_path / "alerts.tar.gz",
    }
    files["packet.tar"].write_bytes(packet(1)[0])
    files["alerts.tar.gz"].write_bytes(pickle.dumps({"images": []}, protocol))
    files["list"] = tmp_path / "list"
    files["list"].write_bytes(pickle.dumps([1, 2], protocol))
    found = [find_source(BOTH, path) for path in files.values()]
    assert found == [map_archives, avro_alerts, avro_alerts, alert_pickle, alert_pickle]


def zip_of_one():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("1/EPSILON/1_1.npy", bytes(1000))
    return content.getvalue()


def tar_of_a_folder():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        folder = tarfile.TarInfo("night")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "got nothing: it does not exist"),
        (b"", "got an empty file"),
        (b"text", "got a text that starts with text"),
        (b"(a pickle begins so", r"got a text that starts with \(a"),
        (b"A pickle ends so.", "got a text that starts with A"),
        (b"\x1f\x8b", "got a gzip file"),
        (gzip.compress(b"Obj\x01", mtime=0), "got a gzip file of an Avro file; unpack it with gzip -d"),
        (bz2.compress(pickle.dumps([])), "got a bzip2 file of a pickle; unpack it with bzip2 -d"),
        (lzma.compress(b"PAR1"), "got an xz file of a Parquet file; unpack it with xz -d"),
        (npy(np.zeros(3)), r"got a NumPy array \(.npy\)"),
        (b"7z\xbc\xaf\x27\x1c", "got a 7z archive"),
        (zip_of_one()[:-30], "got a zip that cannot be read: the archive must be a zip file"),
        (b"PK\x05\x06" + bytes(18), "got an empty zip"),
        (bytes(257) + b"ustar", "got a tar archive that cannot be read: .*damaged or cut off"),
        (tar_of_a_folder(), "got a tar archive without files"),
        (b"\xff\0", "got a file of an unknown kind"),
    ],
    ids=[
        "nothing",
        "empty",
        "text",
        "mark",
        "stop",
        "gzip",
        "avro.gz",
        "pickle.bz2",
        "parquet.xz",
        "npy",
        "7z",
        "cut zip",
        "empty zip",
        "cut tar",
        "empty tar",
        "unknown",
    ],
)
def test_what_no_source_reads_is_described(tmp_path, content, words):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"file must be the challenge's pickle or ZTF.*, {words}"):
        find_source(STAMPS.sources, path)
    (problem,) = read_source(STAMPS.sources, path)
    assert (problem.name, problem.damaged) == ("file", True)
    with pytest.raises(DataError, match=r"must be a \.tar.*got (a folder with .*/file|an empty folder)"):
        find_source(MASS_MAPPING.sources, tmp_path)


def test_the_first_three_names_of_a_folder_are_told(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    for name, more in {"a": "", "b": ", x/b", "c": ", x/b, x/c", "d": ", x/b, x/c …"}.items():
        (folder / name).touch()
        assert description(folder) == f"a folder with x/a{more}"


def test_files_of_the_other_track_are_said(tmp_path):
    maps = write_tar(tmp_path / "maps.tar", map_members(1, 1), "w")
    with pytest.raises(DataError, match=r"those of another track: --track mass-mapping"):
        find_source(STAMPS.sources, maps)
    stamps = [np.zeros((63, 50, 3)), np.random.default_rng(0).random((63, 63, 3), np.float32)]
    (tmp_path / "alerts.pkl").write_bytes(pickle.dumps({"images": stamps, "labels": [1, 1]}))
    with pytest.raises(DataError, match=r"got a pickle; .*: --track stamps"):
        find_source(MASS_MAPPING.sources, tmp_path / "alerts.pkl")


def test_what_begins_a_file_matters_and_not_what_lies_in_it(tmp_path):
    (tmp_path / "file").write_bytes(b"a Obj\x01 PK\x03\x04 \x80.")
    assert not any(source.matches(tmp_path / "file") for source in (alert_pickle, avro_alerts, map_archives))


def test_a_pipe_is_called_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert description(tmp_path / "pipe") == "a pipe or a device"


@pytest.mark.slow
def test_hdf5_of_another_program_is_told_from_a_data_set(tmp_path):
    with h5py.File(tmp_path / "team.h5", "w") as file:
        file["epsilon"] = np.zeros((1, 128, 128, 3), np.float16)
    with pytest.raises(DataError, match="an HDF5 file that is no data set of astroboard; save its cases"):
        find_source(MASS_MAPPING.sources, tmp_path / "team.h5")
    with pytest.raises(DataError, match="it must be a data set of astroboard, got HDF5 of another program"):
        open_dataset(tmp_path / "team.h5").__enter__()


@pytest.mark.parametrize(("track", "name"), [(MASS_MAPPING, "maps.tar"), (STAMPS, "alerts.pkl")])
def test_labels_are_for_packets_alone(tmp_path, track, name):
    write_tar(tmp_path / "maps.tar", map_members(1, 1), "w")
    (tmp_path / "alerts.pkl").write_bytes(pickle.dumps({"images": []}))
    (problem,) = read_source(track.sources, tmp_path / name, {"1": 1})
    assert isinstance(problem, Problem)
    assert "--labels" in str(problem.error)


def test_a_source_of_theirs(tmp_path, monkeypatch):
    """A module that a track names; groups that have names are numbered as they come."""
    (tmp_path / "their_source.py").write_text(THEIRS)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "maps"
    folder.mkdir()
    for name in ("b-1", "b-2", "c-1"):
        np.save(folder / f"{name}.npy", np.full((128, 128), ord(name[0]), np.float16))
    track = Track(**vars(MASS_MAPPING) | {"sources": ("their_source",)})
    pack(track, [folder], tmp_path / "out.h5")
    del sys.modules["their_source"]
    with open_dataset(tmp_path / "out.h5") as data:
        assert (data.role, data.case_ids()) == ("truth", ["b-1", "b-2", "c-1"])
        assert data.groups().tolist() == [0, 0, 1]
        assert data.truth[:, 0, 0].tolist() == [98, 98, 99]
