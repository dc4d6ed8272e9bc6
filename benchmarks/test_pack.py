"""Packing an archive of the challenge against unpacking it with ``tar``, to the same disk."""

import shutil
import subprocess

import h5py
import numpy as np
import pytest

from harness.data.pack import pack
from harness.data.simulate.dataset import simulate
from harness.parallel import executor
from harness.tracks import MASS_MAPPING

CASES = 4000


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Simulated cases under sparse noise as the organisers lay them out, made by ``tar`` itself."""
    folder = tmp_path_factory.mktemp("archive")
    with executor() as pool:
        simulate(MASS_MAPPING, folder / "data.h5", CASES, executor=pool)
    for kind in ("EPSILON", "KAPPA"):
        (folder / "1" / kind).mkdir(parents=True)
    with h5py.File(folder / "data.h5") as file:
        for row, case_id in enumerate(file["case_id"].asstr()):
            np.save(folder / f"1/EPSILON/{case_id}.npy", np.moveaxis(file["epsilon"][row], -1, 0).copy())
            np.save(folder / f"1/KAPPA/{case_id}.npy", file["kappa"][row])
    subprocess.run(["tar", "-czf", "1.tar.gz", "1"], cwd=folder, check=True)
    shutil.rmtree(folder / "1")
    return folder / "1.tar.gz"


def test_pack(ratio, archive, tmp_path):
    out, unpacked = tmp_path / "out.h5", tmp_path / "unpacked"

    def untar():
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()
        subprocess.run(["tar", "-xzf", archive, "-C", unpacked], check=True)

    def ours():
        return pack(MASS_MAPPING, [archive], out)

    packed = ratio(f"`pack` of a .tar.gz of {CASES:,} cases", "`tar -xzf`", "≤ 1", ours, untar)
    assert packed.cases == CASES
