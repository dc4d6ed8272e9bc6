"""Runs with JAX: what they record, and what the default backend makes of their models."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from harness.data.store import open_dataset
from harness.runs.folder import finished
from harness.runs.training import predictions, restored, submit
from tests.harness.runs.test_training import ROOT

pytestmark = pytest.mark.slow

SETTINGS = """
[unet]
filters = 4
depth = 2
padding = 8
epochs = 2
dropout = 0.3
[cnn-metadata]
epochs = 2
batch_size = 64
"""

TRAINED = """
import sys
from pathlib import Path
from harness.runs.training import train
preset, maps, stamps, out, *before = sys.argv[1:]
for name, data in (("unet", maps), ("cnn-metadata", stamps)):
    train(name, data, Path(out, name), preset)
"""
PREDICTED = """
import numpy as np
from harness.data.store import open_dataset
from harness.runs.training import predictions, restored
for name, data in (("unet", maps), ("cnn-metadata", stamps)):
    with open_dataset(Path(data, "test-inputs.h5")) as cases:
        network = restored(Path(before[0], name))
        np.save(Path(out, name), np.concatenate(list(predictions([network], cases))))
"""


# What holds only if the backend plays along. The rest of the loop is NumPy and files.
WITH_JAX = (
    "shown_in_their_own_orders or best or last_epoch or the_seeds or every_state or bfloat16 or patience or"
    " divergence or fault or plateau or scores"
)


@pytest.fixture(scope="module")
def with_jax(tmp_path_factory):
    """Run Python with arguments in a process whose networks use JAX: each is compiled once, and quickly."""
    cache = {
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("jax")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    environment = os.environ | cache | {"KERAS_BACKEND": "jax"}

    def run(*words):
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, env=environment, cwd=ROOT, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def trained(maps, stamps, with_jax, tmp_path_factory):
    """Both networks trained by two processes; the second predicts with those of the first."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "settings.toml").write_text(SETTINGS)
    given = folder / "settings.toml", maps, stamps
    with_jax("-c", TRAINED, *given, folder / "first")
    with_jax("-c", TRAINED + PREDICTED, *given, folder / "again", folder / "first")
    return folder


@pytest.mark.parametrize("name", ["unet", "cnn-metadata"])
def test_a_model_of_one_backend_predicts_with_another(name, maps, stamps, tmp_path, trained):
    inputs = (maps if name == "unet" else stamps) / "test-inputs.h5"
    run, again = trained / "first" / name, trained / "again" / name
    versions = finished(run)["versions"]
    assert {"keras", "jax"} <= versions.keys()
    assert "tensorflow" not in versions
    weights = [zipfile.ZipFile(folder / "model/model.keras") for folder in (run, again)]
    assert len({archive.read("model.weights.h5") for archive in weights}) == 1
    with open_dataset(inputs) as cases:
        ours = np.concatenate(list(predictions([restored(run)], cases)))
    np.testing.assert_allclose(np.load(trained / f"again/{name}.npy"), ours, rtol=0, atol=1e-5)
    submit([run], inputs, "Team", tmp_path / "submission.zip")


def test_the_loop_keeps_its_promises_with_jax(with_jax):
    """Tests of the loop again: orders, checkpoints, resuming to the same bytes, early stopping."""
    names = ("test_keras_loop.py", "test_learning_rate.py")
    files = [f"tests/baselines/{name}" for name in names]
    done = with_jax("-m", "pytest", "-q", "-n", "0", "-k", WITH_JAX, *files)
    assert "18 passed" in done.stdout
