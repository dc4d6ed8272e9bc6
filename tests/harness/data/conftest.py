"""What the challenge's organisers hand out, written by the tests, and what packing makes of it."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from harness.data.pack import pack
from harness.data.store import DataError
from harness.tracks import MASS_MAPPING


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


def packed(tmp_path, sources, **options):
    out = tmp_path / "out.h5"
    result = pack(MASS_MAPPING, sources, out, **options)
    return out, result


def refuses(tmp_path, sources, *words, track=MASS_MAPPING):
    """Packing ends with one message that has all the words, and leaves nothing behind."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError) as error:
        pack(track, sources, tmp_path / "out.h5")
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def members() -> dict[str, bytes]:
    return map_members()
