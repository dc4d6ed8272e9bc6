"""A small simulated competition of each track, made once, and submissions to it."""

from pathlib import Path

import numpy as np
import pytest

from harness.data.simulate.dataset import simulate
from harness.data.split import split
from harness.data.store import open_dataset
from harness.tracks import MASS_MAPPING, STAMPS
from submissions import write_submission


@pytest.fixture(scope="session")
def maps(tmp_path_factory) -> Path:
    """A folder with data.h5 and its four parts: 60 maps of as many clusters."""
    folder = tmp_path_factory.mktemp("maps")
    simulate(MASS_MAPPING, folder / "data.h5", 60, seed=11)
    split(folder / "data.h5", folder, seed=1)
    return folder


@pytest.fixture(scope="session")
def stamps(tmp_path_factory) -> Path:
    """A folder with data.h5 and its four parts: 300 alerts."""
    folder = tmp_path_factory.mktemp("stamps")
    simulate(STAMPS, folder / "data.h5", 300, seed=11)
    split(folder / "data.h5", folder, seed=1)
    return folder


@pytest.fixture(scope="session")
def submission_of():
    """A function that writes a submission of predictions for the cases of a truth file."""

    def write(path: Path, truth: Path, predict, team="Team", method="method", cases=slice(None)) -> Path:
        with open_dataset(truth) as data:
            ids = data.case_ids()[cases]
            write_submission(path, data.track.name, team, method, ids, [predict(data.truth[:][cases])], {})
        return path

    return write


@pytest.fixture(scope="session")
def noisy_maps():
    """A function that gives predictions of maps with errors of a given size."""

    def make(sigma, seed=0):
        return lambda kappa: kappa + np.random.default_rng(seed).normal(0, sigma, kappa.shape)

    return make
