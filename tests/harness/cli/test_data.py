"""The commands that make, pack, describe and split data."""

import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
import time

import h5py
import numpy as np
import pytest

from harness.data.simulate.dataset import simulate
from harness.tracks import MASS_MAPPING

pytestmark = pytest.mark.slow


def test_workers_do_not_change_the_data(run, tmp_path):
    for workers in (1, 2, 3):
        run("simulate", "mass-mapping", tmp_path / f"{workers}.h5", "--cases", 200, "--workers", workers)
    simulate(MASS_MAPPING, tmp_path / "none.h5", 200)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_inspect_knows_every_file(run, zeros, maps, stamps, tmp_path):
    run("score", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", tmp_path / "card.json")
    run("leaderboard", zeros / "zeros.zip", "--truth", maps / "test-truth.h5", "--out", tmp_path / "board")
    kinds = {
        maps / "data.h5": "dataset",
        stamps / "test-truth.h5": "dataset",
        zeros / "zeros.zip": "submission",
        zeros / "run": "run",
        tmp_path / "card.json": "score",
        tmp_path / "board/leaderboard.json": "leaderboard",
    }
    for path, kind in kinds.items():
        assert json.loads(run("inspect", path, "--json").stdout)["kind"] == kind
        assert kind in run("inspect", path).stdout


def test_options_come_from_the_tracks(run, tmp_path):
    words = ("simulate", "mass-mapping", tmp_path / "a.h5", "--cases", 3)
    run(*words, "--noise", "dense", "--boundary", "field", "--spectrum", "challenge")
    source = json.loads(run("inspect", tmp_path / "a.h5", "--json").stdout)["source"]
    expected = {"noise": "dense", "boundary": "field", "spectrum": "challenge"}
    assert expected.items() <= source["simulated"].items()
    assert "no noise 'loud'; there are: sparse, dense" in run(*words, "--noise", "loud", status=2).stderr
    words = ("simulate", "stamps", tmp_path / "b.h5", "--cases", 3, "--noise", "dense")
    assert "--noise must be left out: stamps has no such option" in run(*words, status=2).stderr
    assert not (tmp_path / "b.h5").exists()


def test_wrong_files_and_wrong_usage(run, maps, tmp_path):
    run("simulate", "no-such-track", tmp_path / "a.h5", "--cases", 3, status=2)
    run("split", maps / "test-truth.h5", tmp_path / "parts", status=1)
    run("inspect", __file__, status=1)
    assert not any(tmp_path.iterdir())


def long_archive(path):
    """A map, and then files of 10 GB in all, of which only a few MB are on the disk."""
    content = io.BytesIO()
    np.save(content, np.zeros((3, 128, 128), np.float16))
    blocks = []
    for name, data in (("1/EPSILON/1_1.npy", content.getvalue()), ("notes.txt", bytes(1 << 24))):
        member = tarfile.TarInfo(name)
        member.size = len(data)
        blocks.append(gzip.compress(member.tobuf() + data + bytes(-len(data) % 512), 1))
    path.write_bytes(blocks[0] + 640 * blocks[1])


def long_data_set(path):
    """20,000 maps of zeros, 2.6 GB, of which only a few kB are on the disk."""
    with h5py.File(path, "w") as file:
        numbers = np.arange(20_000)
        file["case_id"], file["group"] = np.char.mod("%d_1", numbers).astype("S64"), numbers.astype(np.int32)
        space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        for name, shape in (("epsilon", (20_000, 128, 128, 3)), ("kappa", (20_000, 128, 128))):
            kind = h5py.h5t.py_create(np.dtype(np.float16))
            h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape), space)
        attributes = {"schema": "astroboard-dataset/1", "track": "mass-mapping", "role": "full"}
        file.attrs.update(attributes | {"fingerprint": "", "source": "{}"})


LONG = {
    "simulate": "simulate mass-mapping OUT/a.h5 --cases 100000 --workers 1",
    "simulate with processes": "simulate mass-mapping OUT/a.h5 --cases 100000 --workers 2",
    "pack": "pack long.tar.gz OUT/a.h5 --track mass-mapping",
    "pack with processes": "pack long.tar.gz again.tar.gz OUT/a.h5 --track mass-mapping --workers 2",
    "split": "split long.h5 OUT",
}


@pytest.mark.parametrize("name", LONG)
def test_sigterm_leaves_nothing_half_written(tmp_path, name):
    if "pack" in name:
        long_archive(tmp_path / "long.tar.gz")
        (tmp_path / "again.tar.gz").hardlink_to(tmp_path / "long.tar.gz")
    elif name == "split":
        long_data_set(tmp_path / "long.h5")
    (tmp_path / "OUT").mkdir()
    command = [sys.executable, "-c", "from harness.cli import main; main()", *LONG[name].split()]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "OUT").rglob(".*.part")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
    assert not list((tmp_path / "OUT").iterdir())
