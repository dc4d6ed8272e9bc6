"""Input files of a small competition of each track, made of integers alone.

They are written with h5py, zipfile and NumPy, not with the library, and hold the same bytes on every machine:
all values are integers divided by a power of two, and the zips are not compressed.
"""

import csv
import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

SIZE = 128
CLASSES = ("AGN", "SN", "VS", "asteroid", "bogus")
VERSIONS = {"python": "3.11.0", "numpy": "2.0.0"}
DATE = (2026, 1, 2, 3, 4, 6)


def write_maps(folder: Path) -> None:
    """A mass-mapping competition: 24 maps of 8 clusters, submissions, and maps to pack."""
    folder.mkdir()
    rng = np.random.default_rng(20260101)
    case_ids = [f"{cluster:05d}_{crop:05d}" for cluster in range(1, 9) for crop in range(3)]
    truth = np.stack([_blobs(rng) for _ in case_ids])
    shapes = rng.integers(-400, 401, (len(truth), SIZE, SIZE, 2))
    flag = rng.integers(0, 5, (len(truth), SIZE, SIZE, 1)) * 256
    columns = {
        "case_id": np.array(case_ids, "S64"),
        "group": np.array([int(name[:5]) for name in case_ids], np.int32),
    }
    images = {"epsilon": _scaled(np.concatenate([shapes, flag], axis=-1))}
    kappa = {"kappa": _scaled(truth)}
    _write_dataset(folder / "data.h5", "mass-mapping", "full", columns | images | kappa)
    _write_dataset(folder / "test-inputs.h5", "mass-mapping", "inputs", columns | images)
    _write_dataset(folder / "test-truth.h5", "mass-mapping", "truth", columns | kappa)
    _write_map_submissions(folder, case_ids, truth, rng)
    _write_map_sources(folder / "sources", images["epsilon"], kappa["kappa"])


def _blobs(rng: np.random.Generator) -> np.ndarray:
    """A convergence map (128, 128) in units of 1/1024: noise, four round peaks, and a corner of zeros."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    values = 2 * rng.integers(-20, 20, (SIZE, SIZE)) + 1
    heights = 250 + 170 * np.arange(4) + rng.integers(0, 60, 4)
    for height, (row, column) in zip(heights, rng.integers(15, SIZE - 15, (4, 2)), strict=True):
        distance = (rows - row) ** 2 + (columns - column) ** 2
        values += np.maximum(0, height * (150 - distance) // 150)
    values[:2, :2] = 0
    return values


def _write_map_submissions(
    folder: Path, case_ids: list[str], truth: np.ndarray, rng: np.random.Generator
) -> None:
    """Two seeds of one method, two other methods, one zip with cases missing, one made by ``zip -r``."""
    for seed in range(2):
        noisy = truth + rng.integers(-90, 91, truth.shape)
        files = _map_files("alpha", case_ids, noisy)
        _write_zip(folder / f"alpha-{seed}.zip", files, _manifest("mass-mapping", "Alpha", "noisy", seed))
    moved = np.roll(truth, (2, 1), axis=(1, 2)) // 2
    files = _map_files("beta", case_ids, moved)
    _write_zip(folder / "beta.zip", files, _manifest("mass-mapping", "Béta <b>", "half & moved", None))
    flat = np.minimum(truth, 200) + rng.integers(-30, 31, truth.shape)
    files = _map_files("delta", case_ids, flat)
    _write_zip(folder / "delta.zip", files, _manifest("mass-mapping", "Delta", "flat", 3))

    files = _map_files("broken", case_ids, moved)
    for name in case_ids[4:7]:
        del files[f"broken/{name}.npy"]
    files["broken/unknown.npy"] = _npy(_scaled(moved[0]))
    files[f"broken/{case_ids[0]}.npy"] = _npy(_scaled(moved[0, 1:]))
    _write_zip(folder / "broken.zip", files, _manifest("mass-mapping", "Broken", "missing", 0))

    blurred = (truth + np.roll(truth, 9, axis=1)) // 2
    files = {"gamma/": b"", "gamma/.DS_Store": b"junk"} | _map_files("gamma", case_ids, blurred)
    _write_zip(folder / "gamma.zip", files)


def _map_files(team: str, case_ids: list[str], values: np.ndarray) -> dict[str, bytes]:
    return {f"{team}/{name}.npy": _npy(_scaled(one)) for name, one in zip(case_ids, values, strict=True)}


def _write_map_sources(folder: Path, epsilon: np.ndarray, kappa: np.ndarray) -> None:
    """A folder as the challenge's archives hold it: five cases, one of them without its truth."""
    for kind in ("EPSILON", "KAPPA"):
        (folder / kind).mkdir(parents=True)
    for number in range(5):
        name = f"{number // 2 + 1}_{number}.npy"
        channels_first = np.ascontiguousarray(np.moveaxis(epsilon[number], -1, 0))
        (folder / "EPSILON" / name).write_bytes(_npy(channels_first))
        if number < 4:
            (folder / "KAPPA" / name).write_bytes(_npy(kappa[number]))
    (folder / "notes.txt").write_text("no case\n")


