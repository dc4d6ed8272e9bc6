"""Which HDF5 files are opened in a child process first."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from harness import child
from harness.data import screening
from harness.data.store import DataError, create, open_dataset
from harness.schemas import DATASET
from harness.tracks import STAMPS


@pytest.fixture
def children(tmp_path, monkeypatch):
    """A cache folder of its own, and the paths that children are started for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(screening, "_known", set())
    started, items = [], child.items

    def counted(function, path, *limits):
        started.append(path.name)
        return items(function, path, *limits)

    monkeypatch.setattr(child, "items", counted)
    return started


def write(path):
    with create(path, STAMPS, "truth", {}) as writer:
        writer.append(["a", "b"], [0, 1], labels=np.zeros(2, np.int8))


def open_it(path):
    with open_dataset(path) as data:
        return data.case_ids()


def test_what_this_package_wrote_is_known_here_and_to_later_processes(tmp_path, children):
    write(tmp_path / "own.h5")
    assert open_it(tmp_path / "own.h5") == ["a", "b"]
    screening._known.clear()  # as a later process begins
    (tmp_path / "own.h5").rename(tmp_path / "renamed.h5")
    open_it(tmp_path / "renamed.h5")
    assert children == []


@pytest.mark.slow
def test_what_others_bring_or_change_is_walked_once(tmp_path, children):
    write(tmp_path / "own.h5")
    (tmp_path / "brought.h5").write_bytes((tmp_path / "own.h5").read_bytes())
    for _ in range(3):
        open_it(tmp_path / "brought.h5")
        screening._known.clear()
    with h5py.File(tmp_path / "own.h5", "r+") as file:
        file["labels"][0] = 1
    open_it(tmp_path / "own.h5")
    assert children == ["brought.h5", "own.h5"]


@pytest.mark.slow
def test_without_a_folder_for_notes_every_process_screens(tmp_path, children, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    write(tmp_path / "own.h5")
    screening._known.clear()
    for _ in range(2):
        open_it(tmp_path / "own.h5")
    assert children == ["own.h5"]


def test_notes_begin_anew_when_there_are_too_many(tmp_path, children, monkeypatch):
    monkeypatch.setattr(screening, "MAX_NOTES", 200)
    for number in range(20):
        write(tmp_path / f"{number}.h5")
    assert screening._notes().stat().st_size < 300
    screening._known.clear()
    open_it(tmp_path / "19.h5")
    assert children == []


@pytest.mark.slow
def test_a_byte_that_makes_hdf5_loop_is_refused_and_ctrl_c_is_heard(tmp_path, children):
    """An object of no length in the heap that keeps texts of attributes: the library never gets past it."""
    write(tmp_path / "own.h5")
    data = bytearray((tmp_path / "own.h5").read_bytes())
    heap = data.index(b"GCOL")
    first = 16 + int.from_bytes(data[heap + 24 : heap + 32], "little")
    size = heap + 16 + 8 + (first + 7) // 8 * 8  # of its second object
    assert data[size] == len("stamps")
    data[size : size + 8] = (-16 % 2**64).to_bytes(8, "little")
    (tmp_path / "endless.h5").write_bytes(data)
    with pytest.raises(DataError, match=r"endless\.h5: it must be read within 2 seconds, got no end"):
        open_it(tmp_path / "endless.h5")
    assert children == ["endless.h5"]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "shape", "beyond"), [("<f4", (63, 63, 3), 1), ("i1", (), 1 << 40)])
def test_values_beyond_the_end_of_the_file_are_found_at_the_first_opening(tmp_path, dtype, shape, beyond):
    """The address of a chunk is in an index, here in the oldest layout, which has no checksum."""
    path, name = tmp_path / "old.h5", "images" if shape else "labels"
    with h5py.File(path, "w", libver="earliest") as file:
        file["case_id"], file["group"] = np.array([b"a", b"b"], "S8"), np.arange(2, dtype="i4")
        column = file.create_dataset(name, data=np.ones((2, *shape), dtype), chunks=(1, *shape))
        texts = {"schema": DATASET, "track": "stamps", "role": "full", "fingerprint": "f", "source": "{}"}
        file.attrs.update(texts)
        chunk = column.id.get_chunk_info(1)
        address = chunk.byte_offset
    assert open_it(path) == ["a", "b"]
    data = path.read_bytes()
    assert data.count(address.to_bytes(8, "little")) == 1
    moved = len(data) - chunk.size + beyond
    path.write_bytes(data.replace(address.to_bytes(8, "little"), moved.to_bytes(8, "little")))
    with pytest.raises(DataError, match=rf"old\.h5.*({name} has values beyond the end|addr overflow)"):
        open_it(path)


@pytest.mark.slow
def test_a_column_that_cannot_be_read_is_found_at_the_first_opening(tmp_path):
    """It was never written, and the message (5) that would say with what it is filled is damaged."""
    path = tmp_path / "old.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file["case_id"], file["group"] = np.array([b"a", b"b"], "S8"), np.arange(2, dtype="i4")
        column = file.create_dataset("labels", (2,), "i1", chunks=(1,))
        texts = {"schema": DATASET, "track": "stamps", "role": "full", "fingerprint": "f", "source": "{}"}
        file.attrs.update(texts)
        header = h5py.h5o.get_info(column.id).addr
    data = bytearray(path.read_bytes())
    data[data.index(b"\5\0", header + 16)] = 255  # behind the prefix
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"old\.h5 cannot be read as a data set: .*no data can be read"):
        open_it(path)


@pytest.mark.slow
def test_scoring_does_not_wait_for_a_child(tmp_path):
    """The command line starts none for a data set that a command before it wrote."""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    code = (
        "from pathlib import Path; from harness.data.store import *; from harness.data import screening\n"
        "import harness.child as child; child.items = None\n"
        "with open_dataset(Path('own.h5')) as data: print(len(data))"
    )
    written = (
        "from pathlib import Path; import numpy as np; from harness.data.store import create\n"
        "from harness.tracks import STAMPS\n"
        "with create(Path('own.h5'), STAMPS, 'truth', {}) as writer:\n"
        "    writer.append(['a'], [0], labels=np.zeros(1, 'i1'))"
    )
    for script in (written, code):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
