"""A bundle of each track, and a Python that has NumPy, SciPy and h5py alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.data.store import create
from harness.tracks import MASS_MAPPING, STAMPS

DATES = ("--start", "2026-01-01", "--end", "2026-03-01 12:00:00", "--close", "2026-03-08")


@pytest.fixture(scope="session")
def make_bundle():
    def call(*words, status=0):
        result = CliRunner().invoke(main, ["bundle", *DATES, *map(str, words)])
        assert result.exit_code == status, result.output
        return result

    return call


@pytest.fixture(scope="session")
def truths(maps, stamps) -> dict[str, list[Path | str]]:
    """The arguments that name the data: truth and inputs apart, and a full data set."""
    return {
        "mass-mapping": [maps / "test-truth.h5", "--inputs", maps / "test-inputs.h5"],
        "stamps": [stamps / "data.h5"],
    }


@pytest.fixture(scope="session")
def bundles(tmp_path_factory, truths, make_bundle) -> dict[str, Path]:
    """An unzipped bundle of each track."""
    folder = tmp_path_factory.mktemp("bundles")
    for track, words in truths.items():
        make_bundle(*words, "--out", folder / track)
    return {track: folder / track for track in truths}


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in ("numpy", "scipy", "h5py"):
        for path in Path(np.__file__).parents[1].glob(f"{name}*"):
            if path.name in (name, f"{name}.libs"):
                (site / path.name).symlink_to(path)
    python = folder / "bin/python"
    for name, there in (("numpy", True), ("h5py", True), ("click", False), ("rich", False)):
        done = subprocess.run([python, "-c", f"import {name}"], capture_output=True, cwd=folder)
        assert (done.returncode == 0) is there, (name, done.stderr)
    return python


@pytest.fixture
def small(tmp_path):
    """A function that writes a full data set of a few cases."""

    def write(name, groups, labels=None, kappa=None):
        track = MASS_MAPPING if labels is None else STAMPS
        ids = [f"c{row}" for row in range(len(groups))]
        inputs = np.zeros((len(ids), *track.inputs.shape), track.inputs.dtype)
        truth = np.broadcast_to(kappa, (len(ids), 128, 128)) if labels is None else np.array(labels)
        with create(tmp_path / name, track, "full", {}) as writer:
            writer.append(ids, groups, **{track.inputs.name: inputs, track.truth.name: truth})
        return tmp_path / name

    return write