def write_stamps(folder: Path) -> None:
    """A stamps competition: 60 alerts of 20 objects, submissions, and a pickle to pack."""
    folder.mkdir()
    rng = np.random.default_rng(20260202)
    groups = np.repeat(np.arange(20), 3)
    labels = (groups % 5).astype(np.int8)
    case_ids = [str(7_000_000_000_000_000_000 + 17 * row) for row in range(len(labels))]
    columns = {"case_id": np.array(case_ids, "S64"), "group": groups.astype(np.int32)}
    images = {"images": _stamps(rng, labels), "metadata": _metadata(rng, case_ids, groups)}
    truth = {"labels": labels}
    _write_dataset(folder / "data.h5", "stamps", "full", columns | images | truth)
    _write_dataset(folder / "test-inputs.h5", "stamps", "inputs", columns | images)
    _write_dataset(folder / "test-truth.h5", "stamps", "truth", columns | truth)
    _write_stamp_submissions(folder, case_ids, labels, rng)
    _write_pickle(folder / "alerts.pkl", images["images"][:12], labels[:12], images["metadata"][:12])


def _stamps(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Images (n, 63, 63, 3) with a square whose brightness tells the class, and a few NaN pixels."""
    images = rng.integers(0, 64, (len(labels), 63, 63, 3)).astype(np.float32) / 8
    images[:, 28:35, 28:35] += 4 * labels[:, None, None, None]
    images[::7, 0, :5] = np.nan
    return images


def _metadata(rng: np.random.Generator, case_ids: list[str], groups: np.ndarray) -> np.ndarray:
    fields = [("candid", np.int64), ("objectId", "S12"), ("sgscore1", np.float32), ("ndethist", np.int32)]
    table = np.zeros(len(groups), fields)
    table["candid"] = [int(name) for name in case_ids]
    table["objectId"] = [f"ZTF26object{chr(ord('a') + group)}".encode() for group in groups]
    table["sgscore1"] = rng.integers(0, 65, len(groups)) / 64
    table["ndethist"] = rng.integers(1, 40, len(groups))
    return table


def _write_stamp_submissions(
    folder: Path, case_ids: list[str], labels: np.ndarray, rng: np.random.Generator
) -> None:
    """Two methods and one table with faults."""
    good = _probabilities(rng, labels, 60)
    table = _csv(case_ids, good)
    files = {"predictions.csv": table.encode()}
    _write_zip(folder / "alpha.zip", files, _manifest("stamps", "Alpha", "careful", 1))
    poor = _csv(case_ids[::-1], _probabilities(rng, labels, 30)[::-1])
    _write_zip(folder / "beta.zip", {"beta/predictions.csv": poor.encode()})
    lines = table.splitlines()
    lines[3] = lines[3].replace(",0.", ",1.")
    faulty = "\n".join([*lines[:40], lines[5], "nobody,1,0,0,0,0", "short,1"]) + "\n"
    files = {"predictions.csv": faulty.encode()}
    _write_zip(folder / "broken.zip", files, _manifest("stamps", "Broken", "faults", 0))


def _probabilities(rng: np.random.Generator, labels: np.ndarray, bonus: int) -> np.ndarray:
    """Probabilities (n, 5) in units of 1/1024, higher for the true class by a bonus."""
    weights = rng.integers(1, 101, (len(labels), len(CLASSES)))
    weights[np.arange(len(labels)), labels] += bonus
    parts = weights * 1024 // weights.sum(axis=1, keepdims=True)
    parts[np.arange(len(labels)), parts.argmax(axis=1)] += 1024 - parts.sum(axis=1)
    return parts


def _csv(case_ids: list[str], parts: np.ndarray) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["case_id", *CLASSES])
    table.writerows(
        [name, *(int(one) / 1024 for one in row)] for name, row in zip(case_ids, parts, strict=True)
    )
    return text.getvalue()


def _write_pickle(path: Path, images: np.ndarray, labels: np.ndarray, metadata: np.ndarray) -> None:
    """The challenge's dictionary; the last alert is cut off by the edge of the detector."""
    names = metadata.dtype.names or ()
    rows = [{name: row[name].item() for name in names} for row in metadata]
    rows = [row | {"objectId": row["objectId"].decode()} for row in rows]
    content = {
        "images": [*images[:-1], images[-1, :, :40].copy()],
        "labels": labels.astype(np.int64),
        "metadata": rows,
    }
    path.write_bytes(pickle.dumps(content, protocol=4))


def _write_dataset(path: Path, track: str, role: str, columns: Mapping[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, track_times=False)
        attributes = {"schema": "astroboard-dataset/1", "track": track, "role": role}
        file.attrs.update(attributes | {"fingerprint": f"golden {track}", "source": '{"made_by": "hand"}'})


def _manifest(track: str, team: str, method: str, seed: int | None) -> dict:
    return {
        "schema": "astroboard-submission/1",
        "track": track,
        "team": team,
        "method": method,
        "dataset_fingerprint": f"golden {track}",
        "seed": seed,
        "versions": VERSIONS,
        "hardware": "abacus",
        "seconds": 1.5,
    }


def _write_zip(path: Path, files: Mapping[str, bytes], manifest: dict | None = None) -> None:
    """A zip of files; its manifest gets the SHA-256 of each."""
    contents = dict(files)
    if manifest is not None:
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        contents["manifest.json"] = json.dumps(manifest | {"files": digests}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            info = zipfile.ZipInfo(name, DATE)
            info.create_system, info.external_attr = 3, (0o40755 if name.endswith("/") else 0o100644) << 16
            archive.writestr(info, data)


def _scaled(values: np.ndarray) -> np.ndarray:
    return (values / 1024).astype(np.float16)


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, values)
    return buffer.getvalue()
