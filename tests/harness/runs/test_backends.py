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
depth = 3
padding = 8
epochs = 2
dropout = 0.3
[cnn-metadata]
epochs = 2
batch_size = 64
"""


AGAIN = """
import sys
from pathlib import Path
import numpy as np
from harness.data.store import open_dataset
from harness.runs.training import predictions, restored, train
name, preset, *paths = sys.argv[1:]
data, run, again, out = map(Path, paths)
train(name, data, again, preset)
with open_dataset(data / "test-inputs.h5") as cases:
    np.save(out, np.concatenate(list(predictions([restored(run)[1]], cases))))
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


@pytest.mark.parametrize("name", ["unet", "cnn-metadata"])
def test_a_model_of_one_backend_predicts_with_another(name, maps, stamps, tmp_path, with_jax):
    data = maps if name == "unet" else stamps
    preset, inputs = tmp_path / "settings.toml", data / "test-inputs.h5"
    preset.write_text(SETTINGS)
    run, again, out = (tmp_path / path for path in ("run", "again", "jax.npy"))
    with_jax("-m", "harness.cli", "train", name, "--data", data, "--out", run, "--preset", preset)
    with_jax("-c", AGAIN, name, preset, data, run, again, out)
    versions = finished(run)["versions"]
    assert {"keras", "jax"} <= versions.keys()
    assert "tensorflow" not in versions
    weights = [zipfile.ZipFile(folder / "model/model.keras") for folder in (run, again)]
    assert len({archive.read("model.weights.h5") for archive in weights}) == 1
    with open_dataset(inputs) as cases:
        ours = np.concatenate(list(predictions([restored(run)[1]], cases)))
    np.testing.assert_allclose(np.load(out), ours, rtol=0, atol=1e-5)
    submit([run], inputs, "Team", tmp_path / "submission.zip")


def test_the_loop_keeps_its_promises_with_jax(with_jax):
    """Tests of the loop again: orders, checkpoints, resuming to the same bytes, early stopping."""
    names = ("test_keras_loop.py", "test_learning_rate.py")
    files = [f"tests/baselines/{name}" for name in names]
    done = with_jax("-m", "pytest", "-q", "-n", "0", "-k", WITH_JAX, *files)
    assert "18 passed" in done.stdout
