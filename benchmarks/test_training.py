"""An epoch of the UNet from HDF5 with augmentation, against one of the same cases in memory without."""

import h5py
import numpy as np
import pytest

from baselines.batches import Batches
from baselines.learning_rate import adam
from baselines.mass_mapping.unet import Examples, UNet
from baselines.presets import make, settings
from baselines.protocol import Cases, Training

CASES = 256


@pytest.fixture
def columns(tmp_path):
    """The cases in memory and, with chunks as `astroboard pack` makes them, on disk."""
    rng = np.random.default_rng(0)
    epsilon = rng.normal(0, 0.3, (CASES, 128, 128, 3)).astype(np.float16)
    kappa = rng.normal(0, 0.05, (CASES, 128, 128)).astype(np.float16)
    with h5py.File(tmp_path / "train.h5", "w") as file:
        for name, values in (("epsilon", epsilon), ("kappa", kappa)):
            file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]))
        yield {"memory": (epsilon, kappa), "HDF5": (file["epsilon"], file["kappa"])}


def epoch(columns, augmentation, folder):
    """A function that trains for an epoch."""
    baseline = make(UNet, settings("laptop", "unet") | {"augmentation": augmentation})
    examples = Examples(Cases(*columns, None), baseline, Training(0, folder))
    batches = Batches(examples.read, examples.shuffled, baseline.batch_size, seed=0)
    model = baseline.new_network()
    model.compile(adam(baseline.learning_rate, "constant", 1), baseline.loss_function())

    def fit():
        model.fit(batches, shuffle=False, verbose=0)
        assert batches.fault is None

    return fit


def test_epoch(ratio, columns, tmp_path):
    ours = epoch(columns["HDF5"], "spin-2", tmp_path)
    theirs = epoch(columns["memory"], "none", tmp_path)
    theirs()  # ratio warms up the first alone
    what = f"fit of {CASES} maps from HDF5, with augmentation"
    ratio(what, "fit in memory, without", "≥ 0.9", ours, theirs, rounds=3)
