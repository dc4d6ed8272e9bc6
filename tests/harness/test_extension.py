"""A package of someone else's adds a baseline and a track without any change here."""

import json
import os
import subprocess
import sys

import pytest

MODULE = """
from dataclasses import replace

import numpy as np

from harness.tracks import MASS_MAPPING


class MeanMap:
    track, summary = "mass-mapping", "the mean training map, for every case"

    def fit(self, train, validation, training):
        total = sum(truth.sum(0, dtype=np.float32) for _, truth in train.chunks())
        self.kappa = total / np.float32(len(train))
        return {}

    def predict(self, inputs):
        return np.repeat(self.kappa[None], len(inputs), axis=0)

    def save(self, folder):
        np.save(folder / "kappa.npy", self.kappa)

    def restore(self, folder):
        self.kappa = np.load(folder / "kappa.npy", allow_pickle=False)


FORMAT = replace(MASS_MAPPING.format, track="peaks-only")
PEAKS = replace(MASS_MAPPING, name="peaks-only", scores=MASS_MAPPING.scores, format=FORMAT)
"""
ENTRY_POINTS = """
[astroboard.baselines]
mean-map = theirs:MeanMap
broken = theirs:Missing

[astroboard.tracks]
peaks-only = theirs:PEAKS
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "theirs.py").write_text(MODULE)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)

    def call(*words):
        command = [sys.executable, "-m", "harness.cli", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    return call


def test_a_baseline_of_theirs(run, maps, tmp_path):
    listed = run("baselines", "--json")
    assert "mean-map" in {one["name"] for one in json.loads(listed.stdout)}
    assert "broken" in listed.stderr  # said, and no reason not to list the others
    run("train", "mean-map", "--data", maps, "--out", tmp_path / "run")
    run("submit", tmp_path / "run", "--inputs", maps / "test-inputs.h5", "--team", "us", tmp_path / "a.zip")
    card = json.loads(run("score", tmp_path / "a.zip", "--truth", maps / "test-truth.h5", "--json").stdout)
    assert 0 < card["metrics"]["dicee"]["mean"] < 1


def test_a_track_of_theirs(run, maps, tmp_path):
    import h5py

    for name in ("test-inputs.h5", "test-truth.h5"):
        (tmp_path / name).write_bytes((maps / name).read_bytes())
        with h5py.File(tmp_path / name, "r+") as file:
            file.attrs["track"] = "peaks-only"
    code = (
        "import sys; from pathlib import Path; from harness.data.store import open_dataset\n"
        "from submissions import write_submission\n"
        "with open_dataset(Path(sys.argv[1])) as data:\n"
        "    ids, kappa = data.case_ids(), [data.truth[:]]\n"
        "    write_submission(sys.argv[2], data.track.format, 'us', 'truth', ids, kappa, {})\n"
    )
    path = tmp_path / "a.zip"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "test-truth.h5"), str(path)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=True,
    )
    run("validate", path, "--inputs", tmp_path / "test-inputs.h5")
    card = json.loads(run("score", path, "--truth", tmp_path / "test-truth.h5", "--json").stdout)
    assert card["track"] == "peaks-only"
    assert card["metrics"]["dpeaks"]["mean"] == 0
