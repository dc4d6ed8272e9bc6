"""Archives as the challenge's organisers make them, written by the tests."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def map_members(clusters=3, crops=2, seed=0) -> dict[str, bytes]:
    """Members of a training archive by name, EPSILON first, as ``tar`` would list the two folders."""
    rng = np.random.default_rng(seed)
    epsilon, kappa = {}, {}
    for cluster in range(1, clusters + 1):
        for crop in range(1, crops + 1):
            name = f"{cluster:05d}_{crop:05d}.npy"
            epsilon[f"1/EPSILON/{name}"] = npy(rng.normal(0, 0.3, (3, 128, 128)).astype(np.float16))
            kappa[f"1/KAPPA/{name}"] = npy(rng.normal(0, 0.02, (128, 128)).astype(np.float16))
    return epsilon | kappa


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        folder = tarfile.TarInfo("1")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def members() -> dict[str, bytes]:
    return map_members()
