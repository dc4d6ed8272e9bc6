"""The maps as the challenge hands them out, in tar or zip archives or folders.

``EPSILON/<cluster>_<crop>.npy`` holds the ellipticities, float16 (3, 128, 128), and
``KAPPA/<cluster>_<crop>.npy`` the convergence, float16 (128, 128). The two of a case may lie anywhere. Maps
in neither of these folders, as those of a test set, are what their shape says.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from harness.data.sources.base import Cases, Problem
from harness.data.sources.tar_members import files, names
from harness.data.store import DataError
from harness.tracks import MASS_MAPPING
from submissions import SubmissionError
from submissions.npy import read_npy

EXPECTED = (
    "a .tar, .tar.gz, .tar.bz2, .tar.xz, .zip or folder of EPSILON/<cluster>_<crop>.npy (3, 128, 128) and "
    "KAPPA/<cluster>_<crop>.npy (128, 128), or of <cluster>_<crop>.npy directly"
)
MEMBER = re.compile(r"((?:.*/)?)([0-9]{1,9})_([0-9]{1,9})\.npy", re.DOTALL)
FOLDER = re.compile(r"(?:^|/)(EPSILON|KAPPA)(?=/)", re.IGNORECASE)
SHAPES = {"EPSILON": (3, 128, 128), "KAPPA": (128, 128)}
NOT_FINITE = 0x7C00  # the bits of a float16 that are all set in NaN and infinity
COLUMNS = {"EPSILON": MASS_MAPPING.inputs, "KAPPA": MASS_MAPPING.truth}


def matches(path: Path) -> bool:
    """Whether there are arrays; packing lists those that are no maps by their names."""
    return any(name.endswith(".npy") for name in names(path))


def read(path: Path, labels: Mapping[str, int] | None = None) -> Iterator[Cases | Problem]:
    """One map after another, in the order of the archive."""
    if labels is not None:
        raise DataError(f"{path} has maps, got labels for them; leave --labels out")
    for name, data in files(path, ".npy"):
        match = MEMBER.fullmatch(name)
        if not isinstance(data, bytes):
            yield Problem(name, data)
        elif not match:
            yield Problem(name)
        else:
            folder, cluster, crop = match.groups()
            kinds = FOLDER.findall(folder)
            try:
                kind = kinds[-1].upper() if kinds else _kind(data)
                column = {COLUMNS[kind].name: _values(data, kind)[None]}
                yield Cases([f"{cluster}_{crop}"], [int(cluster)], column, name)
            except (DataError, SubmissionError) as error:
                yield Problem(name, DataError(f"{path}: {name}: {error}"))


def _kind(data: bytes) -> str:
    """What a map is by its shape alone; what is neither is to be refused as ellipticities."""
    with suppress(SubmissionError):
        read_npy(data, SHAPES["KAPPA"])
        return "KAPPA"
    return "EPSILON"


def _values(data: bytes, kind: str) -> np.ndarray:
    """The values of a map as the data set stores them, channels last."""
    values = read_npy(data, SHAPES[kind])
    if values.dtype.newbyteorder("=") != np.float16:
        raise DataError(f"it must be float16, got {values.dtype}")
    values = values.astype(np.float16, copy=False)
    # On the bits this takes less than half the time of np.isfinite, which has no fast float16.
    if (values.view(np.uint16) & NOT_FINITE).max() == NOT_FINITE:
        raise DataError("it must be finite, got NaN or infinite values")
    if kind == "KAPPA":
        return values
    stored = np.empty(COLUMNS[kind].shape, np.float16)
    for channel, plane in enumerate(values):  # plane by plane takes a sixth of the time of moveaxis
        stored[..., channel] = plane
    return stored
